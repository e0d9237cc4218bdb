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
      if name ~= "net" and name ~= "net.meta" then
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

  it("says so when asked for a module that it has not", function()
    assert.matches("net.core has no module 'net.nonesuch'", output([[
      require("net.core")
      print(pcall(package.preload["net.internal.args"], "net.nonesuch"))
    ]]), 1, true)
  end)
end)

describe("a method that stands in for itself", function()
  it("makes way for the real one at its first call", function()
    local text = output([[
      local core, net = require("net.core"), require("net")
      local before = {}
      for name, method in pairs(core.Socket.methods) do before[name] = method end
      for _, name in ipairs { "abort", "co", "events", "internal.socket.connect",
        "internal.socket.pipe", "internal.socket.sendfile", "internal.socket.socket" } do
        require("net." .. name)
      end
      for name, method in pairs(core.Socket.methods) do
        local late = debug.getinfo(before[name], "S").source:find("lazy.lua", 1, true)
        if late and before[name] == method then print(name, "stays") end
      end
    ]])
    assert.equal("", text)
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
