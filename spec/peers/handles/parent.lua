-- The parent of handles_peers.lua: parent.lua CHILD [EXECPATH]. As parent.js, line by line.
local child = require("net.child")
local net = require("net")
local script, exec_path, version = arg[1], arg[2], arg[3]
local kid = child.fork(script, {}, { execPath = exec_path })
local function log(...)
  local words = table.pack("P", ...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  print(table.concat(words, " "))
end

local steps, at = {}, 0
local function step(fn) steps[#steps + 1] = fn end
local function go_on()
  at = at + 1
  steps[at]()
end
local waiting = {}
local function answer(name, fn) waiting[name] = fn end
kid:on("message", function(m, handle)
  local fn = waiting[m]
  if fn then
    waiting[m] = nil
    fn(handle)
  elseif type(m) == "table" and m.log then
    for _, line in ipairs(m.log) do print("C " .. line) end
  end
end)
kid:on("exit", function(code) log("exit", code) end)

-- A server, then two plain messages in the same tick.
step(function()
  local server = net.createServer()
  server:listen(0, "127.0.0.1", function()
    log("returns", kid:send({ what = "server" }, server), kid:send("second"), kid:send("third"))
    answer("served", function()
      log("listening", server.listening)
      server:close(go_on)
    end)
  end)
end)

-- An accepted socket, counted there, and the server's close.
step(function()
  local server = net.createServer({ pauseOnConnect = true })
  local client
  server:listen(0, "127.0.0.1", function()
    client = net.connect(server:address().port, "127.0.0.1")
    client:write("hello")
  end)
  server:on("connection", function(socket)
    log("returns", kid:send("sock", socket), socket.pending, socket.remoteAddress,
      socket.readyState, socket.destroyed, socket.timeout)
    local function count()
      server:getConnections(function(err, number)
        log("connections", err, number)
        server:close(function()
          log("server close")
          go_on()
        end)
        kid:send("end")
      end)
    end
    -- The child's bytes and its message may come in any order.
    local awaited = 2
    local function heard()
      awaited = awaited - 1
      if awaited == 0 then count() end
    end
    answer("socked", heard)
    client:on("data", function(data)
      log("client", data)
      heard()
    end)
  end)
end)

-- It is silent from then on, unless used.
step(function()
  local server = net.createServer({ pauseOnConnect = true })
  server:listen(0, "127.0.0.3", function() net.connect(server:address().port, "127.0.0.3") end)
  server:on("connection", function(socket)
    local said = {}
    for _, event in ipairs({ "data", "end", "timeout", "finish", "drain" }) do
      socket:on(event, function() table.insert(said, event) end)
    end
    socket:setTimeout(20)
    kid:send("quiet", socket)
    answer("quieted", function()
      socket:on("error", function(err) table.insert(said, "error " .. err.code) end)
      socket:on("close", function()
        log("said", table.concat(said, " "))
        server:close()
        kid:send("sync") -- what the child answers to that is behind it
        answer("synced", go_on)
      end)
      log("write", socket:write("x", function(err) table.insert(said, "callback " .. err.code) end))
    end)
  end)
end)

-- Both ends with keepOpen.
step(function()
  local server = net.createServer({ pauseOnConnect = true })
  server:listen(0, "127.0.0.2", function()
    net.connect(server:address().port, "127.0.0.2"):resume()
  end)
  server:on("connection", function(socket)
    log("returns", kid:send("keep", socket, { keepOpen = true }), socket.pending)
    answer("kept", function()
      server:getConnections(function(_, count)
        log("connections", count)
        socket:destroy()
        server:close(function()
          log("server close")
          go_on()
        end)
        kid:send("end")
      end)
    end)
  end)
end)

-- Without a descriptor: a plain message.
step(function()
  log("returns", kid:send("bare", net.createServer()), kid:send("bare", net.Socket()))
  answer("bared", go_on)
end)

-- What was made by connect has no key; the child sends one back.
step(function()
  local server = net.createServer(function(socket) socket:finish("from the server") end)
  server:listen(0, "127.0.0.1", function() kid:send({ connect = server:address().port }) end)
  answer("connected", function(socket)
    log("back", net.isSocket(socket) and "Socket", socket.server, socket.remoteAddress,
      socket.allowHalfOpen)
    socket:on("data", function(data) log("data", data) end)
    socket:on("close", function() server:close(go_on) end)
  end)
end)

if version ~= "20" then
  step(function()
    local bound = net.BoundSocket({ host = "127.0.0.1" })
    log("returns", kid:send("bound", bound))
    local _, err = pcall(bound.address, bound)
    log(err.code)
    answer("bounded", go_on)
  end)
end

-- Several in one tick, and plain ones between: their order.
step(function()
  local server = net.createServer()
  server:listen(0, "127.0.0.1", function()
    log("returns", kid:send("one", server), kid:send("two"), kid:send("three", server),
      kid:send("four", server), kid:send("five"))
    answer("fived", function() server:close(go_on) end)
  end)
end)

step(function()
  kid:send("log")
  kid:send("done")
end)
go_on()
net.run()
