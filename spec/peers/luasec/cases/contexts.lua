-- SPDX-License-Identifier: MIT

--- Cases of ../cases.lua: the module, and parameters of contexts.

local socket = require("socket")
local ssl = require("ssl")

local h = ...
local client_params, file, server_params, show, try
  = h.client_params, h.file, h.server_params, h.show, h.try

h.section("module")
show("version", ssl._VERSION)
for _, name in ipairs { "algorithms", "capabilities", "options", "protocols" } do
  for key, value in pairs(ssl.config[name]) do
    show(name .. " " .. key, type(value) == "table" or value)
  end
end
for _, name in ipairs { "P-256", "secp384r1", "X25519", "prime256v1", "brainpoolP256r1" } do
  show("curve " .. name, ssl.config.curves[name])
end

-- Contexts

h.section("newcontext")

local function context(label, params)
  try(label, ssl.newcontext, params)
end

for _, value in ipairs { "any", "sslv23", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "sslv3", "x", 3,
  true } do
  context("protocol " .. tostring(value), client_params { protocol = value })
end
context("protocol none", client_params { protocol = false })
for _, value in ipairs { "x", 3, true } do
  context("mode " .. tostring(value), client_params { mode = value })
end
context("mode none", client_params { mode = false })
context("no arguments", nil)
context("a string", "x")
context("key, no file", server_params { key = file("none") })
context("key, no key", server_params { key = file("server.pem") })
context("key, a number", server_params { key = 3 })
context("key, a boolean", server_params { key = true })
context("certificate, no file", server_params { certificate = file("none") })
context("certificate, no certificate", server_params { certificate = file("server.key") })
context("certificate of another key", server_params { certificate = file("client.pem") })
context("no certificate", server_params { certificate = false, key = false })
context("key alone", server_params { certificate = false })
context("certificate alone", server_params { key = false })
context("locked key, password", server_params { key = file("locked.key"), password = "secret" })
context("locked key, wrong password", server_params { key = file("locked.key"), password = "x" })
context("locked key, function",
  server_params { key = file("locked.key"), password = function() return "secret" end })
context("locked key, function of nothing",
  server_params { key = file("locked.key"), password = function() end })
context("password, a number", server_params { password = 3 })
context("password, a table", server_params { password = {} })
context("certificates", server_params { certificate = false, key = false,
  certificates = { { key = file("server.key"), certificate = file("server.pem") } } })
context("certificates, a wrong one", server_params { certificate = false, key = false,
  certificates = { { key = file("server.key"), certificate = file("client.pem") } } })
context("cafile", client_params { cafile = file("ca.pem") })
context("cafile, none", client_params { cafile = file("none") })
context("cafile, a key", client_params { cafile = file("ca.key") })
context("capath", client_params { capath = file(".") })
context("capath, none", client_params { capath = file("none") })
for _, value in ipairs { "none", "peer", "client_once", "fail_if_no_peer_cert", "x", 3, true } do
  context("verify " .. tostring(value), client_params { verify = value })
end
context("verify table", client_params { verify = { "peer", "client_once" } })
context("verify table, a wrong one", client_params { verify = { "peer", "x" } })
context("verify empty table", client_params { verify = {} })
for _, value in ipairs { "all", "no_tlsv1", "x", 3, true } do
  context("options " .. tostring(value), client_params { options = value })
end
context("options table", client_params { options = { "all", "no_ticket" } })
context("options table, a wrong one", client_params { options = { "all", "nothing" } })
for _, value in ipairs { 2, "3", "x", 1.5 } do
  context("depth " .. tostring(value), client_params { depth = value })
end
for _, value in ipairs { "HIGH", "ECDHE-ECDSA-AES128-GCM-SHA256", "nonsense", 3 } do
  context("ciphers " .. tostring(value), client_params { ciphers = value })
end
for _, value in ipairs { "TLS_AES_128_GCM_SHA256", "nonsense", 3 } do
  context("ciphersuites " .. tostring(value), client_params { ciphersuites = value })
end
for _, value in ipairs { "P-256", "prime256v1", "secp384r1", "X25519", "nonsense", 3 } do
  context("curve " .. tostring(value), server_params { curve = value })
end
for _, value in ipairs { "P-256:P-384", "auto", "nonsense", 3 } do
  context("curveslist " .. tostring(value), server_params { curveslist = value })
end
for _, value in ipairs { "x", 3, true } do
  context("dhparam " .. tostring(value), server_params { dhparam = value })
end
for _, value in ipairs { "lsec_continue", "lsec_ignore_purpose", "crl_check", "crl_check_chain",
  "x", 3, true } do
  context("verifyext " .. tostring(value), client_params { verifyext = value })
end
context("verifyext table", client_params { verifyext = { "lsec_continue", "lsec_ignore_purpose" } })
for name, params in pairs { client = client_params, server = server_params } do
  context("alpn string " .. name, params { alpn = "h2" })
  context("alpn table " .. name, params { alpn = { "h2", "http/1.1" } })
  context("alpn empty table " .. name, params { alpn = {} })
  context("alpn empty name " .. name, params { alpn = { "" } })
  context("alpn long name " .. name, params { alpn = { ("x"):rep(256) } })
  context("alpn numbers " .. name, params { alpn = { 3 } })
  context("alpn number " .. name, params { alpn = 3 })
  context("alpn function " .. name, params { alpn = function() end })
end
try("tostring", function() return (tostring(ssl.newcontext(client_params()))) end)
-- Not ssl.wrap(nil, ...): what LuaSec has made then closes a descriptor that is not its own when
-- it is collected, such as standard output.
try("wrap with nothing", ssl.wrap, socket.tcp(), nil)
try("wrap with a number", ssl.wrap, socket.tcp(), 3)
try("wrap with wrong ones", ssl.wrap, socket.tcp(), client_params { protocol = "x" })
try("wrap without a descriptor", function()
  return (tostring(ssl.wrap(socket.tcp(), client_params())))
end)
