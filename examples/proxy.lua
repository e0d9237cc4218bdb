-- SPDX-License-Identifier: MIT
--
-- proxy.lua - passes each connection on to another server.
--
--     lua5.4 examples/proxy.lua [PORT [TARGET]]
--     lua5.4 examples/proxy.lua 8009 example.org:80
--     lua5.4 examples/proxy.lua 8009 /run/app.sock
--
-- TARGET is HOST:PORT, [IPv6]:PORT or the path of a Unix socket; the defaults
-- are 8009 and localhost:8007, where echo_server.lua listens. Port 0 takes a
-- free one. Ctrl-C stops listening, and ends when the last connection has.
--
-- Shows: pipe in both directions with half-open connections, so that a client
-- may end and still get its answer; which errors have to be passed on by hand.

local net = require("net")
local process = require("net.process")

io.stdout:setvbuf("line")

local port, target_text = ...

--- The options of `net.connect` for a target.
local function parse_target(text)
  if text:find("/") then
    return { path = text }
  end
  local host, port_text = text:match("^%[(.+)%]:(%d+)$")
  if not host then
    host, port_text = text:match("^([^:]+):(%d+)$")
  end
  return host and { host = host, port = tonumber(port_text) }
end

local target = parse_target(target_text or "localhost:8007")
if not target then
  io.stderr:write("proxy: TARGET must be HOST:PORT, [IPv6]:PORT or a path\n")
  os.exit(1)
end
target.allowHalfOpen = true

local count = 0

--- Where all addresses of a name failed, the error holds one for each, and has
--- no message of its own.
local function text_of(err)
  return err.errors and err.errors[1].message or err.message
end

--- Sends what `from` says to `to`. The pipe waits while `to` is slow, and ends
--- `to` when `from` has ended. What it leaves to us is a `from` that broke off:
--- then `to` gets what is queued for it, and is closed.
local function forward(from, to)
  from:pipe(to)
  from:on("close", function(had_error)
    if had_error or not from.readableEnded then
      to:destroySoon()
    end
  end)
end

local server = net.createServer({ allowHalfOpen = true, noDelay = true }, function(client)
  count = count + 1
  local id = count
  local upstream = net.connect(target)
  upstream:setNoDelay()
  print(("%d: open"):format(id))

  client:on("error", function(err)
    print(("%d: client: %s"):format(id, text_of(err)))
  end)
  upstream:on("error", function(err)
    print(("%d: target: %s"):format(id, text_of(err)))
  end)
  client:on("close", function()
    print(("%d: closed, %d bytes to the target, %d back"):format(
      id, client.bytesRead, client.bytesWritten))
  end)
  forward(client, upstream)
  forward(upstream, client)
end)

server:on("error", function(err)
  io.stderr:write("proxy: ", tostring(err), "\n")
  os.exit(1)
end)

server:listen(port or 8009, function()
  local bound = server:address()
  print(((bound.family == "IPv6") and "listening on [%s]:%d" or "listening on %s:%d"):format(
    bound.address, bound.port))
end)

process:once("SIGINT", function()
  print("closing")
  server:close()
end)

net.run()
