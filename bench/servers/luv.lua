-- SPDX-License-Identifier: MIT

--- The bench's servers on luv: luv.lua SCENARIO ADDRESS [UPSTREAM]. See net.lua.

package.path = arg[0]:match("^(.*)/") .. "/../lib/?.lua;" .. package.path

local uv = require("luv")
local stream = require("stream")

local scenario, address, upstream = arg[1], arg[2], tonumber(arg[3])
local is_path = address:find("/", 1, true)
local HIGH_WATER = 65536 -- bytes queued in user memory; from here on we wait

local function shut(socket)
  if not socket:is_closing() then
    socket:close()
  end
end

--- Reads until the end; then the socket is closed.
local function read(socket, on_data)
  socket:read_start(function(_, chunk)
    if chunk then
      on_data(chunk)
    else
      shut(socket)
    end
  end)
end

local serve = {}

function serve.echo(socket)
  read(socket, function(chunk) socket:write(chunk) end)
end

serve.connect = serve.echo

local pieces = { stream.four() }

--- libuv takes a table of pieces for one writev.
function serve.four(socket)
  read(socket, function() socket:write(pieces) end)
end

function serve.sink(socket)
  read(socket, function() end)
end

--- With no more than one closure for each.
function serve.hold(socket)
  socket:read_start(function(_, chunk)
    if not chunk then
      socket:close()
    end
  end)
end

local period = scenario == "source" and stream.period()

function serve.source(socket)
  local function fill(err)
    if err then
      return shut(socket)
    end
    while socket:get_write_queue_size() < HIGH_WATER do
      socket:write(period, fill)
    end
  end
  fill()
end

function serve.timeout(socket)
  local timer = uv.new_timer()
  timer:start(60000, 60000, function() shut(socket) end)
  socket:read_start(function(_, chunk)
    if chunk then
      timer:again()
      socket:write(chunk)
    else
      timer:close()
      shut(socket)
    end
  end)
end

--- Moves what comes from a to b, and stops reading while b is slow.
local function pipe(a, b)
  local read_on
  local function on_data(_, chunk)
    if not chunk then
      shut(a)
      shut(b)
    elseif not b:is_closing() then
      b:write(chunk, read_on)
      if b:get_write_queue_size() >= HIGH_WATER then
        a:read_stop()
      end
    end
  end
  function read_on(err)
    if err then
      shut(a)
    elseif not a:is_closing() and b:get_write_queue_size() == 0 and not a:is_active() then
      a:read_start(on_data)
    end
  end
  a:read_start(on_data)
end

function serve.proxy(socket)
  local peer = uv.new_tcp()
  peer:connect("127.0.0.1", upstream, function(err)
    if err then
      return shut(socket)
    end
    peer:nodelay(true)
    pipe(socket, peer)
    pipe(peer, socket)
  end)
end

local server = is_path and uv.new_pipe(false) or uv.new_tcp()
if is_path then
  assert(server:bind(address))
else
  assert(server:bind("127.0.0.1", 0))
end
assert(server:listen(511, function()
  local socket = is_path and uv.new_pipe(false) or uv.new_tcp()
  server:accept(socket)
  if not is_path and scenario ~= "connect" then
    socket:nodelay(true)
  end
  serve[scenario](socket)
end))
uv.new_signal():start("sigpipe") -- which would end the process when a peer goes away
stream.listening(not is_path and server:getsockname().port)
uv.run()
