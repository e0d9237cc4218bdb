-- SPDX-License-Identifier: MIT

--- A child that a host in C has made by fork(2) has a copy of each TLS connection of its parent's.
--- Whatever it does with it, the parent's goes on.

local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")
local within = require("spec.support").within

-- The child goes by a signal at its end, or a leak checker would wait for the parent's threads.
local PROGRAM = [[
  local net, tls = require("net"), require("net.tls")
  local timers = require("net.timers")
  local said = {}
  local function say(...) print(...) io.stdout:flush() end
  local function end_child() io.stdout:flush() io.popen("kill -9 $PPID", "w"):close() end
  local server
  server = tls.createServer({ cert = %q, key = %q, maxVersion = %q }, function(socket)
    socket:on("data", function(chunk)
      said[#said + 1] = chunk
      socket:write("[" .. chunk .. "]")
    end)
    socket:on("error", function(err) say("server", err) end)
    socket:on("end", function() server:close() end)
  end)
  server:listen(0, "127.0.0.1", function()
    local client = tls.connect({ port = server:address().port, host = "127.0.0.1", ca = %q,
      servername = "localhost" })
    client:on("error", function(err) say("client", err.code, err.message) end)
    client:write("first")
    client:once("data", function(chunk)
      say("parent", chunk)
      if fork() == 0 then
        server:close()
        %s
        return
      end
      if %s then wait() end
      client:write("second")
      client:once("data", function(answer)
        say("parent", answer)
        client:finish()
      end)
      client:on("close", function(had_error)
        wait()
        say("parent", "close", had_error)
      end)
    end)
  end)
  net.run()
]]

--- What both processes print; the parent goes on when the child has ended, or beside it.
local function forked(t, version, child, is_beside)
  local program = lua.compile("spec/support/forks.c", t.tmpname())
  if not program then
    return nil
  end
  local path = t.tmpname(".lua")
  local file = assert(io.open(path, "w"))
  file:write(PROGRAM:format(pair.server.cert, pair.server.key, version, pair.ca.cert, child, not is_beside))
  file:close()
  local result = lua.run({ program = program, args = { path } })
  assert.equal("", result.stderr)
  return result.stdout
end

local REFUSED = "client\tERR_INVALID_STATE\tInvalid state: the connection is that of the process that has forked\n"

local CHILDREN = {
  ["writes"] = { [[client:write("of the child", function(err) say("child", err.code) end)
    client:on("close", function(had_error) say("child", "close", had_error) end_child() end)]],
    "child\tERR_INVALID_STATE\n" .. REFUSED .. "child\tclose\ttrue\n" },
  ["ends it"] = { [[client:finish()
    client:on("close", function(had_error) say("child", "close", had_error) end_child() end)]],
    REFUSED .. "child\tclose\ttrue\n" },
  ["destroys it"] = { [[client:destroy()
    client:on("close", function(had_error) say("child", "close", had_error) end_child() end)]],
    "child\tclose\tfalse\n" },
  ["ends at once"] = { "end_child()", "" },
  ["ends by os.exit, with something written"] = { [[client:write("lost") os.exit(0)]], "" },
  ["ends by lua_close, with something written"] = { [[client:write("lost") os.exit(0, true)]], "" },
}

for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
  describe("A connection of " .. version .. ", of which a child made by fork has a copy,", function()
    for what, case in pairs(CHILDREN) do
      it("goes on when that " .. what, within(function(t)
        local said = forked(t, version, case[1])
        if not said then
          return pending("no Lua library to link with")
        end
        assert.equal("parent\t[first]\n" .. case[2] .. "parent\t[second]\nparent\tclose\tfalse\n", said)
      end))
    end

    it("loses nothing to that, which closes its own when something comes", within(function(t)
      local said = forked(t, version, [[client:on("data", function() say("child", "data") end)
        client:on("close", function(had_error) say("child", "close", had_error) end_child() end)]], true)
      if not said then
        return pending("no Lua library to link with")
      end
      local lines = {}
      for line in said:gmatch("[^\n]+") do lines[#lines + 1] = line end
      table.sort(lines)
      assert.same({ "child\tclose\tfalse", "parent\t[first]", "parent\t[second]", "parent\tclose\tfalse" }, lines)
    end))
  end)
end
