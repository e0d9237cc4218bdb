-- SPDX-License-Identifier: MIT

--- What is in the core and loaded late: a program must not be able to tell, but by
--- the time.

local files = require("spec.support.files")
local process = require("spec.support.process")

--- What a Lua program prints, run in a process of its own.
local function output(program)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(program)
  file:close()
  local text, code = process.run(process.lua(path) .. " 2>&1")
  os.remove(path)
  assert.equal(0, code, text)
  return text
end

describe("require('net')", function()
  it("loads what a listening server needs, and no more", function()
    assert.equal("core internal.args internal.lazy internal.options internal.public " ..
      "internal.server.server\n", output([[
      local net = require("net")
      net.createServer(print):listen(0)
      local names = {}
      for name in pairs(package.loaded) do
        names[#names + 1] = name:match("^net%.(.*)")
      end
      table.sort(names)
      print(table.concat(names, " "))
      os.exit(0)
    ]]))
  end)

  it("needs its files no more, wherever the program goes and whatever it opens", function()
    assert.equal("ECONNREFUSED\tERR_SOCKET_BAD_PORT\ttimeout\n", output([[
      local net = require("net")
      local hoard = {}
      package.path, package.cpath = "", ""
      local file = io.open("/dev/null")
      while file and #hoard < 5000 do
        hoard[#hoard + 1], file = file, io.open("/dev/null")
      end
      hoard[#hoard]:close() -- one descriptor, for the socket
      local _, err = pcall(net.connect, 65536)
      local code
      net.connect(1, "127.0.0.1"):on("error", function(e) code = e.code end)
      net.run()
      net.timers.setTimeout(function() print(code, err.code, "timeout") end, 1)
      net.run()
    ]]))
  end)

  it("loads no more for a host that is an address, which is looked up all the same", function()
    assert.equal("0\tfalse\t127.0.0.1\n", output([[
      local net = require("net")
      local soon = false
      local server = net.createServer()
      server:listen(0, "127.0.0.1", function() soon = true end)
      local more = {}
      for _, name in ipairs { "dns", "internal.server.listen", "internal.numbers" } do
        more[#more + 1] = package.loaded["net." .. name] and name
      end
      local before = soon
      server:on("listening", function()
        print(#more, before, server:address().address)
        server:close()
      end)
      net.run()
    ]]))
  end)

  it("leaves a host that is an address to a lookup of the program's", function()
    assert.equal("127.0.0.2\n", output([[
      local net = require("net")
      net.dns.lookup = function(_, _, callback)
        net.process.nextTick(callback, nil, { { address = "127.0.0.2", family = 4 } })
      end
      local server = net.createServer()
      server:listen(0, "127.0.0.1", function()
        print(server:address().address)
        server:close()
      end)
      net.run()
    ]]))
  end)

  it("has every name for those who look for them", function()
    assert.equal("function\ttable\tuserdata\n", output([[
      local net = require("net")
      local seen = {}
      for name, value in pairs(net) do seen[name] = type(value) end
      print(seen.connect, seen.BlockList, seen.process)
    ]]))
  end)
end)

describe("the core", function()
  it("has all modules in it, under the lines of their files", function()
    local expected = {}
    for name in files.modules() do
      if name ~= "net" and name ~= "net.meta" and not files.is_of_tls(name) then
        expected[#expected + 1] = name
      end
    end
    table.sort(expected)
    assert.equal(table.concat(expected, " ") .. "\n@lua/net/internal/args.lua\ttrue\n", output([[
      require("net.core")
      package.path, package.cpath = "", ""
      local names = {}
      for name in pairs(package.preload) do
        names[#names + 1] = name
        require(name)
      end
      table.sort(names)
      print(table.concat(names, " "))
      local info = debug.getinfo(require("net.internal.args").normalize, "S")
      print(info.source, info.linedefined > 1)
    ]]))
  end)

  it("leaves in package.preload what a program put there", function()
    assert.equal("mine\n", output([[
      package.preload["net.internal.args"] = function() return "mine" end
      require("net.core")
      print((require("net.internal.args")))
    ]]))
  end)

  it("has them for a program that emptied package.loaded and package.preload, too", function()
    assert.equal("true\t@lua/net/dns.lua\n", output([[
      local before = require("net").createServer
      for _, modules in ipairs { package.loaded, package.preload } do
        for name in pairs(modules) do
          modules[name] = name:find("^net") == nil and modules[name] or nil
        end
      end
      local net = require("net")
      package.path, package.cpath = "", ""
      print(before ~= net.createServer, debug.getinfo(net.dns.lookup, "S").source)
    ]]))
  end)

  it("tells of them one by one in package.preload, and to who goes through it", function()
    assert.equal("function\tnil\ttrue\tfalse\n", output([[
      require("net.core")
      local one, none = type(package.preload["net.dns"]), package.preload["net.nonesuch"]
      local found = {}
      for name, loader in pairs(package.preload) do found[name] = type(loader) == "function" end
      package.path = ""
      package.preload["net.dns"] = nil -- from here on there is none
      print(one, none, found["net.dns"] and found["net.internal.args"], (pcall(require, "net.dns")))
    ]]))
  end)

  it("leaves the metatable that a program has given package.preload", function()
    assert.equal("mine\tfunction\ttrue\n", output([[
      local meta = { __index = function(_, name) return name == "a" and "mine" or nil end }
      setmetatable(package.preload, meta)
      require("net.core")
      print(package.preload.a, type(rawget(package.preload, "net.dns")),
        getmetatable(package.preload) == meta)
    ]]))
  end)

  it("opens what is about other processes when that is first asked for", function()
    assert.equal("nil\tnil\ttable\ttable\ttrue\n", output([[
      local core = require("net.core")
      require("net").createServer(print):listen(0)
      local child, nonesuch = rawget(core, "child"), core.nonesuch
      local class = core.ChildProcess
      print(child, nonesuch, type(class), type(rawget(core, "child")), class == core.ChildProcess)
      os.exit(0)
    ]]))
  end)

  it("opens all of it for who goes through the core", function()
    assert.equal("BlockList BoundSocket Channel ChildProcess Dial EventEmitter Immediate Lookup " ..
      "Process Server Socket SocketAddress Timeout\n", output([[
      local names = {}
      for name, class in pairs(require("net.core")) do
        names[#names + 1] = type(class) == "table" and class.metatable and name or nil
      end
      table.sort(names)
      print(table.concat(names, " "))
    ]]))
  end)

  it("says so when asked for a module that it has not", function()
    assert.matches("net.core has no module 'net.nonesuch'", output([[
      require("net.core")
      print(pcall(package.preload["net.internal.args"], "net.nonesuch"))
    ]]), 1, true)
  end)
end)

describe("a method that is loaded late", function()
  it("is the real one from the first look at it, for every module that adds some", function()
    local text = output([[
      local core, net = require("net.core"), require("net")
      local modules = {}
      local set = core.lazy_methods
      function core.lazy_methods(class, ...)
        for _, late in ipairs { ... } do
          for name, module in pairs(late) do modules[#modules + 1] = { class, name, module } end
        end
        return set(class, ...)
      end
      package.loaded["net.internal.lazy"] = nil
      require("net.internal.lazy")
      require("net.child").isChildProcess() -- the class is opened
      require("net.internal.process.start")
      for _, entry in ipairs(modules) do
        local class, name, module = table.unpack(entry)
        local method = class.methods[name]
        if type(method) ~= "function" then print(name, module, "has none") end
        require(module)
        if method ~= class.methods[name] or method ~= rawget(class.methods, name) then
          print(name, module, "has another")
        end
      end
      print(#modules > 50)
    ]])
    assert.equal("true\n", text)
  end)

  it("is not loaded by a look at another, nor by the user's own field of that name", function()
    assert.equal("nil\tmine\tnil\n", output([[
      local net = require("net")
      local socket = net.Socket()
      socket.pipe = "mine"
      print(socket.nonesuch, socket.pipe, package.loaded["net.internal.socket.pipe"])
    ]]))
  end)

  it("is a class's that is derived, too, and can be called by the class", function()
    assert.equal("true\ttrue\n", output([[
      local net = require("net")
      local socket = net.Socket()
      print(net.Socket.setNoDelay(socket, true) == socket, net.Socket.pipe == socket.pipe)
    ]]))
  end)

  it("is the new one when the Lua half is loaded anew", function()
    assert.equal("true\tfalse\ttrue\tfalse\n", output([[
      local function load()
        for name in pairs(package.loaded) do
          if name:find("^net") then package.loaded[name] = nil end
        end
        local net = require("net")
        local socket, emitter = net.Socket(), net.events.EventEmitter()
        return socket.pipe, emitter.listeners, socket.listeners
      end
      local pipe, listeners, same = load()
      local pipe2, listeners2, same2 = load()
      print(listeners == same, pipe == pipe2, listeners2 == same2, listeners == listeners2)
    ]]))
  end)

  it("is every emitter's, be the class opened before or after net.events is loaded", function()
    for _, order in ipairs { "net.events net.child", "net.child net.events" } do
      assert.equal("true\tx\n", output(([[
        for name in ("%s"):gmatch("%%S+") do require(name) end
        local kid = require("net").child.spawn("/bin/sh", { "-c", "exit 0" })
        kid:on("x", print)
        print(kid.listenerCount == require("net").Socket.listenerCount, kid:eventNames()[1])
        require("net").run()
      ]]):format(order)))
    end
  end)

  it("raises what the module raises, and is there when that is over", function()
    assert.equal("false\tno\ttrue\n", output([[
      local net = require("net")
      local socket = net.Socket()
      package.preload["net.internal.socket.pipe"] = function() error("no", 0) end
      local ok, err = pcall(function() return socket.pipe end)
      package.preload["net.internal.socket.pipe"] = nil
      print(ok, err, type(socket.pipe) == "function")
    ]]))
  end)

  it("raises from the line that called it", function()
    assert.matches("ERR_INVALID_ARG_TYPE.* stack traceback: | *_test.lua:2: in ", (output([[
      local function call()
        local socket = require("net").Socket():setTimeout("x")
        return socket
      end
      local _, err = pcall(call)
      print((err.stack:gsub("\n", " | ")))
    ]]):gsub("[^ ]*lua_%w+:", "_test.lua:")))
  end)
end)
