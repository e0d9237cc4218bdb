-- SPDX-License-Identifier: MIT

--- Programs that run beside a spec of spec/peers, as on machines of their own, clients that never
--- stop to ask, and HAProxy in between.
---
---     local one = machines.start(t, { LUANET, "server.lua" })
---     local counts = machines.load({ port = port, request = "hello\n", expected = "^hello\n$" }, 8)
---     machines.serves(counts, 200)
---     machines.stop(counts)

local child = require("net.child")
local net = require("net")
local sockets = require("spec.support.sockets")

local wait = sockets.wait

local M = {}

--- Starts a program, which finds this tree; `out` and `err` have what it says.
---@param t table of `within`
---@param words string[]
---@param env? table
---@param cwd? string
---@return table state
function M.start(t, words, env, cwd)
  local all = { LUA_PATH = package.path, LUA_CPATH = package.cpath, PATH = os.getenv("PATH") }
  for name, value in pairs(env or {}) do all[name] = value end
  local kid = child.spawn(words[1], table.move(words, 2, #words, 1, {}), { env = all, cwd = cwd })
  local state = { kid = kid, out = "", err = "" }
  kid.stdout:on("data", function(chunk) state.out = state.out .. chunk end)
  kid.stderr:on("data", function(chunk) state.err = state.err .. chunk end)
  kid:on("close", function() state.over = true end)
  t.finally(function()
    if not state.over then kid:kill("SIGKILL") end
  end)
  return state
end

--- Waits until a program has said that on stdout, or in `field`.
function M.expect(state, pattern, field)
  local text = field or "out"
  wait(function() return state[text]:find(pattern) or state.over end)
  assert(state[text]:find(pattern), state.out .. state.err)
end

--- Ends a program by SIGTERM; it has to go with code 0, and without a complaint.
function M.finish(state)
  state.kid:kill("SIGTERM")
  wait(function() return state.over end)
  assert(state.kid.exitCode == 0 and state.err == "", state.err)
end

--- A text with parts of it replaced, each of which has to be there.
---@param text string
---@param parts table<string, string|number>
---@return string
function M.replaced(text, parts)
  for from, to in pairs(parts) do
    local count
    text, count = text:gsub(from:gsub("%p", "%%%0"), (tostring(to):gsub("%%", "%%%%")))
    assert(count > 0, from)
  end
  return text
end

--- Writes a file that goes with the spec.
---@return string path
function M.write(t, suffix, text)
  local path = t.tmpname(suffix)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

--- Runs a shell command; its output. It may say nothing on stderr.
function M.shell(t, line)
  local state = M.start(t, { "/bin/sh", "-c", line })
  wait(function() return state.over end)
  assert(state.err == "", state.err)
  return state.out
end

--- Clients without a pause: what each `request`s has to be answered by what matches `expected`. If
--- that has "WHO", it is the client's address, of which then each has one of its own.
---@param what {port: integer, request: string, expected: string}
---@param clients integer
---@return table counts
function M.load(what, clients)
  local counts = { sent = 0, served = 0, open = 0, failed = {}, going = true }
  local function one(who)
    if not counts.going then
      return
    end
    counts.sent, counts.open = counts.sent + 1, counts.open + 1
    local got, expected, named = "", what.expected:gsub("WHO", who)
    local socket = net.connect({ port = what.port, host = "127.0.0.1",
      localAddress = named > 0 and who or nil })
    socket:on("error", function(err) counts.failed[#counts.failed + 1] = err.message end)
    socket:on("data", function(chunk)
      got = got .. chunk
      if got:find(expected) then
        socket:finish()
      end
    end)
    socket:on("close", function()
      counts.open = counts.open - 1
      if got:find(expected) then
        counts.served = counts.served + 1
      else
        counts.failed[#counts.failed + 1] = "answered: " .. got
      end
      one(who)
    end)
    socket:write(what.request)
  end
  for i = 1, clients do one("127.0.1." .. i) end
  return counts
end

--- Waits until so many more have been served; nobody may fail.
function M.serves(counts, more)
  local enough = counts.served + more
  wait(function() return counts.served >= enough or #counts.failed > 0 end)
  assert(#counts.failed == 0, counts.failed[1])
end

--- Has them stop: everybody has been served.
---@return integer served
function M.stop(counts)
  counts.going = false
  wait(function() return counts.open == 0 end)
  assert(#counts.failed == 0, counts.failed[1])
  assert(counts.sent == counts.served)
  return counts.served
end

--- What HAProxy answers at its socket.
function M.ask(path, command)
  local said = ""
  local socket = net.connect(path)
  socket:on("data", function(chunk) said = said .. chunk end)
  socket:finish(command .. "\n")
  sockets.wait_for(socket, "close")
  return said
end

return M
