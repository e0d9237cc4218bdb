-- SPDX-License-Identifier: MIT

-- The PROXY protocol as others speak it: HAProxy, nginx and curl before servers of ours.

local co = require("net.co")
local daemons = require("spec.support.daemons")
local kids = require("spec.support.kids")
local lfs = require("lfs")
local net = require("net")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local tlstasks = require("spec.support.tlstasks")

local in_task, with = tlstasks.in_task, daemons.with

--- A server of ours behind a proxy, which answers a line by who the client is, and what else the
--- header says; and the errors of its "proxyError".
local function serve()
  local server = net.createServer({ proxyProtocol = true }):listen(0, "127.0.0.1")
  co.await(server, "listening")
  local errors, headers = {}, {}
  server:on("proxyError", function(err) errors[#errors + 1] = err.code end)
  server:serve(function(socket)
    headers[#headers + 1] = socket.proxyHeader
    local line = socket:receive("line")
    if line then
      socket:send(("%s %d %s\n"):format(socket.remoteAddress, socket.remotePort, line))
    end
  end)
  return server, server:address().port, headers, errors
end

--- HAProxy that listens on a port with `bind`, and passes on by `server`; the port.
local function haproxy(t, bind, server)
  local port = sockets.free_port()
  local cfg = daemons.haproxy_cfg(t, ("127.0.0.1:%d %s"):format(port, bind), server)
  return kids.start("haproxy -db -f %s", cfg), port
end

--- A connection to a port, as soon as somebody listens there.
local function dial(port, kid)
  while true do
    local socket = co.connect(port, "127.0.0.1")
    if socket then
      return socket
    end
    assert(not kid.over, kid.said)
    co.sleep(1)
  end
end

describe("HAProxy before a server with proxyProtocol", with("haproxy", function()
  for option, version in pairs { ["send-proxy"] = 1, ["send-proxy-v2"] = 2,
    ["send-proxy-v2 proxy-v2-options crc32c,unique-id"] = 2 } do
    it("tells who the client is: " .. option, in_task(function(t)
      local server <close>, port, headers = serve()
      local kid <close>, front = haproxy(t, "", ("127.0.0.1:%d %s"):format(port, option))
      local socket <close> = dial(front, kid)
      local mine = socket.localPort
      socket:send("hello\n")
      assert.equal(("127.0.0.1 %d hello"):format(mine), (socket:receive("line")))
      local found = headers[#headers]
      assert.same({ version, "PROXY", front }, { found.version, found.command, found.destinationPort })
      assert.equal(option:find("crc32c") and 4 or 0, #(found.tlvs[3] or ""))
      assert(server)
    end))
  end

  it("tells about TLS between the client and itself: send-proxy-v2-ssl", in_task(function(t)
    local server <close>, port, headers = serve()
    local pem = t.tmpname(".pem")
    do
      local file <close> = assert(io.open(pem, "w"))
      file:write(pair.server.cert .. pair.server.key)
    end
    local kid <close>, front = haproxy(t, "ssl crt " .. pem .. " alpn h9",
      ("127.0.0.1:%d send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,authority"):format(port))
    dial(front, kid):destroy()
    local socket <close> = assert(tlstasks.connect(front, { servername = "localhost" }))
    socket:send("hello\n")
    assert.matches("^127.0.0.1 %d+ hello$", (socket:receive("line")))
    local found = headers[#headers]
    assert.same({ true, false, socket:getProtocol(), "localhost" },
      { found.ssl.encrypted, found.ssl.certificate, found.ssl.version, found.authority })
    assert.is_string(found.ssl.cipher)
    assert(server)
  end))

  it("checks its health by LOCAL: check-send-proxy", in_task(function(t)
    local server <close>, port, headers, errors = serve()
    local kid <close> = haproxy(t, "", ("127.0.0.1:%d send-proxy-v2 check check-send-proxy inter 20ms"):format(port))
    while #headers == 0 do
      assert(not kid.over, kid.said)
      co.sleep(1)
    end
    assert.same({ 2, "LOCAL", nil, "127.0.0.1" }, { headers[1].version, headers[1].command,
      headers[1].family, headers[1].proxyAddress })
    assert.same({}, errors)
    assert(server)
  end))

  it("passes TLS on to a server of ours, which knows the client: send-proxy-v2", in_task(function(t)
    local server <close>, port = tlstasks.serve(function(socket)
      socket:send(("%s %d %s\n"):format(socket.remoteAddress, socket.remotePort, socket:receive("line")))
    end, { proxyProtocol = true })
    local kid <close>, front = haproxy(t, "", ("127.0.0.1:%d send-proxy-v2"):format(port))
    dial(front, kid):destroy()
    local socket <close> = assert(tlstasks.connect(front))
    local mine = socket.localPort
    socket:send("hello\n")
    assert.equal(("127.0.0.1 %d hello"):format(mine), (socket:receive("line")))
    assert(server)
  end))

  it("is refused where it does not tell", in_task(function(t)
    local server <close>, port, _, errors = serve()
    local kid <close>, front = haproxy(t, "", ("127.0.0.1:%d"):format(port))
    local socket <close> = dial(front, kid)
    socket:send("hello\n")
    assert.is_nil((socket:receive("line")))
    assert.same({ "ERR_PROXY_PROTOCOL_INVALID" }, errors)
    assert(server)
  end))
end))

describe("curl --haproxy-protocol", with("curl", function()
  it("begins with a line of version 1", in_task(function()
    local server <close> = net.createServer({ proxyProtocol = true }):listen(0, "127.0.0.1")
    co.await(server, "listening")
    server:serve(function(socket)
      assert(socket:receiveUntil("\r\n\r\n"))
      local body = socket.remoteAddress .. " by " .. socket.proxyHeader.proxyAddress
      socket:send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ", tostring(#body), "\r\n\r\n", body)
    end)
    local said = kids.run("curl %s", kids.words("-sS", "--max-time", 30, "--haproxy-protocol",
      ("http://127.0.0.1:%d/"):format(server:address().port)))
    assert.equal("127.0.0.1 by 127.0.0.1", said)
  end))
end))

describe("nginx before a server with proxyProtocol", with("nginx", function()
  local MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

  it("tells who the client is (proxy_protocol on, in a stream)", in_task(function(t)
    if not lfs.attributes(MODULE) then
      return pending("no stream module of nginx here", function() end)
    end
    local server <close>, port, headers = serve()
    local front, folder = sockets.free_port(), t.tmpdir()
    do
      local file <close> = assert(io.open(folder .. "/nginx.conf", "w"))
      file:write(([[
        load_module %s;
        daemon off; master_process off; pid nginx.pid; error_log stderr notice;
        events {}
        stream { server { listen 127.0.0.1:%d; proxy_pass 127.0.0.1:%d; proxy_protocol on; } }
      ]]):format(MODULE, front, port))
    end
    local kid <close> = kids.start("nginx -p %s -c nginx.conf -e stderr", folder)
    local socket <close> = dial(front, kid)
    local mine = socket.localPort
    socket:send("hello\n")
    assert.equal(("127.0.0.1 %d hello"):format(mine), (socket:receive("line")))
    assert.equal(1, headers[1].version)
    assert(server)
  end))
end))
