-- SPDX-License-Identifier: MIT

--- Many connections, many bytes, much time: 10,000 connections held at once, a
--- GiB through each kind of socket with every byte looked at, and memory that
--- stays where it is while a peer does not read.
---
--- All of it happens in processes of their own, whose memory is theirs alone.
--- Under a sanitizer there is less of everything.

local process = require("spec.support.process")

local SANITIZED = os.getenv("NET_SANITIZE") ~= nil
local SCALE = SANITIZED and 32 or 1

-- What all programs begin with.
local PRELUDE = [[
  local net, timers = require("net"), require("net.timers")

  --- Resident memory of this process, in KiB.
  local function resident()
    local statm = assert(io.open("/proc/self/statm")):read("a")
    return tonumber(statm:match("^%d+ (%d+)")) * 4
  end

  local function settle_memory()
    collectgarbage()
    collectgarbage()
    return collectgarbage("count"), resident()
  end

  --- Prints the line and waits for nobody.
  local function say(...)
    print(...)
    io.stdout:flush()
  end

  -- A text of a prime length, so that no chunk size goes with it: what stands at
  -- any place of the endless repetition of it is known.
  local PERIOD = 1048573
  math.randomseed(42)
  local pattern = {}
  for i = 1, 4096 do pattern[i] = string.char(math.random(0, 255)) end
  pattern = table.concat(pattern):rep(PERIOD // 4096 + 1):sub(1, PERIOD)
  local endless = pattern .. pattern

  --- The `n` bytes at `place` of the endless text; n <= PERIOD.
  local function text_at(place, n)
    local start = place % PERIOD
    return endless:sub(start + 1, start + n)
  end
]]

--- A running program, and its end with the spec.
local started = {}

local function start(program, prefix, ...)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(PRELUDE, program)
  file:close()
  local child = process.spawn(("sh -c %s"):format(
    process.quote((prefix or "") .. "exec " .. process.lua(path, ...))))
  started[#started + 1] = { child = child, path = path }
  return child
end

local function run(program, ...)
  local output, code = start(program, nil, ...):finish()
  assert.equal(0, code, output)
  return output
end

local function number_in(text, pattern)
  return assert(tonumber(text:match(pattern)), "no " .. pattern .. " in:\n" .. text)
end

--- What a program has said of its memory. A sanitizer keeps what was freed.
local function assert_steady(output)
  assert.is_true(number_in(output, "grown by (%-?%d+)") <= 64, output)
  if not SANITIZED then
    assert.is_true(number_in(output, "(%-?%d+) resident") <= 1024, output)
  end
end

describe("under load #slow", function()
  after_each(function()
    for _, s in ipairs(started) do
      s.child:kill()
      os.remove(s.path)
    end
    started = {}
  end)

  it("10,000 connections are held at once, and all of them work", function()
    local hard = process.run("ulimit -H -n")
    local wanted = 10000 // SCALE
    local limit = wanted + 100
    if hard:match("%d+") and tonumber(hard:match("%d+")) < limit then
      wanted = tonumber(hard:match("%d+")) - 100
    end
    local prefix = ("ulimit -n %d; "):format(limit)

    local server = start([[
      local wanted = tonumber(arg[1])
      local count0, resident0 = settle_memory()
      local held, closed = {}, 0
      local server = net.createServer()
      server:on("connection", function(socket)
        held[#held + 1] = socket
        socket:on("data", function(chunk) socket:write(chunk) end)
        socket:on("close", function()
          closed = closed + 1
          if closed == wanted then
            say("closed " .. closed)
          end
        end)
        if #held == wanted then
          local count, resident = settle_memory()
          say(("held %d: %d bytes of Lua and %d resident for each"):format(#held,
            (count - count0) * 1024 // wanted, (resident - resident0) * 1024 // wanted))
          server:close()
        end
      end)
      server:listen({ port = 0, host = "127.0.0.1", backlog = 4096 }, function()
        say("port " .. server:address().port)
      end)
      net.run()
      say("over")
    ]], prefix, wanted)
    local port = math.tointeger(tonumber(server:expect("^port (%d+)")))

    local client = start([[
      local port, wanted = tonumber(arg[1]), tonumber(arg[2])
      local open, begun, answered, clients = 0, 0, 0, {}
      local connect_one

      --- Once all are open, each says something; once all have had their answer,
      --- each ends.
      local function speak()
        say("open " .. open)
        for i, socket in ipairs(clients) do
          socket:write("message " .. i)
        end
      end

      function connect_one()
        begun = begun + 1
        local number = begun
        local socket = net.connect(port, "127.0.0.1")
        clients[number] = socket
        socket:on("connect", function()
          open = open + 1
          if begun < wanted then
            connect_one()
          elseif open == wanted then
            speak()
          end
        end)
        socket:on("data", function(chunk)
          assert(chunk == "message " .. number, chunk)
          answered = answered + 1
          if answered == wanted then
            say("answered " .. answered)
            for _, s in ipairs(clients) do
              s:finish()
            end
          end
        end)
      end
      for _ = 1, 200 do connect_one() end
      net.run()
      say("over")
    ]], prefix, port, wanted)
    client:expect("^open " .. wanted .. "$")
    local held = server:expect("^held " .. wanted .. ": .*")
    client:expect("^answered " .. wanted .. "$")
    server:expect("^closed " .. wanted .. "$")
    for _, child in ipairs({ client, server }) do
      child:expect("^over$")
      local _, code = child:finish()
      assert.equal(0, code)
    end
    -- Two closures, their upvalue and the socket: what this program itself wants.
    assert.is_true(number_in(held, "(%d+) bytes of Lua") < 1024, held)
    if not SANITIZED then
      assert.is_true(number_in(held, "(%d+) resident") < 2048, held)
    end
  end)

  for _, kind in ipairs({ "TCP", "Unix" }) do
    it(("a GiB passes a %s socket byte for byte, with random pauses"):format(kind), function()
      local output = run([[
        local kind, total = arg[1], tonumber(arg[2])
        math.randomseed(7)
        local where = kind == "TCP" and { port = 0, host = "127.0.0.1" } or { path = os.tmpname() .. ".s" }
        local sent, got, pauses, refused = 0, 0, 0, 0

        --- Writes pieces of all sizes until it is refused.
        local function send(socket)
          repeat
            local n = math.min(total - sent, math.random(1, 3) == 1 and math.random(1, 100) or
              math.random(1, 600000))
            local piece = text_at(sent, n)
            sent = sent + n
            local more = sent < total
            if not more then
              socket:finish(piece)
              return
            end
            local fits = socket:write(piece)
          until not fits
          refused = refused + 1
        end

        local function pause_for_a_while(socket)
          pauses = pauses + 1
          socket:pause()
          local function go_on() socket:resume() end
          if pauses % 50 == 0 then
            timers.setTimeout(go_on, math.random(1, 3))
          else
            timers.setImmediate(go_on)
          end
        end

        local server = net.createServer(function(socket)
          socket:on("data", function(chunk)
            if chunk ~= text_at(got, #chunk) then
              say("wrong at " .. got)
              os.exit(1)
            end
            got = got + #chunk
            if math.random(1, 20) == 1 then
              pause_for_a_while(socket)
            end
          end)
        end)
        server:listen(where, function()
          where.port = kind == "TCP" and server:address().port or nil
          local socket = net.connect(where, function() end)
          socket:on("drain", function() send(socket) end)
          socket:on("close", function() server:close() end)
          send(socket)
        end)
        net.run()
        say(("got %d, in %d pauses, refused %d times"):format(got, pauses, refused))
      ]], kind, (1 << 30) // SCALE)
      assert.equal((1 << 30) // SCALE, number_in(output, "got (%d+)"), output)
      assert.is_true(number_in(output, "(%d+) pauses") > 0, output)
      assert.is_true(number_in(output, "refused (%d+)") > 0, output)
    end)
  end

  it("memory stays where it is while a peer does not read", function()
    local output = run([[
      local rounds = tonumber(arg[1])
      local server = net.createServer() -- whose connections nobody reads
      server:listen({ port = 0, host = "127.0.0.1" }, function()
        local sockets = {}
        for i = 1, 20 do
          sockets[i] = net.connect(server:address().port, "127.0.0.1")
        end
        -- Each turn every socket that may write does; few ever may.
        local turns, written, count, resident = 0, 0, nil, nil
        local chunk = ("x"):rep(16384)
        local function turn()
          turns = turns + 1
          for _, socket in ipairs(sockets) do
            if not socket.writableNeedDrain then
              socket:write(chunk)
              written = written + #chunk
            end
          end
          if turns == rounds // 2 then
            count, resident = settle_memory()
          elseif turns == rounds then
            local count_now, resident_now = settle_memory()
            say(("grown by %.0f KiB of Lua, %.0f resident"):format(count_now - count,
              resident_now - resident))
            say(("buffered %d for each of %d written"):format(sockets[1].writableLength, written))
            for _, socket in ipairs(sockets) do socket:destroy() end
            server:close()
            return
          end
          timers.setImmediate(turn)
        end
        turn()
      end)
      server:on("connection", function(socket) socket:on("error", function() end) end)
      net.run()
    ]], 4000 // SCALE * 2)
    assert_steady(output)
    assert.is_true(number_in(output, "buffered (%d+)") <= 65536 + 16384, output)
  end)

  it("memory stays where it is in a pipe whose end does not read", function()
    local output = run([[
      local turns, rounds = 0, tonumber(arg[1])
      local chunk, written = ("x"):rep(1 << 18), 0
      local idle = net.createServer(function(socket) socket:on("error", function() end) end)
      local proxy = net.createServer()
      idle:listen(0, "127.0.0.1", function()
        proxy:on("connection", function(front)
          front:pipe(net.connect(idle:address().port, "127.0.0.1"))
        end)
        proxy:listen(0, "127.0.0.1", function()
          local socket = net.connect(proxy:address().port, "127.0.0.1")
          local count, resident
          local function turn()
            turns = turns + 1
            if not socket.writableNeedDrain then
              socket:write(chunk)
              written = written + #chunk
            end
            if turns == rounds // 2 then
              count, resident = settle_memory()
            elseif turns == rounds then
              local count_now, resident_now = settle_memory()
              say(("grown by %.0f KiB of Lua, %.0f resident; written %d"):format(count_now - count,
                resident_now - resident, written))
              os.exit(0)
            end
            timers.setImmediate(turn)
          end
          turn()
        end)
      end)
      net.run()
    ]], 4000 // SCALE * 2)
    assert_steady(output)
    assert.is_true(number_in(output, "written (%d+)") < 64 << 20, output)
  end)

  it("memory stays where it is while connections come and go", function()
    local output = run([[
      local rounds = tonumber(arg[1])
      local server = net.createServer(function(socket) socket:pipe(socket) end)
      server:listen(0, "127.0.0.1", function()
        local port, done, count, resident = server:address().port, 0, nil, nil
        local function visit()
          local socket = net.connect(port, "127.0.0.1")
          socket:setTimeout(60000)
          socket:on("data", function() socket:finish() end)
          socket:on("close", function()
            done = done + 1
            if done == rounds // 2 then
              count, resident = settle_memory()
            elseif done == rounds then
              local count_now, resident_now = settle_memory()
              say(("grown by %.0f KiB of Lua, %.0f resident"):format(count_now - count,
                resident_now - resident))
              os.exit(0)
            end
            visit()
          end)
          socket:write("hello")
        end
        for _ = 1, 10 do visit() end
      end)
      net.run()
    ]], 20000 // SCALE)
    assert_steady(output)
  end)

  it("memory stays where it is on a connection that talks for long", function()
    local output = run([[
      local rounds = tonumber(arg[1])
      local server = net.createServer(function(socket)
        socket:on("data", function(chunk) socket:write(chunk, function() end) end)
      end)
      server:listen(0, "127.0.0.1", function()
        local socket = net.connect(server:address().port, "127.0.0.1")
        local done, count, resident = 0, nil, nil
        socket:on("data", function(chunk)
          assert(chunk == "ball " .. done)
          done = done + 1
          if done == rounds // 2 then
            count, resident = settle_memory()
          elseif done == rounds then
            local count_now, resident_now = settle_memory()
            say(("grown by %.0f KiB of Lua, %.0f resident"):format(count_now - count,
              resident_now - resident))
            os.exit(0)
          end
          socket:write("ball " .. done)
        end)
        socket:write("ball 0")
      end)
      net.run()
    ]], 200000 // SCALE)
    assert_steady(output)
  end)
end)
