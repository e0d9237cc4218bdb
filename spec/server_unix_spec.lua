-- SPDX-License-Identifier: MIT

local core = require("net.core")
local net = require("net")
local within = require("spec.support").within
local servers = require("spec.support.servers")
local sockets = require("spec.support.sockets")

local IS_LINUX = io.open("/proc/self/stat") ~= nil

--- A path of `size` bytes in the directory for temporary files.
local function path_of(size)
  local path = sockets.path()
  return path .. ("x"):rep(size - #path)
end

describe("net.Server on a Unix path", function()
  it("serves there, and removes the file within close", within(function(t)
    local path = sockets.path()
    local server
    server = net.createServer(t.calls(1, function(peer)
      peer:on("data", t.calls(1, function(data) peer:finish(data) end))
      server:close()
      assert.is_nil(servers.mode(path))
    end))
    assert.is_nil(server:address())
    server:listen(path, t.calls(1, function()
      local client = net.connect(path)
      client:on("data", t.calls(1, function(data) assert.same("ping", data) end))
      client:write("ping")
    end))
    assert.is_true(server.listening)
    assert.same(path, server:address())
    assert.matches("^s", servers.mode(path))
    t.run()
  end))

  it("takes the path in options, with a backlog", within(function(t)
    local server, path = net.createServer(), sockets.path()
    server:listen({ path = path, backlog = 1 }, t.calls(1, function() server:close() end))
    t.run()
    local other = net.createServer()
    other:listen(path, 1, t.calls(1, function() other:close() end))
    t.run()
  end))

  it("goes on saying its path once it is closed", within(function(t)
    local server, path = net.createServer(), sockets.path()
    server:listen(path, t.calls(1, function() server:close() end))
    t.run()
    assert.same(path, server:address())
  end))

  it("removes whatever has that name by then", within(function(t)
    local server, path = net.createServer(), sockets.path()
    server:listen(path, t.calls(1, function()
      os.remove(path)
      servers.touch(path)
      server:close()
      assert.is_nil(servers.mode(path))
    end))
    t.run()
  end))

  it("leaves the file when the process ends without close", function()
    local path = sockets.path()
    servers.child(([[
      local net = require("net")
      net.createServer():listen(%q)
    ]]):format(path))
    assert.matches("^s", servers.mode(path))
    os.remove(path)
  end)

  describe("that cannot be had", function()
    --- Listens at `path`, which fails with `text`, and leaves the server usable.
    local function fails(t, path, text)
      local server = net.createServer()
      local told = false
      server:on("error", t.calls(1, function(err)
        told = true
        assert.same("Error: listen " .. text .. " " .. path, tostring(err))
        assert.same("listen", err.syscall)
        assert.same(path, err.address)
        assert.same(-1, err.port)
        local other = sockets.path()
        server:listen(other, t.calls(1, function()
          assert.same(other, server:address())
          server:close()
        end))
      end))
      server:listen(path)
      assert.is_false(server.listening)
      assert.is_false(told)
      assert.same(path, server:address())
      t.run()
    end

    it("says EADDRINUSE for a file, and leaves it alone", within(function(t)
      local path = servers.touch(sockets.path())
      fails(t, path, "EADDRINUSE: address already in use")
      assert.matches("^%-", servers.mode(path))
      os.remove(path)
    end))

    it("says EADDRINUSE for the socket of a server that died", within(function(t)
      local path = sockets.path()
      servers.child(([[require("net").createServer():listen(%q)]]):format(path))
      fails(t, path, "EADDRINUSE: address already in use")
      assert.matches("^s", servers.mode(path))
      os.remove(path)
    end))

    it("says EADDRINUSE for another server's, who keeps it", within(function(t)
      local path = sockets.path()
      local first = net.createServer():listen(path)
      first:on("close", t.calls(1, function() end))
      local second = net.createServer()
      second:on("error", t.calls(1, function(err)
        assert.same("EADDRINUSE", err.code)
        second:close()
        assert.matches("^s", servers.mode(path))
        first:close()
      end))
      second:listen(path)
      t.run()
    end))

    it("says EADDRINUSE for a directory", within(function(t)
      local path = sockets.path()
      os.execute("mkdir " .. path)
      fails(t, path, "EADDRINUSE: address already in use")
      os.execute("rmdir " .. path)
    end))

    it("says EACCES for a directory that is missing", within(function(t)
      fails(t, sockets.path() .. "/socket", "EACCES: permission denied")
    end))

    it("says EACCES for a directory that is closed to us", within(function(t)
      local path = sockets.path()
      os.execute(("mkdir %s && chmod 500 %s"):format(path, path))
      local root = os.execute(("touch %s/probe 2>/dev/null"):format(path))
      if not root then -- to whom nothing is closed
        fails(t, path .. "/socket", "EACCES: permission denied")
      end
      os.execute(("chmod 700 %s && rm -r %s"):format(path, path))
    end))

    it("says EINVAL for more than 108 bytes", within(function(t)
      fails(t, path_of(109), "EINVAL: invalid argument")
      fails(t, path_of(200), "EINVAL: invalid argument")
    end))

    it("says EINVAL for a name with a NUL inside", within(function(t)
      local server = net.createServer()
      server:on("error", t.calls(1, function(err) assert.same("EINVAL", err.code) end))
      server:listen(sockets.path() .. "\0tail")
      t.run()
    end))
  end)

  it("takes 108 bytes, where no NUL fits behind them", within(function(t)
    if not IS_LINUX then
      return
    end
    local server, path = net.createServer(), path_of(108)
    server:listen(path, t.calls(1, function()
      assert.matches("^s", servers.mode(path))
      server:close()
      assert.is_nil(servers.mode(path))
    end))
    t.run()
  end))

  describe("with permissions", function()
    local function mode_with(options)
      local server = net.createServer()
      options.path = sockets.path()
      server:listen(options)
      local mode = servers.mode(options.path)
      server:close()
      servers.wait_for(server, "close")
      return mode
    end

    it("has exactly those that were asked for", within(function(t)
      assert.same("sr--r--r--", mode_with({ readableAll = true }):sub(1, 10))
      assert.same("s-w--w--w-", mode_with({ writableAll = true }):sub(1, 10))
      assert.same("srw-rw-rw-", mode_with({ readableAll = true, writableAll = true }):sub(1, 10))
      t.run()
    end))

    it("has those of the umask when nothing, or not true, was asked for", within(function(t)
      local usual = mode_with({})
      assert.same(usual, mode_with({ readableAll = 1, writableAll = "yes" }))
      t.run()
    end))
  end)

  describe("that is an abstract name", function()
    it("serves there, and leaves no file", within(function(t)
      if not IS_LINUX then
        return
      end
      local name = "\0" .. sockets.path()
      local server
      server = net.createServer(t.calls(1, function(peer)
        peer:destroy()
        server:close()
      end))
      server:listen(name, t.calls(1, function()
        assert.same(name, server:address())
        net.connect(name):on("error", function() end):resume()
      end))
      t.run()
    end))

    it("reads as that name, also before the system has given it one", within(function(t)
      if not IS_LINUX then
        return
      end
      local server = net.createServer()
      assert.is_true(core.server.listen_unix(server, "", 511))
      assert.equal("Server (listening on @, 0 connections)", tostring(server))
      server:close()
      t.run()
    end))

    it("raises for permissions, which it has none of", function()
      for _, option in ipairs({ "readableAll", "writableAll" }) do
        local server = net.createServer()
        local err = sockets.raised(server.listen, server, { path = "\0name", [option] = 1 })
        assert.same("ERR_INVALID_ARG_VALUE", err.code)
        assert.matches("can not set readableAll or writableAllt to true when path is abstract "
          .. "unix socket%. Received { path: '\\x00name', ", err.message)
        assert.is_false(server.listening)
      end
    end)
  end)

  it("raises for a Windows pipe", function()
    for _, path in ipairs({ [[\\.\pipe\name]], [[\\?\pipe\name]] }) do
      local server = net.createServer()
      local err = sockets.raised(server.listen, server, path)
      assert.same("ERR_INVALID_ARG_VALUE", err.code)
      assert.matches("'options.path' must not be a Windows named pipe", err.message)
    end
  end)

  it("drops without data, as there are no addresses", within(function(t)
    local server, path = net.createServer(t.calls(0, function() end)), sockets.path()
    server.maxConnections = 0
    server:on("drop", t.calls(1, function(...)
      assert.same(0, select("#", ...))
      server:close()
    end))
    server:listen(path, t.calls(1, function()
      net.connect(path):on("error", function() end):resume()
    end))
    t.run()
  end))

  it("shares its handle with another server, and its path", within(function(t)
    local path = sockets.path()
    local first, second = net.createServer():listen(path), net.createServer()
    second:listen(first, t.calls(1, function()
      assert.same(path, second:address())
      second:close()
      assert.matches("^s", servers.mode(path))
      first:close()
    end))
    t.run()
  end))
end)
