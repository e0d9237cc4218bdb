-- SPDX-License-Identifier: MIT

--- Connections behind a proxy without memory, at each of the places where Lua may ask for some:
--- see memory_spec.lua, whose preamble this uses, and support/starve.c. Skipped where there is no
--- Lua library to link with.

local lua = require("spec.support.lua")

--- What the scripts of memory_spec.lua begin with.
local function preamble()
  local file <close> = assert(io.open("spec/memory_spec.lua"))
  return assert(file:read("a"):match("\nlocal HEAD = %[%[\n(.-)\n%]%]"))
end

--- A server, and what a client says to it, in two pieces.
local PROGRAM = [[

play(function()
  local list = net.BlockList()
  list:addAddress("10.0.0.1")
  local server = own(net.createServer({ proxyProtocol = { timeout = 30 }, blockList = list }))
  server:on("connection", function(peer) own(peer):pipe(peer) end)
  server:on("proxyError", function(_, remains) own(remains) end)
  server:listen(0, "127.0.0.1", function()
    local socket = own(net.Socket())
    socket:on("data", function() socket:finish() end)
    socket:on("close", function() server:close() end)
    socket:connect(server:address().port, "127.0.0.1")
    socket:write(%q, function()
      timers.setImmediate(function() socket:write(%q) end)
    end)
  end)
end)
return problem
]]

local LONG = "\r\n\r\n\0\r\nQUIT\n\x21\x11" .. string.pack(">s2", ("\1"):rep(12)
  .. string.pack(">Bs2", 4, ("p"):rep(3000)))

local CASES = {
  ["a line in two pieces"] = { "PROXY TCP4 10.0.0.", "2 10.0.0.3 1 2\r\nhello" },
  ["a long header"] = { LONG:sub(1, 700), LONG:sub(701) .. "hello" },
  ["a client whom the server blocks"] = { "PROXY TCP4 10.0.0.1 10.0.0.3 1 2\r\n", "hello" },
  ["what is no header"] = { "PROXY TCP4", "!" },
  ["a header that never ends"] = { "PROXY", " " },
}

describe("connections behind a proxy without memory", function()
  local program = os.tmpname()
  local host

  setup(function() host = lua.compile("spec/support/starve.c", program) end)
  teardown(function() os.remove(program) end)

  for name, pieces in pairs(CASES) do
    for what, length in pairs { ["for a moment"] = 2, ["from there on"] = 0 } do
      it(("fail as a whole, and leave nothing, %s: %s #slow"):format(what, name), function()
        if not host then
          return pending("no Lua library to link with")
        end
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(preamble(), PROGRAM:format(pieces[1], pieces[2]))
        file:close()
        local result = lua.run({ program = host, args = { path, length, "grown" } })
        os.remove(path)
        assert.same({ code = 0, stdout = "the end\n", stderr = "" }, result)
      end)
    end
  end
end)
