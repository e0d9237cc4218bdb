-- SPDX-License-Identifier: MIT

--- What a TLS socket asks of the system, as strace(1) sees it: nothing in vain.

local pair = require("spec.support.tlspair")
local process = require("spec.support.process")
local within = require("spec.support").within

-- A client of TLS 1.2, whose handshake's last word is the server's: "begin" when it is secure,
-- "end" two turns later. In the meantime nobody says anything.
local PROGRAM = [[
  local timers, tls = require("net.timers"), require("net.tls")
  local function say(line) io.stdout:write(line, "\n") io.stdout:flush() end
  local function read(path) return assert(io.open(path)):read("a") end
  local ca, cert, key = read(arg[1]), read(arg[2]), read(arg[3])
  local server
  server = tls.createServer({ cert = cert, key = key, maxVersion = "TLSv1.2" }, function(socket)
    socket:resume():on("close", function() server:close() end)
  end)
  server:listen(0, "127.0.0.1", function()
    local client
    client = tls.connect({ port = server:address().port, ca = ca, servername = "localhost" },
      function()
        say("begin")
        timers.setImmediate(timers.setImmediate, function()
          say("end")
          client:finish()
        end)
      end)
    client:resume()
  end)
  require("net").run()
]]

local function can_trace()
  local _, code = process.run("command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null")
  return code == 0
end

--- The lines of strace's log between the program's "begin" and "end".
local function between(log)
  local found, is_on = {}, false
  for line in io.lines(log) do
    if line:find('write(1, "end', 1, true) then break end
    if is_on then found[#found + 1] = line end
    is_on = is_on or line:find('write(1, "begin', 1, true) ~= nil
  end
  assert.is_true(is_on)
  return found
end

local function file_with(t, text)
  local path = t.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

describe("A TLS client", function()
  (can_trace() and it or pending)("reads nothing when its handshake is over, before something comes",
    within(function(t)
      local log = t.tmpname()
      local output, code = process.run("env ASAN_OPTIONS=detect_leaks=0 strace -f -qq "
        .. "-e trace=recvfrom,recvmsg,read,write -o " .. log .. " " .. process.lua(file_with(t, PROGRAM),
          file_with(t, pair.ca.cert), file_with(t, pair.server.cert), file_with(t, pair.server.key)))
      assert.equal(0, code, output)
      assert.same({}, between(log))
    end))
end)
