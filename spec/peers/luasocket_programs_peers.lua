-- SPDX-License-Identifier: MIT

--- What is written for LuaSocket runs over net.luasocket: its own modules in Lua, a client of
--- Redis, copas; against servers that are not ours, and many at once.

local co = require("net.co")
local daemons = require("spec.support.daemons")
local process = require("spec.support.process")
local timers = require("net.timers")
local within = require("spec.support").within

local MEGABYTE = 1024 * 1024

local has_luasocket = package.searchpath("socket.core", package.cpath)
  and package.searchpath("socket.http", package.path)
local here = has_luasocket and it or function(name) pending(name .. ": there is no LuaSocket") end

local MODULES = { "socket", "socket.core", "socket.unix", "socket.http", "socket.smtp",
  "socket.ftp", "socket.tp", "socket.url", "socket.headers", "ltn12", "mime", "mime.core" }

--- Starts one of servers.py, over the spec's folder: its port, nil if it is not to be had here.
local function python(t, what)
  local server = process.spawn(("env PATH=/usr/bin:$PATH python3 -u "
    .. "spec/peers/luasocket/servers.py %s %s 2>/dev/null"):format(what, process.quote(t.tmpdir())))
  t.finally(function() server:kill() end)
  return tonumber(server:line()), server
end

local function web(t)
  return ("http://127.0.0.1:%d/"):format(python(t, "http"))
end

--- Runs `fn(t, ...)` with LuaSocket's modules, as Debian installs them, over net.luasocket, in a
--- task; afterwards nothing is left. `fn` gets those that are asked for.
local function over_ours(names, fn)
  return within(function(t)
    local before = {}
    for _, name in ipairs(MODULES) do
      before[name], package.loaded[name] = package.loaded[name], nil
    end
    t.finally(function()
      for _, name in ipairs(MODULES) do package.loaded[name] = before[name] end
    end)
    package.loaded.socket = require("net.luasocket")
    local modules = {}
    for i, name in ipairs(names) do modules[i] = require(name) end
    fn(t, table.unpack(modules))
  end)
end

local function write_file(path, block, times)
  local file <close> = assert(io.open(path, "w"))
  for _ = 1, times or 1 do file:write(block) end
end

local function random_block(size)
  local file <close> = assert(io.open("/dev/urandom"))
  return file:read(size)
end

--- Calls `fn(i)` n times at once, in tasks.
local function at_once(n, fn)
  co.run(co.group, function(group)
    for i = 1, n do group:spawn(fn, i) end
  end)
end

--- A sink that compares what comes with a block that is repeated; `state.size` counts.
local function comparing(block)
  local state = { size = 0 }
  return function(chunk)
    if chunk then
      local at = state.size % #block
      local expected = block:sub(at + 1, at + #chunk)
      expected = expected .. block:sub(1, #chunk - #expected)
      state.size = state.size + #chunk
      return chunk == expected and 1 or nil, "another byte"
    end
    return 1
  end, state
end

--- A source that gives a block so many times, in pieces.
local function repeating(block, times, piece)
  local at, last = 0, #block * times
  return function()
    if at < last then
      local from = at % #block + 1
      local chunk = block:sub(from, from + piece - 1)
      at = at + #chunk
      return chunk
    end
  end
end

local function md5_of(path)
  return process.run("md5sum < " .. process.quote(path)):match("^%x+")
end

describe("LuaSocket's socket.http over net.luasocket", function()
  here("fetches alone, in the main script and in a task", over_ours({ "socket.http" },
    function(t, http)
      write_file(t.tmpdir() .. "/page", "hello")
      local url = web(t):sub(1, -2)
      for _, run in ipairs { function(fn) return fn() end, co.run } do
        run(function()
          local body, status = http.request(url .. "/page")
          assert.same({ "hello", 200 }, { body, status })
          assert.equal(404, (select(2, http.request(url .. "/none"))))
          assert.equal("hello", (http.request(url .. "/to/page")))
          assert.equal("c" .. ("c"):rep(100013), (http.request(url .. "/chunked/")))
          local named = url:gsub("//", "//me:secret@")
          assert.equal("Basic bWU6c2VjcmV0", (http.request(named .. "/auth")))
          assert.same({ nil, "connection refused" }, { http.request("http://127.0.0.1:1/") })
          assert.same({ nil, "host or service not provided, or not known" },
            { http.request("http://no-such-host.invalid/") })
          assert.same({ nil, "closed" }, { http.request(url .. "/cut") })
        end)
      end
      os.remove(t.tmpdir() .. "/page")
    end))

  here("fetches twenty pages at once", over_ours({ "socket.http" }, function(t, http)
    local pages = {}
    for i = 1, 20 do
      pages[i] = random_block(i * 10000)
      write_file(t.tmpdir() .. "/" .. i, pages[i])
    end
    local url = web(t)
    at_once(20, function(i)
      local body, status = http.request(url .. i)
      assert.equal(200, status)
      assert.is_true(body == pages[i])
    end)
  end))

  here("moves 200 MB down and up #slow", over_ours({ "socket.http" }, function(t, http)
    local block, path = random_block(MEGABYTE), t.tmpdir() .. "/big"
    write_file(path, block, 200)
    local url = web(t)
    local sum, answers = md5_of(path), {}
    co.run(co.all, {
      function()
        local sink, state = comparing(block)
        assert(http.request { url = url .. "big", sink = sink })
        assert.equal(200 * MEGABYTE, state.size)
      end,
      function()
        assert(http.request { url = url, method = "POST", source = repeating(block, 200, 16384),
          headers = { ["content-length"] = 200 * MEGABYTE },
          sink = function(chunk) answers[#answers + 1] = chunk return 1 end })
      end,
    })
    assert.equal(200 * MEGABYTE .. " " .. sum, table.concat(answers))
  end))

  here("posts in chunks, twenty at once", over_ours({ "socket.http" }, function(t, http)
    local block, path = random_block(MEGABYTE), t.tmpdir() .. "/big"
    write_file(path, block)
    local url = web(t)
    local sum = md5_of(path)
    at_once(20, function(i)
      local answer = {}
      assert(http.request { url = url, method = "POST", source = repeating(block, 1, 1000 + i),
        sink = function(chunk) answer[#answer + 1] = chunk return 1 end })
      assert.equal(MEGABYTE .. " " .. sum, table.concat(answer))
    end)
  end))

  here("goes through a proxy", over_ours({ "socket.http" }, function(t, http)
    if not daemons.has("tinyproxy") then
      return pending("no tinyproxy here")
    end
    write_file(t.tmpdir() .. "/page", "by the proxy")
    local url = web(t)
    local proxy = daemons.tinyproxy()
    t.finally(function() proxy:stop() end)
    at_once(20, function()
      local answer = {}
      local ok, status, headers = http.request { url = url .. "page",
        proxy = ("http://127.0.0.1:%d"):format(proxy.port),
        sink = function(chunk) answer[#answer + 1] = chunk return 1 end }
      assert.same({ 1, 200, "by the proxy" }, { ok, status, table.concat(answer) })
      assert.matches("tinyproxy", headers.via)
    end)
    assert.equal(500, (select(2, http.request { url = "http://127.0.0.1:1/",
      proxy = ("http://127.0.0.1:%d"):format(proxy.port) })))
  end))

  here("is interrupted by a timeout, and cleans up", over_ours({ "socket.http" },
    function(_, http)
      local silent = assert(require("net.luasocket").bind("127.0.0.1", 0))
      local _, port = silent:getsockname()
      co.run(function()
        local _, err = co.timeout(30, http.request, ("http://127.0.0.1:%d/"):format(port))
        assert.equal("ERR_TIMEOUT", err.code)
      end)
      http.TIMEOUT = 0.03
      assert.same({ nil, "timeout" }, { http.request(("http://127.0.0.1:%d/"):format(port)) })
      silent:close()
      collectgarbage()
    end))
end)

describe("LuaSocket's socket.smtp over net.luasocket", function()
  here("sends mail, twenty at once", over_ours({ "socket.smtp" }, function(t, smtp)
    local port, server = python(t, "smtp")
    if not port then
      return pending("no smtpd in this Python")
    end
    at_once(20, function(i)
      assert(smtp.send { from = "<me@x>", rcpt = { "<you@y>", "<all@y>" }, server = "127.0.0.1",
        port = port, source = smtp.message { headers = { subject = "n" },
          body = { { body = ("."):rep(i * 1000) .. "\r\n" }, { body = "end " .. i } } } })
    end)
    local seen = {}
    for _ = 1, 20 do
      local size = server:expect("^me@x you@y,all@y (%d+) ")
      seen[#seen + 1] = tonumber(size)
    end
    table.sort(seen)
    assert.is_true(seen[1] > 1000 and seen[20] > 20000)
    local ok, err = smtp.send { from = "<me@x>", rcpt = "<you@y>", server = "127.0.0.1", port = 1,
      source = smtp.message { body = "" } }
    assert.same({ nil, "connection refused" }, { ok, err })
  end))
end)

describe("LuaSocket's socket.ftp over net.luasocket", function()
  here("puts and gets, ten at once", over_ours({ "socket.ftp" }, function(t, ftp)
    local port = python(t, "ftp")
    if not port then
      return pending("no pyftpdlib here")
    end
    local url = ("ftp://me:secret@127.0.0.1:%d/"):format(port)
    local block = random_block(3 * MEGABYTE)
    at_once(10, function(i)
      assert(ftp.put(url .. "f" .. i .. ";type=i", block:sub(i)))
      assert.is_true(block:sub(i) == ftp.get(url .. "f" .. i .. ";type=i"))
    end)
    assert.matches("^550", (select(2, ftp.get(url .. "none"))))
    assert.matches("^530", (select(2, ftp.get((url:gsub("secret", "wrong")) .. "f1"))))
  end))
end)

--- A client of Redis as one writes it for LuaSocket: calls that block, lines and counts.
local function redis_client(socket, port)
  local client = assert(socket.connect("127.0.0.1", port))
  client:settimeout(10)
  local function reply()
    local line = assert(client:receive("*l"))
    local kind, rest = line:sub(1, 1), line:sub(2)
    if kind == "$" then
      local data = tonumber(rest) >= 0 and assert(client:receive(tonumber(rest) + 2)) or nil
      return data and data:sub(1, -3)
    elseif kind == "*" then
      local list = {}
      for i = 1, tonumber(rest) do list[i] = reply() end
      return list
    end
    return kind == ":" and math.tointeger(tonumber(rest)) or rest
  end
  return function(...)
    local words = { ... }
    local request = { "*" .. #words .. "\r\n" }
    for _, word in ipairs(words) do
      word = tostring(word)
      request[#request + 1] = "$" .. #word .. "\r\n" .. word .. "\r\n"
    end
    assert(client:send(table.concat(request)))
    return reply()
  end, client
end

describe("a Redis client that is written for LuaSocket", function()
  here("runs twenty times at once", over_ours({ "socket" }, function(t, socket)
    if not daemons.has("redis-server") then
      return pending("no redis-server here")
    end
    local server = daemons.redis()
    t.finally(function() server:stop() end)
    local big = random_block(MEGABYTE)
    at_once(20, function(i)
      local call, client = redis_client(socket, server.port)
      for _ = 1, 50 do call("INCR", "counter") end
      assert.equal("OK", call("SET", "key" .. i, big:sub(i)))
      assert.is_true(call("GET", "key" .. i) == big:sub(i))
      call("RPUSH", "list" .. i, "a", "", "c\r\n")
      assert.same({ "a", "", "c\r\n" }, call("LRANGE", "list" .. i, 0, -1))
      assert.is_nil(call("GET", "none"))
      client:close()
    end)
    local call, client = redis_client(socket, server.port)
    assert.equal("1000", call("GET", "counter"))
    client:close()
  end))
end)

describe("copas, over net.luasocket", function()
  local path = package.path .. ";/usr/share/lua/5.3/?.lua;/usr/share/lua/5.2/?.lua"
  local there = package.searchpath("copas", path) and here
    or function(name) pending(name .. ": there is no copas") end

  there("serves and asks in its own loop, beside timers and tasks", over_ours({ "socket" },
    function(t, socket)
      local before, loaded = package.path, package.loaded.copas
      package.path, package.loaded.copas = path, nil
      t.finally(function() package.path, package.loaded.copas = before, loaded end)
      local copas = require("copas")
      local server, done, ticks = assert(socket.bind("127.0.0.1", 0)), 0, 0
      local host, port = server:getsockname()
      copas.addserver(server, function(peer)
        peer = copas.wrap(peer)
        for line in function() return (peer:receive("*l")) end do
          peer:send(line:upper() .. "\n")
        end
      end)
      for _ = 1, 20 do
        copas.addthread(function()
          local plain = socket.tcp()
          plain:settimeout(0)
          assert(copas.connect(plain, host, tonumber(port)))
          local client = copas.wrap(plain)
          for i = 1, 10 do
            client:send("line " .. i .. "\n")
            assert.equal("LINE " .. i, (client:receive("*l")))
          end
          plain:close()
          done = done + 1
        end)
      end
      co.run(function()
        local timer = timers.setInterval(function() ticks = ticks + 1 end, 1)
        while done < 20 do copas.step(5) end
        timer:close()
      end)
      server:close()
      collectgarbage()
      assert.is_true(ticks > 0)
    end))
end)

describe("examples/tasks/luasocket_fetch", function()
  here("fetches twenty pages at once by LuaSocket's own http", within(function(t)
    local urls, expected = {}, {}
    for i = 1, 20 do write_file(t.tmpdir() .. "/" .. i, ("x"):rep(i * 1000)) end
    local url = web(t)
    for i = 1, 20 do
      urls[i], expected[i] = url .. i, ("200 %d\t%s%d\n"):format(i * 1000, url, i)
    end
    urls[21], expected[21] = "http://127.0.0.1:1/", "connection refused\thttp://127.0.0.1:1/\n"
    local output, code = process.run(
      process.lua("examples/tasks/luasocket_fetch.lua", table.unpack(urls)) .. " 2>&1")
    assert.same({ table.concat(expected), 0 }, { output, code })
  end))
end)
