-- SPDX-License-Identifier: MIT

local net = require("net")
local within = require("spec.support").within
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")

local LOCAL = "127.0.0.1"

--- A listener that adds its word to a list, and what an error's code is.
local function noting(seen, word)
  return function(err)
    seen[#seen + 1] = err and word .. " " .. err.code or word
  end
end

--- A client that sees its connection through, whatever the server does.
local function visit(server, path)
  local client = path and net.connect(path) or net.connect(server:address().port, LOCAL)
  return client:on("error", function() end):resume()
end

--- How many values a weak table still holds once all garbage is gone.
local function survivors(weak)
  collectgarbage()
  collectgarbage()
  local n = 0
  for _ in pairs(weak) do
    n = n + 1
  end
  return n
end

describe("server:close", function()
  it("ends listening at once, and 'close' comes on a tick", within(function(t)
    local seen, server = {}, net.createServer()
    server:on("close", t.calls(1, noting(seen, "close")))
    server:listen(0, LOCAL, t.calls(1, function()
      assert.equal(server, server:close(t.calls(1, noting(seen, "callback"))))
      assert.is_false(server.listening)
      assert.is_nil(server:address())
      assert.same({}, seen)
    end))
    t.run()
    assert.same({ "close", "callback" }, seen)
  end))

  it("keeps the connections, and emits 'close' before the last one's own", within(function(t)
    local seen, server = {}, nil
    server = net.createServer({ allowHalfOpen = true }, t.calls(1, function(peer)
      peer:on("close", t.calls(1, noting(seen, "peer")))
      peer:on("end", t.calls(1, function() peer:finish() end))
      peer:resume()
      server:close(t.calls(1, noting(seen, "callback")))
      assert.same(1, server.connections)
    end))
    server:on("close", t.calls(1, function()
      assert.same(0, server.connections)
      seen[#seen + 1] = "close"
    end))
    server:listen(0, LOCAL, t.calls(1, function() visit(server):finish() end))
    t.run()
    table.remove(seen)
    assert.same({ "close", "callback" }, seen)
  end))

  it("suppresses 'listening' within the same tick", within(function(t)
    local server = net.createServer()
    server:on("listening", t.calls(0, function() end))
    server:on("close", t.calls(1, function() end))
    server:listen(0)
    server:close(t.calls(1, function(...) assert.same(0, select("#", ...)) end))
    t.run()
  end))

  it("drops a look-up that is under way, and says it was not running", within(function(t)
    local seen, server = {}, net.createServer()
    server:on("listening", t.calls(0, function() end))
    server:on("close", t.calls(1, noting(seen, "close")))
    server:listen(0, LOCAL)
    server:close(t.calls(1, noting(seen, "callback")))
    t.run()
    assert.same({ "close", "callback ERR_SERVER_NOT_RUNNING" }, seen)
    assert.is_false(server.listening)
  end))

  it("says so too when it never listened", within(function(t)
    local server = net.createServer()
    server:on("close", t.calls(1, function() end))
    server:close(t.calls(1, function(err)
      assert.same("Error [ERR_SERVER_NOT_RUNNING]: Server is not running.", tostring(err))
    end))
    t.run()
  end))

  it("emits 'close' again when called again", within(function(t)
    local seen, server = {}, net.createServer()
    server:on("close", t.calls(2, noting(seen, "close")))
    server:listen(0, t.calls(1, function()
      server:close(t.calls(1, noting(seen, "first")))
      server:close(t.calls(1, noting(seen, "second")))
    end))
    t.run()
    assert.same({ "close", "first", "second ERR_SERVER_NOT_RUNNING", "close" }, seen)
  end))

  it("ignores a callback that is none", within(function(t)
    local server = net.createServer()
    server:on("close", t.calls(1, function() end))
    assert.equal(server, server:close("later"))
    t.run()
  end))

  it("lets the server listen again, from 'close' too", within(function(t)
    local server = net.createServer()
    local rounds = 0
    server:on("close", t.calls(3, function()
      rounds = rounds + 1
      if rounds < 3 then
        server:listen(0, LOCAL)
      end
    end))
    server:on("listening", t.calls(3, function() server:close() end))
    server:listen(0, LOCAL)
    t.run()
  end))

  it("raises for the wrong object", function()
    for _, method in ipairs({ "close", "getConnections", "address", "ref", "unref" }) do
      local err = sockets.raised(net.Server[method], {})
      assert.same("ERR_INVALID_THIS", err.code)
    end
  end)

  describe("from within", function()
    --- Runs a server with one visitor, and closes it in the given event.
    local function closes_in(t, event, prepare)
      local server
      server = net.createServer(function(peer) peer:destroy() end)
      server:on("close", t.calls(1, function() end))
      server:on(event, t.calls(1, function() server:close() end))
      if prepare then prepare(server) end
      server:listen(0, LOCAL)
      server:once("listening", function()
        if server.listening then visit(server) end
      end)
      t.run()
      assert.is_false(server.listening)
    end

    it("'listening'", within(function(t) closes_in(t, "listening") end))
    it("'connection'", within(function(t) closes_in(t, "connection") end))

    it("'drop'", within(function(t)
      closes_in(t, "drop", function(server) server.maxConnections = 0 end)
    end))

    it("'error', where nothing is open", within(function(t)
      local seen, server = {}, net.createServer()
      server:on("close", t.calls(1, noting(seen, "close")))
      server:on("error", t.calls(1, function() server:close(t.calls(1, noting(seen, "cb"))) end))
      server:listen(0, "192.0.2.1")
      t.run()
      assert.same({ "close", "cb ERR_SERVER_NOT_RUNNING" }, seen)
    end))

    it("the callback of getConnections", within(function(t)
      local server = net.createServer()
      server:on("close", t.calls(1, function() end))
      server:listen(0, t.calls(1, function()
        server:getConnections(t.calls(1, function() server:close() end))
      end))
      t.run()
    end))

    it("'connection', with the collector run at once", within(function(t)
      local weak = setmetatable({}, { __mode = "k" })
      do
        local server
        server = net.createServer(t.calls(1, function(peer)
          server:close()
          peer:destroy()
          server = nil
          collectgarbage()
          collectgarbage()
        end))
        weak[server] = true
        server:listen(0, LOCAL, t.calls(1, function() visit(server) end))
      end
      t.run()
      assert.same(0, survivors(weak))
    end))
  end)
end)

describe("server:getConnections", function()
  it("calls back on a tick with the count of then", within(function(t)
    local server = net.createServer()
    local called = false
    assert.equal(server, server:getConnections(t.calls(1, function(err, count)
      called = true
      assert.is_nil(err)
      assert.same(0, count)
    end)))
    assert.is_false(called)
    t.run()
  end))

  it("counts from 'connection' until destroy", within(function(t)
    local server
    server = net.createServer(t.calls(1, function(peer)
      assert.same(1, server.connections)
      server:getConnections(t.calls(1, function(_, count)
        assert.same(1, count)
        peer:destroy()
        assert.same(0, server.connections)
        server:close()
      end))
    end))
    server:listen(0, LOCAL, t.calls(1, function() visit(server) end))
    t.run()
  end))

  it("raises for a callback that is none", function()
    local server = net.createServer()
    local err = sockets.raised(server.getConnections, server)
    assert.same('TypeError [ERR_INVALID_ARG_TYPE]: The "callback" argument must be of type '
      .. "function. Received nil", tostring(err))
    err = sockets.raised(server.getConnections, server, 1)
    assert.matches("Received type number %(1%)$", err.message)
  end)
end)

describe("the loop", function()
  it("is held by a listening server, until it closes", within(function(t)
    local server = net.createServer():listen(0)
    assert.is_true(net.run("nowait"))
    server:close()
    t.run()
    assert.is_false(net.run("nowait"))
  end))

  it("is not held by one that was unref'd, before or after listen", within(function(t)
    local early, late = net.createServer(), net.createServer()
    early:on("listening", t.calls(1, function() end))
    assert.equal(early, early:unref())
    early:listen(0)
    late:listen(0)
    late:unref():unref()
    assert.is_false(net.run())
    early:ref()
    assert.is_true(net.run("nowait"))
    early:close()
    late:close()
    t.run()
  end))
end)

describe("a server in a <close> variable", function()
  it("is closed when the scope is left", within(function(t)
    local closed = t.calls(1, function() end)
    local kept
    do
      local server <close> = net.createServer():listen(0)
      server:on("close", closed)
      kept = server
    end
    assert.is_false(kept.listening)
    t.run()
  end))

  it("is left alone when it does not listen", within(function(t)
    do
      local server <close> = net.createServer()
      server:on("close", t.calls(0, function() end))
    end
    t.run()
  end))

  it("never listens when a look-up was under way", within(function(t)
    local kept
    do
      local server <close> = net.createServer()
      kept = server:listen(0, LOCAL)
    end
    t.run()
    assert.is_false(kept.listening)
  end))
end)

describe("a server nobody holds", function()
  it("is collected while it is idle", within(function(t)
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 10 do
      weak[net.createServer(function() end)] = true
    end
    assert.same(0, survivors(weak))
    t.run()
  end))

  it("is kept while it listens or has connections, and no longer", within(function(t)
    local weak = setmetatable({}, { __mode = "k" })
    local peer
    do
      local server
      server = net.createServer(t.calls(1, function(socket)
        peer = socket
        server:close()
        server = nil
      end))
      weak[server] = true
      server:listen(0, LOCAL, t.calls(1, function() visit(server) end))
    end
    assert.same(1, survivors(weak))
    servers.wait(function() return peer end)
    assert.same(1, survivors(weak))
    peer:destroy()
    t.run()
    assert.equal(next(weak), peer.server)
    peer = nil
    assert.same(0, survivors(weak))
  end))

  it("is collected after a listen that failed", within(function(t)
    local weak = setmetatable({}, { __mode = "k" })
    do
      local server = net.createServer():on("error", t.calls(1, function() end))
      weak[server] = true
      server:listen(0, "192.0.2.1")
    end
    t.run()
    assert.same(0, survivors(weak))
  end))
end)

describe("lua_close", function()
  it("frees a server in each state, and calls nobody", function()
    local output, code = servers.child([[
      local net = require("net")
      local function never() print("called") end
      local idle = net.createServer(never)
      local pending = net.createServer(never):listen(0, "localhost")
      local listening = net.createServer(never):on("close", never):listen(0)
      local unheld = net.createServer(never):unref():listen(0)
      local served
      served = net.createServer(function(peer)
        peer:on("close", never)
        served:close()
        net.stop()
      end):on("close", never)
      served:listen(0, "127.0.0.1", function()
        net.connect(served:address().port, "127.0.0.1"):on("close", never)
      end)
      net.run()
      print("done", idle.listening, listening.listening, unheld.listening, served.connections)
    ]])
    assert.same("done\tfalse\ttrue\ttrue\t1\n", output)
    assert.same(0, code)
  end)

  it("lets no finaliser start a server", function()
    local output, code = servers.child([[
      local net
      local hook = setmetatable({}, { __gc = function(self)
        print(pcall(self.server.listen, self.server, 0))
        print(pcall(net.createServer))
      end })
      net = require("net")
      hook.server = net.createServer()
    ]])
    assert.matches("^false\t.*false\t.*", output)
    assert.same(0, code)
  end)
end)
