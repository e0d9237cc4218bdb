-- SPDX-License-Identifier: MIT

--- net.luasocket beside the real LuaSocket: the same calls give the same, and LuaSocket's own
--- modules in Lua run over it, against servers that are not ours.

local co = require("net.co")
local daemons = require("spec.support.daemons")
local process = require("spec.support.process")
local within = require("spec.support").within

local CASES = "spec/peers/luasocket/cases.lua"
local MEGABYTE = 1024 * 1024

--- Where ours gives something else, by what differences.md says; a pattern of the line's label.
local OTHERWISE = {
  "^connect helper | 6$",
  "^connect helper | family 6$",
  "^options | word [%w-]+$",
  "^options | boolean tcp%-",
}

local has_luasocket = package.searchpath("socket.core", package.cpath)
  and package.searchpath("socket.http", package.path)
local here = has_luasocket and it or function(name) pending(name .. ": there is no LuaSocket") end

local function is_known(label)
  for _, pattern in ipairs(OTHERWISE) do
    if label:find(pattern) then
      return true
    end
  end
  return false
end

--- The lines that the cases print, label -> what came; labels that come again are numbered.
local function lines_of(which)
  local output, code = process.run(process.lua(CASES, which) .. " 2>&1")
  assert.equal(0, code, output)
  local lines, count, list = {}, {}, {}
  for label, rest in output:gmatch("([^\n]- | [^|\n]-) | ([^\n]*)") do
    label = label:gsub(" RAISES$", "")
    count[label] = (count[label] or 0) + 1
    local name = count[label] == 1 and label or label .. " " .. count[label]
    lines[name] = rest
    list[#list + 1] = name
  end
  return lines, list
end

describe("net.luasocket", function()
  here("gives what LuaSocket gives, call by call", function()
    local real, list = lines_of("real")
    local ours = lines_of("ours")
    assert.is_true(#list > 500)
    local wrong, otherwise = {}, 0
    for _, label in ipairs(list) do
      if real[label] ~= ours[label] then
        otherwise = otherwise + 1
        if not is_known(label) then
          wrong[#wrong + 1] = ("%s: %s, and not %s"):format(label, tostring(ours[label]),
            real[label])
        end
      end
      ours[label] = nil
    end
    for label in pairs(ours) do wrong[#wrong + 1] = label .. ": only of ours" end
    assert.same({}, wrong)
    assert.is_true(otherwise > 0)
  end)
end)

-- LuaSocket's modules

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
