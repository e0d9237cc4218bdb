-- SPDX-License-Identifier: MIT

--- What the servers over TLS need in files: a key with its certificate, and a stream.

local stream = require("stream")
local tool = require("tool")

local M = {}

local FOLDER = tool.out .. "/tls"
local PERIODS = 256

M.pem = FOLDER .. "/server.pem" -- P-256, as most servers have today
--- How long the file "stream" beside it is, which nginx serves: whole periods.
M.size = PERIODS * #stream.period()

--- Makes them; false where there is no program `openssl`.
function M.make()
  local command = ([[mkdir -p '%s' && cd '%s' && openssl req -x509 -newkey ec \
    -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 30 \
    -subj /CN=localhost 2>/dev/null && cat key.pem cert.pem >server.pem]]):format(FOLDER, FOLDER)
  if not os.execute(command) then
    return false
  end
  local file = assert(io.open(FOLDER .. "/stream", "w"))
  for _ = 1, PERIODS do
    assert(file:write(stream.period()))
  end
  return assert(file:close())
end

return M
