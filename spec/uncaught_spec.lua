-- SPDX-License-Identifier: MIT

--- What a person sees of an error that nobody took, under lua5.4, luanet and in a C
--- program that does as lua5.4 does: the message, the line of the call, the traceback.

local lua = require("spec.support.lua")

local HEAD = [[
local net = require("net")
local events, process, timers = net.events, net.process, net.timers
local socket = net.Socket()
]]

local host, scratch -- the C program

--- What goes to stderr, or what the C program prints, with the script's name as x.lua.
local function shown(how, text)
  local base = os.tmpname()
  local file = assert(io.open(base, "w"))
  file:write(HEAD, text)
  file:close()
  local result = lua.run({ program = how == "host" and host or nil, file = how == "luanet" and "bin/luanet" or base,
    args = { how ~= "lua" and base or nil } })
  os.remove(base)
  local output = (how == "host" and result.stdout or "") .. result.stderr
  return (output:gsub(base:gsub("%p", "%%%0"), "x.lua")), result.code
end

local MISTAKE = 'The "chunk" argument must be of type string'

--- What is raised, where: the script's line `line` (behind HEAD) makes a mistake, in a
--- function called the_culprit.
local CASES = {
  { "in the script itself", 2, [[
    local function the_culprit()
      socket:write({})
    end
    the_culprit()
  ]] },
  { "by a validator in Lua", 2, [[
    local function the_culprit()
      net.connect({ port = 80, host = 5 })
    end
    the_culprit()
  ]], 'The "options.host" property must be of type string' },
  { "in a coroutine", 2, [[
    local function the_culprit()
      socket:write({})
    end
    coroutine.wrap(function() the_culprit() end)()
  ]] },
  { "and caught, and raised again", 2, [[
    local function the_culprit()
      socket:write({})
    end
    local ok, err = pcall(function() the_culprit() end)
    error(err)
  ]] },
  { "in a timer", 2, [[
    local function the_culprit()
      socket:write({})
    end
    timers.setTimeout(function() the_culprit() end, 1)
    net.run()
  ]] },
  { "in a tick", 2, [[
    local function the_culprit()
      socket:write({})
    end
    process.nextTick(function() the_culprit() end)
    net.run()
  ]] },
  { "in a listener", 2, [[
    local function the_culprit()
      socket:write({})
    end
    local server = net.createServer():listen(0, "127.0.0.1", function() the_culprit() end)
    net.run()
  ]] },
  { "in a coroutine that the loop has resumed", 2, [[
    local function the_culprit()
      socket:write({})
    end
    local emitter = events.EventEmitter()
    coroutine.wrap(function() events.once(emitter, "x") the_culprit() end)()
    timers.setTimeout(emitter.emit, 1, emitter, "x")
    net.run()
  ]] },
  { "in a timer, and net.run() in a coroutine", 2, [[
    local function the_culprit()
      socket:write({})
    end
    timers.setTimeout(function() the_culprit() end, 1)
    coroutine.wrap(net.run)()
  ]] },
  { "in a timer, caught from net.run() and raised again", 2, [[
    local function the_culprit()
      socket:write({})
    end
    timers.setTimeout(function() the_culprit() end, 1)
    local ok, err = pcall(net.run)
    error(err)
  ]] },
  { "as the program's own, made by net.Error", 2, [[
    local function the_culprit()
      error(net.Error({ code = "EMINE", message = "my own mistake" }))
    end
    timers.setTimeout(function() the_culprit() end, 1)
    net.run()
  ]], "Error: my own mistake" },
  { "as one that destroy() was given", 2, [[
    local function the_culprit()
      socket:destroy(net.Error("my own mistake"))
    end
    timers.setTimeout(function() the_culprit() end, 1)
    net.run()
  ]], "Error: my own mistake" },
  { "as a text", 2, [[
    local function the_culprit()
      error("my own mistake", 0)
    end
    timers.setTimeout(function() the_culprit() end, 1)
    net.run()
  ]], "my own mistake" },
  { "by Lua", 2, [[
    local function the_culprit()
      local it = nil + 1
    end
    timers.setTimeout(function() the_culprit() end, 1)
    net.run()
  ]], "x.lua:5: attempt to perform arithmetic on a nil value" },
  { "as a plain table, of which the fields are shown", 2, [[
    local function the_culprit()
      error({ code = "EMINE", port = 80 })
    end
    timers.setTimeout(function() the_culprit() end, 1)
    net.run()
  ]], "{ code: 'EMINE', port: 80 }" },
  { "as a table with a text of its own", 2, [[
    local function the_culprit()
      error(setmetatable({}, { __tostring = function() return "my own mistake" end }))
    end
    timers.setTimeout(function() the_culprit() end, 1)
    net.run()
  ]], "my own mistake" },
  { "as nil", 2, [[
    local function the_culprit()
      error(nil)
    end
    timers.setTimeout(function() the_culprit() end, 1)
    net.run()
  ]], "nil" },
}

describe("an uncaught error", function()
  setup(function()
    scratch = os.tmpname()
    host = lua.compile("spec/support/host.c", scratch)
  end)

  teardown(function()
    os.remove(scratch)
  end)

  for _, case in ipairs(CASES) do
    local where, line, text, message = table.unpack(case)
    for _, how in ipairs({ "lua", "luanet", "host" }) do
      it(("raised %s is shown by %s with its line and its traceback"):format(where, how), function()
        if how == "host" and not host then
          return pending("no Lua library to link with")
        end
        local output, code = shown(how, text)
        assert.equal(how == "host" and 2 or 1, code)
        assert.truthy(output:find(message or MISTAKE, 1, true), output)
        assert.truthy(output:find(("x.lua:%d: in "):format(line + 3), 1, true), output)
        assert.matches("stack traceback:\n", output)
        assert.matches("the_culprit", output)
      end)
    end
  end

  it("is told once by luanet", function()
    local output = shown("luanet", CASES[5][3])
    assert.matches("^luanet: TypeError %[ERR_INVALID_ARG_TYPE%]: ", output)
    assert.equal(1, select(2, output:gsub(MISTAKE, "")))
    assert.equal(1, select(2, output:gsub("stack traceback:", "")))
  end)

  it("is told once by lua5.4, where it is one of the library's", function()
    local output = shown("lua", CASES[5][3])
    assert.matches("^[^\n]-: TypeError %[ERR_INVALID_ARG_TYPE%]: ", output)
    assert.equal(1, select(2, output:gsub(MISTAKE, "")))
    assert.equal(1, select(2, output:gsub("stack traceback:", "")))
  end)

  it("is shown by a host whose loop is not run by net.run(), with a table's fields", function()
    if not host then
      return pending("no Lua library to link with")
    end
    local output = shown("host", [[
      local function the_culprit() error({ code = "EMINE" }) end
      timers.setTimeout(function() the_culprit() end, 1)
    ]])
    assert.matches("net: uncaught error: { code: 'EMINE' }\nstack traceback:", output)
    assert.matches("the_culprit", output)
  end)

  it("is not told by net.run() where Lua code may catch it", function()
    for _, call in ipairs({ "pcall(net.run)", "xpcall(net.run, print)", "coroutine.resume(coroutine.create(net.run))",
      "pcall(function() local alive = net.run() return alive end)" }) do
      assert.same({ "", 0 }, { shown("lua", "timers.setTimeout(error, 1, {})\nio.stdout:close()\n" .. call) })
    end
  end)

  it("is told by net.run() in a module that the script requires", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write([[
      local function the_culprit() error("oh", 0) end
      require("net.timers").setTimeout(function() the_culprit() end, 1)
      require("net").run()
    ]])
    file:close()
    for _, call in ipairs({ ("dofile(%q)"):format(path),
      ("package.preload.main = loadfile(%q)\nrequire('main')"):format(path) }) do
      local output = shown("lua", call)
      assert.matches("^net: uncaught error: oh\nstack traceback:", output)
      assert.matches("the_culprit", output)
    end
    os.remove(path)
  end)
end)

describe("tostring of an error that was raised", function()
  it("is Node's one line to Lua code, whoever calls", function()
    local net = require("net")
    local socket = net.Socket()
    local line = "TypeError [ERR_INVALID_ARG_TYPE]: " .. MISTAKE
    local _, err = pcall(socket.write, socket, {})
    local function is_line(text)
      assert.equal(line, text:sub(1, #line))
      assert.is_nil(text:find("\n"))
    end
    is_line(tostring(err))
    is_line(("%s"):format(err))
    is_line(select(2, pcall(tostring, err)))
    is_line(coroutine.wrap(tostring)(err))
    is_line(select(2, xpcall(socket.write, tostring, socket, {})))
    is_line(select(2, xpcall(socket.write, function(e) return tostring(e) end, socket, {})))
    is_line(select(2, xpcall(error, tostring, err)))
    local emitter = net.events.EventEmitter()
    local shown_text
    emitter:on("error", function(e) shown_text = tostring(e) end)
    emitter:emit("error", err)
    is_line(shown_text)
  end)
end)
