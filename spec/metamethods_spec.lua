-- SPDX-License-Identifier: MIT

--- What getmetatable() gives away: each metamethod of each class, called by hand, with
--- what is no object, with another class's, and twice with its own.

local lua = require("spec.support.lua")

--- `objects`: one of each class, by its name. `wrong`: what is none of them.
local HEAD = [[
local net, core = require("net"), require("net.core")
local timers, process, dns = require("net.timers"), require("net.process"), require("net.dns")
local path = os.tmpname()
os.remove(path)
local function nothing() end

local dial = core.dial.new()
dial:open(4)
local kid = require("net.child").spawn("/nonexistent", { stdio = { "ignore", "ignore", "ignore", "ipc" } })
kid:on("error", nothing)
core.Task = core.open_tasks().Task
local objects = {
  Server = net.createServer(), Socket = net.Socket(), BlockList = net.BlockList(),
  SocketAddress = net.SocketAddress(), BoundSocket = net.BoundSocket({ path = path }),
  Timeout = timers.setTimeout(nothing, 5), Immediate = timers.setImmediate(nothing),
  EventEmitter = require("net.events").EventEmitter(), Process = process, Dial = dial,
  Lookup = core.resolve("localhost", 0, 0, nothing), ChildProcess = kid, Channel = kid.channel,
  Task = require("net.co").spawn(nothing),
}
objects.Server:listen(0)
process:on("SIGUSR2", nothing)
local wrong = {
  true, 1, 0.5, "text", {}, nothing, coroutine.create(nothing), io.stdout, net, core.stream.written,
  setmetatable({}, getmetatable(objects.Server)),
}
local KINDS = { "__gc", "__close", "__tostring", "__newindex", "__inspect", "__index" }

--- Raises, and says that this is not what it is for.
local function refuses(name, kind, method, ...)
  local ok, err = pcall(method, ...)
  if ok or type(err) ~= "table" or err.code ~= "ERR_INVALID_THIS" or not err.stack then
    print(name, kind, ok, err, ...)
  end
end
]]

local function run(script)
  return lua.run({ script = HEAD .. script })
end

describe("a metamethod", function()
  it("is there to be tried of every class that the core has", function()
    assert.same({ code = 0, stdout = "", stderr = "" }, run([=[
      for name, class in pairs(core) do
        if type(class) == "table" and class.metatable and not objects[name] then
          print(name)
        end
      end
    ]=] .. "os.exit(0)"))
  end)

  it("says ERR_INVALID_THIS to what is no object", function()
    assert.same({ code = 0, stdout = "", stderr = "" }, run([=[
      for name, object in pairs(objects) do
        for _, kind in ipairs(KINDS) do
          local method = getmetatable(object)[kind]
          if method then
            refuses(name, kind, method)
            refuses(name, kind, method, nil, "x", 1)
            for _, value in ipairs(wrong) do
              refuses(name, kind, method, value, "x", 1)
            end
          end
        end
      end
    ]=] .. "os.exit(0)"))
  end)

  it("says so to an object of another class", function()
    assert.same({ code = 0, stdout = "", stderr = "" }, run([=[
      for name, object in pairs(objects) do
        for other, value in pairs(objects) do
          for i = 1, #KINDS - 1 do
            local method = getmetatable(object)[KINDS[i]]
            if method and other ~= name then
              refuses(name, KINDS[i], method, value, "x", 1)
            end
          end
          for _, key in ipairs({ "x", "listening", "address", "size", "ref", 1 }) do
            pcall(getmetatable(object).__index, value, key)
          end
        end
      end
    ]=] .. "os.exit(0)"))
  end)

  it("says so where it is written in Lua, too", function()
    assert.same({ code = 0, stdout = "", stderr = "" }, run([=[
      local abort, events, co = net.abort, net.events, net.co
      local emitter = events.EventEmitter()
      emitter:once("x", nothing)
      local _, _, _, stream = events.on(emitter, "y")
      local mine = {
        controller = abort.AbortController(), signal = abort.AbortSignal.abort(),
        listener = emitter:rawListeners("x")[1], stream = stream,
        events = events, EventEmitter = events.EventEmitter, net = net,
        queue = co.queue(), error = net.Error({ message = "x" }),
      }
      co.spawn(function() mine.held = co.semaphore():acquire() end)
      net.run("nowait")
      local args = { net = { "dns" }, signal = { "onabort", nothing } } -- "x", nil else
      local is_free = { -- takes what it is given, or is a constructor
        ["events __index"] = true, ["EventEmitter __index"] = true, ["EventEmitter __call"] = true,
        ["controller __index"] = true, ["queue __index"] = true, ["held __index"] = true,
      }
      local function may_be_given(name, kind, value)
        local is_emitter = kind == "__newindex" and (value == events or value == events.EventEmitter)
        return value == mine[name] or is_emitter and name:find("^[eE]vent")
          or name == "error" and type(value) == "table"
      end
      for _, object in pairs(mine) do wrong[#wrong + 1] = object end
      local seen = 0
      for name, object in pairs(mine) do
        for kind, method in pairs(getmetatable(object)) do
          if type(method) == "function" and kind:find("^__") and not is_free[name .. " " .. kind] then
            seen = seen + 1
            local more = args[name] or { "x" }
            refuses(name, kind, method)
            refuses(name, kind, method, nil, table.unpack(more))
            for _, value in ipairs(wrong) do
              if not may_be_given(name, kind, value) then
                refuses(name, kind, method, value, table.unpack(more))
              end
            end
          end
        end
      end
      assert(seen == 13, seen)
    ]=] .. "os.exit(0)"))
  end)

  it("may be called by hand, and again: the object is of no use then, and does no harm", function()
    local result = run([=[
      process.noWarnings = true
      local peer
      local server = net.createServer(function(socket) peer = socket end):listen(0)
      local client = net.connect(server:address().port)
      while not peer do net.run("once") end
      objects.server, objects.client, objects.peer = server, client, peer
      for _ = 1, 2 do
        for _, object in pairs(objects) do
          for _, kind in ipairs({ "__gc", "__close", "__tostring" }) do
            local method = getmetatable(object)[kind]
            if method then
              method(object)
            end
          end
        end
      end
      objects.client, objects.peer, objects.server = nil, nil, nil
      for name, object in pairs(objects) do
        for key, method in pairs(core[name].methods) do
          if type(method) == "function" and key ~= "emit" then
            pcall(method, object)
            pcall(method, object, "x", nothing)
          end
        end
      end
      collectgarbage()
      for _ = 1, 20 do pcall(net.run) end -- each error of what was called ends one
      client:destroy()
      peer:destroy()
      net.run()
      print((core.alive()))
    ]=])
    assert.same({ code = 0, stdout = "0\n", stderr = "" }, result)
  end)
end)
