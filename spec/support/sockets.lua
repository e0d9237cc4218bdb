-- SPDX-License-Identifier: MIT

--- What the specs of net.Socket share: two connected sockets, waiting for what
--- becomes of them, and a list of what they said.
---
--- These specs read from top to bottom: `wait` runs the loop until something is
--- true, and the lines after it are then the program's main script. A wait in
--- vain ends with the guard of `within`, or at once if the loop has run empty.

local net = require("net")
local timers = require("net.timers")

local M = {}

--- Runs the loop until `holds()` does. "once" waits for the system even when a
--- tick or a timer has just changed what is waited for, hence the interval.
function M.wait(holds)
  local _ <close> = timers.setInterval(function() end, 1):unref()
  while not holds() do
    local alive = net.run("nowait")
    if holds() then
      return
    elseif not alive then
      error("the loop has run empty, and what was waited for is not there", 2)
    end
    net.run("once")
  end
end

--- Runs the loop until `emitter` says `event`; returns the event's arguments.
function M.wait_for(emitter, event)
  local args
  emitter:once(event, function(...) args = table.pack(...) end)
  M.wait(function() return args end)
  return table.unpack(args, 1, args.n)
end

--- Lets some turns of the loop pass. It shows that something does *not* happen,
--- and cannot make a spec fail that would pass on another machine.
function M.settle()
  local over
  timers.setTimeout(function() over = true end, 5)
  M.wait(function() return over end)
end

--- A path for a Unix socket that nothing has.
function M.path()
  local path = os.tmpname()
  os.remove(path)
  return path .. ".sock"
end

--- A port that nobody has at this moment, for programs that cannot be told to take any.
function M.free_port()
  local bound <close> = net.BoundSocket({ host = "127.0.0.1" })
  return bound:address().port
end

--- A listening server and the options that lead to it.
---@param options? {server: table, unix: boolean} `server` goes to createServer
function M.listen(options)
  options = options or {}
  local server = net.createServer(options.server)
  local where = options.unix and { path = M.path() } or { port = 0, host = "127.0.0.1" }
  server:listen(where)
  M.wait(function() return server.listening end)
  if not options.unix then
    where.port = server:address().port
  end
  return server, where
end

--- Two ends of one connection, both open, and nobody listening to anything. The
--- server has stopped to listen.
---@param options? {client: table, server: table, unix: boolean}
---@return net.Socket client
---@return net.Socket peer the accepted socket
function M.pair(options)
  options = options or {}
  local server, where = M.listen(options)
  for name, value in pairs(options.client or {}) do
    where[name] = value
  end
  local peer
  server:once("connection", function(socket)
    peer = socket
    server:close()
  end)
  local client = net.connect(where)
  M.wait(function() return peer and not client.connecting end)
  return client, peer
end

local EVENTS = {
  "connect", "ready", "resume", "pause", "end", "prefinish", "finish", "drain", "timeout", "pipe",
  "unpipe", "error", "close",
}

--- An argument of an event, as it is shown in a list.
local function shown(value)
  if net.isSocket(value) then
    return "socket"
  elseif type(value) == "table" then
    return value.code or value.message or "table"
  end
  return tostring(value)
end

local function line(name, ...)
  local words = { name }
  for i = 1, select("#", ...) do
    words[i + 1] = shown((select(i, ...)))
  end
  return table.concat(words, " ")
end

--- A list that gets a line for each event, such as "close false" or "error
--- ECONNRESET".
---@param socket net.Socket
---@param more? string[] events besides the usual ones: "data" makes it flow
---@param seen? string[] the list to add to
---@param name? string stands before each line
function M.trace(socket, more, seen, name)
  seen = seen or {}
  local function follow(event)
    socket:on(event, function(...)
      seen[#seen + 1] = (name and name .. " " or "") .. line(event, ...)
    end)
  end
  for _, event in ipairs(EVENTS) do follow(event) end
  for _, event in ipairs(more or {}) do follow(event) end
  return seen
end

--- A callback that adds its name and its error to the list.
function M.note(seen, name)
  return function(...)
    seen[#seen + 1] = line(name, ...)
  end
end

-- More than the kernel's buffers of both ends hold. A kernel may take a part of one write
-- and, later, more: that it has refused once does not say that it is full.
local FULL = 16 << 20 -- bytes

--- Has `socket` write until the kernel takes no more; returns how many bytes
--- were written. A byte may stand for itself in a spec that looks at content.
function M.fill(socket, byte)
  local chunk = (byte or "x"):rep(1 << 20)
  local total = 0
  repeat
    total = total + #chunk
  until not socket:write(chunk) and total >= FULL
  return total
end

--- The error that `fn` raises.
function M.raised(fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then
    error("nothing was raised", 2)
  end
  return err
end

--- What an error shows of itself: its name and code, or its name and message.
function M.kind(err)
  return type(err) == "table" and ("%s %s"):format(err.name, err.code or err.message) or err
end

return M
