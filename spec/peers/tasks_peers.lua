-- SPDX-License-Identifier: MIT

-- Tasks among programs of others: what is cancelled, timed out or raced at random leaves nothing
-- behind and loses nothing; proxies, a WebSocket server, HAProxy in front.

local child = require("net.child")
local co = require("net.co")
local daemons = require("spec.support.daemons")
local node = require("spec.support.node")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local running = {}

local function daemon(name, ...)
  local server = daemons[name](...)
  table.insert(running, server)
  return server
end

--- `it`, if the programs are here.
local function it_with(programs, name, fn)
  for _, program in ipairs(programs) do
    if not daemons.has(program) then
      return pending("no " .. program .. " here", function() end)
    end
  end
  it(name, fn)
end

after_each(function()
  for _, server in ipairs(running) do
    server:stop()
  end
  running = {}
end)

--- One page of a web server: its body, or nil and an error.
local function get(port, path)
  local socket <close>, err = co.connect(port, "127.0.0.1")
  if not socket then
    return nil, err
  end
  socket:send("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n")
  local head
  head, err = socket:receiveUntil("\r\n\r\n", 8192)
  if not head then
    return nil, err
  end
  local length = head:match("Content%-Length: (%d+)")
  if length then
    return socket:receive(tonumber(length))
  end
  local parts = {}
  repeat
    local size = tonumber((socket:receive("line")), 16)
    if not size then
      return nil, co.EOF
    end
    parts[#parts + 1] = socket:receive(size)
    socket:receive("line")
  until size == 0
  return table.concat(parts)
end

local function page(i)
  return ("%d "):format(i):rep(1 + i * 700)
end

local function fill(folder, count)
  for i = 0, count - 1 do
    local file <close> = assert(io.open(("%s/www/%d"):format(folder, i), "w"))
    file:write(page(i))
  end
end

--- One of the ways to ask, and to think better of it; what is asked in whole is compared.
local ways = {
  function(ask) return ask() end,
  function(ask, ms) return co.timeout(ms, ask) end,
  function(ask, ms) return select(2, co.race({ ask, function() return co.sleep(ms) end, ask })) end,
  function(ask, ms) return select(2, co.any({ ask, function() return co.timeout(ms, ask) end })) end,
  function(ask, ms) return co.timeout(ms, co.all, { ask, ask }) end,
  function(ask, ms)
    local task = co.spawn(ask)
    co.sleep(ms)
    task:cancel()
    return task:await()
  end,
}

it_with({ "nginx" }, "Tasks that are cancelled at any place leave nothing, and give whole pages or none", function()
  local nginx = daemon("nginx", "ssi on; ssi_types text/plain; location ~ [13579]$ { default_type text/plain; }"
    .. " location ~ [02468]$ { default_type a/b; }")
  fill(nginx.folder, 100)
  within(function()
    math.randomseed(7)
    local whole = 0
    co.run(co.group, { limit = 40 }, function(group)
      for _ = 1, 2000 do
        local i, ms, way = math.random(0, 99), math.random(0, 8), ways[math.random(#ways)]
        local task = group:spawn(way, function()
          local body, err = get(nginx.port, "/" .. i)
          assert(body == page(i) or err, i)
          whole = whole + (body and 1 or 0)
          return body, err
        end, ms)
        if math.random(10) == 1 then
          task:cancel()
        end
      end
    end)
    assert.is_true(whole > 300, whole)
  end)()
end)

--- A proxy with a half-close in each direction, for as long as `fn(port)` runs.
local function beside_proxy(port, fn)
  local server <close> = assert(co.listen({ port = 0, host = "127.0.0.1", allowHalfOpen = true }))
  local serving = server:serve(function(client)
    local upstream <close> = assert(co.connect({ port = port, host = "127.0.0.1", allowHalfOpen = true }))
    co.all({
      function() return co.pipeline(client, upstream) end,
      function() return co.pipeline(upstream, client) end,
    })
  end)
  fn(server:address().port)
  server:close()
  assert.is_true(co.timeout(10000, serving))
end

it_with({ "redis-server", "redis-benchmark" }, "A proxy with tasks takes redis-benchmark to Redis", function()
  local redis = daemon("redis")
  within(function()
    co.run(beside_proxy, redis.port, function(port)
      local kid = child.spawn("redis-benchmark", { "-p", tostring(port), "-n", "20000", "-c", "30",
        "-P", "8", "-t", "set,get,lrange_100", "--csv" }, { stdio = { "ignore", "pipe", "inherit" } })
      local output = kid.stdout:receive("all")
      assert.same({ "close", 0, nil }, { co.await(kid, "close") })
      assert.matches('\n"SET",.*\n"GET",.*\n"LRANGE_100 ', output)
    end)
  end)()
end)

it_with({ "curl", "nginx" }, "A proxy with tasks takes both ways of large bodies, and resets", function()
  local nginx = daemon("nginx", "client_max_body_size 0; location /put { return 204; }")
  local file <close> = assert(io.open(nginx.folder .. "/www/big", "w"))
  file:write(("0123456789abcdef"):rep(200000))
  file:flush()
  within(function()
    co.run(beside_proxy, nginx.port, function(port)
      local url = ("http://127.0.0.1:%d/put"):format(port)
      co.group({ limit = 8 }, function(group)
        for i = 1, 24 do
          group:spawn(function()
            local kid = child.spawn("sh", { "-c", ("head -c %d /dev/zero | curl -sS -o /dev/null -w "
              .. "'%%{size_upload}' --max-time 20 -T - %s/%d"):format(i * 400000, url, i) })
            local sent = kid.stdout:receive("all") -- with the lengths of its chunks
            assert.is_true(tonumber(sent) > i * 400000, kid.stderr:receive("all"))
            local socket <close> = assert(co.connect(port, "127.0.0.1"))
            socket:send("GET /big HTTP/1.0\r\n\r\n")
            if i % 3 == 0 then
              socket:receive(1000)
              socket:resetAndDestroy()
            else
              assert.equal(3200000, #socket:receive("all"):match("\r\n\r\n(.*)$"))
            end
          end)
        end
      end)
    end)
  end)()
end)

it_with({ "haproxy" }, "A server with tasks reads HAProxy's header, however clients come and go", function()
  within(function(t)
    local port = sockets.free_port()
    co.run(function()
      local server <close> = assert(co.listen(0, "127.0.0.1"))
      local serving <close> = server:serve(function(socket)
        local from = (socket:receive("line", 108) or ""):match("^PROXY TCP4 %S+ %S+ (%d+) %d+$")
        for line in socket:lines(100) do
          if line == "bye" then
            return
          end
          socket:send(line, " ", from, "\n")
        end
      end)
      local path = t.tmpname(".cfg")
      local file <close> = assert(io.open(path, "w"))
      file:write(([[defaults
  mode tcp
  timeout client 10s
  timeout server 10s
  timeout connect 10s
listen all
  bind 127.0.0.1:%d
  server s 127.0.0.1:%d send-proxy
]]):format(port, server:address().port))
      file:close()
      local kid = child.spawn("haproxy", { "-db", "-f", path }, { stdio = { "ignore", "inherit", "inherit" } })
      repeat
        local socket <close> = co.connect(port, "127.0.0.1")
      until socket or not co.sleep(10)
      co.group({ limit = 30 }, function(group)
        for i = 1, 300 do
          group:spawn(function()
            local socket <close> = assert(co.connect(port, "127.0.0.1"))
            socket:send("one\ntw")
            if i % 5 == 0 then
              return socket:resetAndDestroy()
            end
            co.yield()
            socket:send("o\nbye\n")
            assert.equal(("one %d\ntwo %d\n"):format(socket.localPort, socket.localPort), socket:receive("all"))
          end)
        end
      end)
      kid:kill()
      co.await(kid, "close")
      assert(serving.status == "waiting")
    end)
  end)()
end)

--- A frame of RFC 6455, as a server sends it.
local function frame(kind, text)
  local n = #text
  local length = n < 126 and string.char(n) or n < 65536 and string.pack(">BI2", 126, n)
    or string.pack(">BI8", 127, n)
  return string.char(0x80 | kind) .. length .. text
end

local LENGTHS = { [126] = ">I2", [127] = ">I8" }

local function read_frame(socket)
  local first, second = assert(socket:receive(2)):byte(1, 2)
  local n, layout = second & 127, LENGTHS[second & 127]
  if layout then
    n = string.unpack(layout, assert(socket:receive(string.packsize(layout))))
  end
  local key = { assert(socket:receive(4)):byte(1, 4) }
  local at = -1
  local text = assert(socket:receive(n, 1000000)):gsub(".", function(c)
    at = at + 1
    return string.char(c:byte() ~ key[at % 4 + 1])
  end)
  return first & 15, text
end

--- Echoes what is said, and pings all the while; what ends one ends the other.
local function speak(socket)
  co.race({
    function()
      for n in co.every(5) do
        assert(socket:send(frame(9, tostring(n))))
      end
    end,
    function()
      local kind, text
      repeat
        kind, text = read_frame(socket)
        if kind == 1 or kind == 8 then
          socket:send(frame(kind, text))
        end
      until kind == 8
    end,
  })
end

local CLIENT = [[
const { createHash } = require("node:crypto");
if (process.argv[2] === "accept") {
  const key = process.argv[3] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  process.stdout.write(createHash("sha1").update(key).digest("base64"));
} else {
  let left = 10;
  for (let i = 0; i < 10; i++) {
    const sizes = [0, 1, 125, 126, 65535, 65536, 200000];
    const socket = new WebSocket("ws://127.0.0.1:" + process.argv[3]);
    socket.onopen = () => socket.send("x".repeat(sizes[0]));
    socket.onmessage = ({ data }) => {
      if (data.length !== sizes.shift()) throw new Error("another length");
      if (sizes.length > 0) socket.send("x".repeat(sizes[0])); else socket.close(1000, "bye");
    };
    socket.onclose = ({ code, wasClean }) => {
      if (code !== 1000 || !wasClean) throw new Error("closed with " + code);
      if (--left === 0) console.log("all closed");
    };
  }
}]]

node.each(function(binary, name, version)
  if version < 22 then
    return -- has no WebSocket
  end
  it("A WebSocket server with tasks talks to " .. name, within(function(t)
    co.run(function()
      local script = node.script(t, CLIENT)
      local server <close> = assert(co.listen(0, "127.0.0.1"))
      local serving = server:serve(function(socket)
        local head = assert(socket:receiveUntil("\r\n\r\n", 8192))
        local key = head:match("[Ss]ec%-[Ww]eb[Ss]ocket%-[Kk]ey: (%S+)")
        local kid = child.spawn(binary, { script, "accept", key })
        socket:send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
          "Sec-WebSocket-Accept: ", kid.stdout:receive("all"), "\r\n\r\n")
        speak(socket)
      end)
      local kid = child.spawn(binary, { script, "talk", tostring(server:address().port) })
      assert.equal("all closed\n", kid.stdout:receive("all"))
      assert.equal("", kid.stderr:receive("all"))
      server:close()
      assert.is_true(co.timeout(10000, serving))
    end)
  end))
end)
