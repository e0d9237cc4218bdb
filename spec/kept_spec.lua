-- SPDX-License-Identifier: MIT

--- What a finalizer opens amid lua_close, and Lua calls no finalizer for: closed behind it. Skipped
--- where there is no Lua library to link with.

local ends = require("spec.support.ends")
local lua = require("spec.support.lua")

local HEAD = [[
local child, net = require("net.child"), require("net")
local core = require("net.core")
MADE = {} -- as long as the state is there

]]

--- What a finalizer opens, and leaves behind.
local OPENS = {
  ["a BoundSocket"] = "MADE.bound = net.BoundSocket({ port = 0, host = '127.0.0.1' })",
  ["a BoundSocket that a socket has taken"] = [[
    MADE.socket = net.Socket({ handle = net.BoundSocket({ port = 0, host = '127.0.0.1' }) })
  ]],
  ["a pair of descriptors"] = "MADE.one, MADE.other = core.descriptor.pair()",
  ["a child with pipes"] = "MADE.kid = child.spawn('cat')",
  ["a child, and its end heard"] = [[
    local has_closed
    MADE.kid = child.spawn('true'):on('close', function() has_closed = true end)
    repeat net.run('nowait') until has_closed
  ]],
  ["a child that there is no program for"] = "MADE.kid = child.spawn('/nowhere'):on('error', print)",
  ["a child with a channel"] = [[
    MADE.kid = child.spawn('cat', { stdio = { 'ignore', 'ignore', 'ignore', 'ipc' } })
    MADE.kid:send({ text = ('x'):rep(1000) })
  ]],
  ["a list of addresses"] = [[
    MADE.list = net.BlockList()
    for i = 1, 100 do MADE.list:addAddress('10.0.0.' .. i) end
  ]],
  ["a server, and a connection of it"] = [[
    local peer
    MADE.server = net.createServer(function(socket) peer = socket end):listen(0, '127.0.0.1')
    repeat net.run('nowait') until MADE.server.listening
    MADE.socket = net.connect(MADE.server:address().port, '127.0.0.1')
    repeat net.run('nowait') until peer
    MADE.peer = peer
  ]],
  ["a duplexPair with bytes under way"] = [[
    MADE.one, MADE.other = net.duplexPair()
    MADE.one:write(('x'):rep(1000000))
    for _ = 1, 5 do net.run('nowait') end
  ]],
}

describe("lua_close with a finalizer that opens", function()
  local program

  setup(function() program = ends.compile() end)
  teardown(function() return program and program:__close() end)

  for what, script in pairs(OPENS) do
    it(what .. " leaves nothing behind", function()
      if not program then pending("no Lua library to link with") return end
      local bytes, descriptors =
        program:left_behind(HEAD .. ("KEEP = setmetatable({}, { __gc = function() %s end })"):format(script))
      assert.equal(0, descriptors)
      assert.is_true(bytes < ends.ROUNDING, bytes .. " bytes")
    end)
  end
end)

describe("what getmetatable() gives of an object that is kept", function()
  it("has its metamethods, and is not the metatable itself", function()
    local result = lua.run({ script = [[
      local net = require("net")
      for _, make in ipairs { net.BlockList, function() return net.BoundSocket({ port = 0 }) end } do
        local object = make()
        local meta = getmetatable(object)
        assert(meta.__gc and meta.__index and meta.__tostring(object) == tostring(object))
        meta.__gc, meta.__index = nil, nil
        for _ = 1, 10 do make() end
        object = make()
        assert(object.rules or object:address())
        collectgarbage()
      end
      collectgarbage()
      local list = net.BlockList() -- joins those that are there
      list:addAddress("10.0.0.1")
    ]] })
    assert.same({ code = 0, stdout = "", stderr = "" }, result)
  end)
end)
