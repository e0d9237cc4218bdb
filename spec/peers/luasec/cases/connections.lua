-- SPDX-License-Identifier: MIT

--- Cases of ../cases.lua: handshakes, and what is known after them.

local h = ...
local connection, file, method, show = h.connection, h.file, h.method, h.show

local function facts(client, server)
  for name, conn in pairs { client = client, server = server } do
    method(name .. " info", conn, "info")
    for _, field in ipairs { "protocol", "cipher", "bits", "algbits", "key", "authentication",
      "encryption", "mac", "export", "compression", "nothing" } do
      method(name .. " info " .. field, conn, "info", field)
    end
    method(name .. " getalpn", conn, "getalpn")
    method(name .. " getsniname", conn, "getsniname")
    method(name .. " want", conn, "want")
    method(name .. " dirty", conn, "dirty")
    method(name .. " getpeerverification", conn, "getpeerverification")
    method(name .. " getpeercertificate 2", conn, "getpeercertificate", 2)
    method(name .. " getpeercertificate 0", conn, "getpeercertificate", 0)
    method(name .. " getpeercertificate -1", conn, "getpeercertificate", -1)
    method(name .. " getpeerchain", conn, "getpeerchain")
    local cert = conn:getpeercertificate()
    show(name .. " certificate", cert and cert:pem())
    show(name .. " getstats", select("#", conn:getstats()))
  end
  show("finished", client:getfinished() == server:getpeerfinished(),
    server:getfinished() == client:getpeerfinished(), #client:getfinished() > 0)
  show("keying material", client:exportkeyingmaterial("EXPERIMENTAL x", 20)
    == server:exportkeyingmaterial("EXPERIMENTAL x", 20), #client:exportkeyingmaterial("x", 20))
  show("keying material, context", client:exportkeyingmaterial("EXPERIMENTAL x", 20, "c")
    == server:exportkeyingmaterial("EXPERIMENTAL x", 20, "c"))
  method("again", client, "dohandshake")
end

for _, version in ipairs { "tlsv1_2", "tlsv1_3" } do
  connection("plain " .. version, { protocol = version }, nil, facts)
  connection("named " .. version, { protocol = version, name = "localhost" }, nil, facts)
  connection("verified " .. version, { protocol = version, verify = "peer",
    cafile = file("ca.pem") }, nil, facts)
  connection("both verified " .. version, { protocol = version, verify = "peer",
    cafile = file("ca.pem"), key = file("client.key"), certificate = file("client.pem") },
    { verify = { "peer", "fail_if_no_peer_cert" }, cafile = file("ca.pem") }, facts)
  connection("unknown authority " .. version, { protocol = version, verify = "peer" }, nil,
    function(client, server)
      method("want", client, "want")
      method("verification", client, "getpeerverification")
      method("certificate", client, "getpeercertificate")
      method("again", client, "dohandshake")
      method("send", client, "send", "x")
      method("receive", client, "receive")
      method("server receive", server, "receive")
    end)
  connection("not verified " .. version, { protocol = version, cafile = file("other.pem") }, nil,
    facts)
  connection("going on " .. version, { protocol = version, verify = "peer",
    verifyext = "lsec_continue", cafile = file("other.pem") }, nil, facts)
  connection("purpose " .. version, { protocol = version, verify = "peer",
    cafile = file("ca.pem") }, { key = file("client.key"), certificate = file("client.pem") })
  connection("purpose, ignored " .. version, { protocol = version, verify = "peer",
    verifyext = { "lsec_continue", "lsec_ignore_purpose" }, cafile = file("ca.pem") },
    { key = file("client.key"), certificate = file("client.pem") }, function(client)
      method("verification", client, "getpeerverification")
    end)
  connection("no certificate given " .. version, { protocol = version },
    { verify = { "peer", "fail_if_no_peer_cert" }, cafile = file("ca.pem") },
    function(client, server)
      method("client receive", client, "receive")
      method("server verification", server, "getpeerverification")
    end)
  connection("no certificate needed " .. version, { protocol = version },
    { verify = "peer", cafile = file("ca.pem") }, function(_, server)
      method("server verification", server, "getpeerverification")
      method("server certificate", server, "getpeercertificate")
      method("server chain", server, "getpeerchain")
    end)
  connection("alpn " .. version, { protocol = version, alpn = { "h2", "http/1.1" } },
    { alpn = { "http/1.1", "h2" } }, facts)
  connection("alpn function " .. version, { protocol = version, alpn = { "h2", "http/1.1" } },
    { alpn = function(list) show("offered", list) return list[2] end }, facts)
  connection("alpn function of nothing " .. version, { protocol = version, alpn = { "h2", "x" } },
    { alpn = function() end }, facts)
  connection("alpn, nothing in common " .. version, { protocol = version, alpn = "h2" },
    { alpn = { "x" } }, facts)
  connection("alpn, client alone " .. version, { protocol = version, alpn = "h2" }, nil, facts)
end
connection("no common version", { protocol = "tlsv1_2" }, { protocol = "tlsv1_3" })
connection("no common cipher", { protocol = "tlsv1_2", ciphers = "ECDHE-RSA-AES128-GCM-SHA256" })
connection("one cipher", { protocol = "tlsv1_2", ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" }, nil,
  facts)
connection("one suite", { ciphersuites = "TLS_AES_128_GCM_SHA256" }, nil, facts)
connection("curves", { curveslist = "P-384" }, { curveslist = "P-521:P-384" })
connection("no common curve", { curveslist = "P-384" }, { curveslist = "P-521" })
connection("locked", nil, { key = file("locked.key"), password = "secret" })
connection("a version less", { options = { "all", "no_tlsv1_3" } }, nil, function(client)
  method("protocol", client, "info", "protocol")
end)
