-- SPDX-License-Identifier: MIT

--- An echo server that is wrong at its 10,000th byte: faulty.lua FAULT [PEM]
---
--- FAULT: "none"; "swap" changes that byte, "lose" leaves it out, "double" sends it
--- twice, "close" closes there. With PEM, a file with a key and a certificate, it is one over
--- TLS; "forget" is not wrong, but resumes nobody. Prints its port.

local net = require("net")

local AT = 10000 -- bytes; of each connection

local faults = {
  none = function(_, byte) return byte end,
  swap = function(_, byte) return string.char(byte:byte() ~ 1) end,
  lose = function() return "" end,
  double = function(_, byte) return byte .. byte end,
  close = function(socket, byte)
    socket:destroySoon()
    return byte
  end,
}

faults.forget = faults.none

local fault = faults[arg[1]]

local function serve(socket)
  local seen = 0
  socket:on("error", function() end)
  socket:on("data", function(chunk)
    local at = AT - seen
    seen = seen + #chunk
    if at >= 1 and at <= #chunk then
      chunk = chunk:sub(1, at - 1) .. fault(socket, chunk:sub(at, at)) .. chunk:sub(at + 1)
    end
    socket:write(chunk)
  end)
end

local function over_tls(path)
  local file <close> = assert(io.open(path))
  local pem = file:read("a")
  local tls = require("net.tls")
  local server = tls.createServer({ key = pem, cert = pem }, serve)
  if arg[1] == "forget" then
    server:on("connection", function() server:setTicketKeys(("%48.6f"):format(os.clock())) end)
  end
  return server
end

local server = arg[2] and over_tls(arg[2]) or net.createServer(serve)
server:listen(0, "127.0.0.1", function()
  print(server:address().port)
  io.flush()
end)
net.run()
