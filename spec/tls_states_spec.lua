-- SPDX-License-Identifier: MIT

--- Several Lua states in one process, each with TLS of its own: one after another, side by side on
--- one loop, in other threads, closed in either order. Skipped where there is no Lua library to link
--- with.

local ends = require("spec.support.ends")
local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")

local HEAD = [[
local cert, key, ca = %q, %q, %q
local net, tls = require("net"), require("net.tls")

local function until_(is_so)
  repeat net.run("nowait") until is_so()
end

local function listen(path, listener)
  return tls.createServer({ cert = cert, key = key }, listener):listen(path)
end

local function connect(path, options)
  options = options or {}
  options.path, options.servername, options.ca = path, "localhost", ca
  return tls.connect(options)
end

]]

local function head() return HEAD:format(pair.server.cert, pair.server.key, pair.ca.cert) end

--- A connection in one state, with all that is under way on it.
local ALIVE = [[
local path = os.tmpname()
os.remove(path)
local peer, got, asked
MADE = { listen(path, function(socket) peer = socket end) }
MADE.client = connect(path)
MADE.client:on("data", function(chunk) got = chunk end)
until_(function() return peer end)
peer:write(("x"):rep(1000000))
until_(function() return got end)
MADE.half = connect(path)
MADE.waits = tls.createServer({ cert = cert, key = key, SNICallback = function() asked = true end })
MADE.waits:listen(path .. "2")
MADE.asking = connect(path .. "2")
until_(function() return asked end)
os.remove(path)
os.remove(path .. "2")
]]

describe("Lua states with TLS, one after another,", function()
  local program

  setup(function() program = ends.compile() end)
  teardown(function() return program and program:__close() end)

  for where, env in pairs { ["in one thread"] = {}, ["in a thread each"] = { ENDS_THREADS = "1" } } do
    it("leave nothing behind " .. where, function()
      if not program then pending("no Lua library to link with") return end
      local bytes, descriptors = program:left_behind(head() .. ALIVE, env)
      assert.equal(0, descriptors)
      assert.is_true(bytes < ends.ROUNDING, bytes .. " bytes")
    end)
  end
end)

describe("Lua states with TLS, side by side,", function()
  local program, host = os.tmpname(), nil

  setup(function() host = lua.compile("spec/support/host.c", program, "-pthread") end)
  teardown(function() os.remove(program) end)

  --- What the host prints with these scripts, each in a state of its own on one loop.
  local function embed(env, ...)
    local paths = {}
    for i, text in ipairs({ ... }) do
      paths[i] = os.tmpname()
      local file <close> = assert(io.open(paths[i], "w"))
      file:write(head(), text)
    end
    local result = lua.run({ program = host, args = paths, env = env })
    for _, path in ipairs(paths) do os.remove(path) end
    assert.same({ code = 0, stderr = "" }, { code = result.code, stderr = result.stderr }, result.stdout)
    return result.stdout
  end

  local SERVER = [[
    local server
    server = listen(%q, function(socket)
      socket:on("data", function(chunk)
        print("server: " .. chunk)
        socket:finish("bye")
        server:close()
      end)
    end)
  ]]

  local CLIENT = [[
    local socket = connect(%q)
    socket:write("hello")
    socket:on("data", function(chunk) print("client: " .. chunk) end)
    socket:on("close", function(is_error) print("client closed", is_error) end)
  ]]

  local function for_each_way(text, fn)
    for _, env in ipairs { {}, { HOST_THREAD = "1" }, { HOST_REVERSE = "1" } } do
      local name = next(env) or "HOST"
      it(text .. " (" .. name .. ")", function()
        if not host then pending("no Lua library to link with") return end
        local path = os.tmpname()
        os.remove(path)
        fn(env, path)
        os.remove(path)
      end)
    end
  end

  --- Serves the other state, and is its client, until that is gone.
  local BOTH = [[
    local name, own, other, version, close_at = %q, %q, %q, %q, %d
    if close_at > 0 then host.close_at(close_at) end
    local left, server = 3, nil
    server = listen(own, function(socket)
      socket:on("error", function() end)
      socket:resume():finish(("x"):rep(100000))
    end)
    server:on("close", function() print(name .. " has closed") end)
    for _ = 1, left do
      require("net.timers").setImmediate(function()
        local client = connect(other, { maxVersion = version })
        client:on("error", function() end)
        client:on("close", function()
          left = left - 1
          if left == 0 then server:close() end
        end)
        client:resume():write("hello")
      end)
    end
  ]]

  local POLLS = 12 -- by then both have all that they want

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    for_each_way("may be closed amid each other's handshakes, " .. version, function(env, path)
      local one, two = path .. "1", path .. "2"
      for closes = 1, 2 do
        for at = 1, POLLS do
          local output = embed(env, BOTH:format("one", one, two, version, closes == 1 and at or 0),
            BOTH:format("two", two, one, version, closes == 2 and at or 0))
          os.remove(one)
          os.remove(two)
          assert.matches((closes == 1 and "two" or "one") .. " has closed\n", output)
          assert.matches("host: the loop has ended\n$", output)
        end
      end
    end)
  end

  for_each_way("speak with each other", function(env, path)
    assert.equal("server: hello\nclient: bye\nclient closed\tfalse\nhost: the loop has ended\n",
      embed(env, SERVER:format(path), CLIENT:format(path)))
  end)
end)
