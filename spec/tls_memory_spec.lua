-- SPDX-License-Identifier: MIT

--- Lua, OpenSSL, or the C code between them, runs out of memory: while contexts and tables of
--- certificates are made, and amid connections. See support/tlsstarve.c, which runs these
--- scripts. Skipped where there is no Lua library to link with.

local certificates = require("spec.support.certificates")
local tlsstarve = require("spec.support.tlsstarve")

--- A connection by net.duplexPair, which echoes a text; asked for all that it knows.
local TALK = [==[
local net = require("net")
local TEXT = ("x"):rep(20000)
local server = tls.createSecureContext { cert = read("$CERT"), key = read("$KEY"), ca = {},
  minVersion = "$VERSION", maxVersion = "$VERSION" }
local client = tls.createSecureContext { ca = read("$CA"), minVersion = "$VERSION" }
local TURNS = 2000

local function ask(socket)
  for _, name in ipairs { "getPeerCertificate", "getCertificate", "getSession", "getCipher",
    "getEphemeralKeyInfo", "getSharedSigalgs", "getFinished", "getPeerFinished", "getTLSTicket" } do
    pcall(socket[name], socket, true)
  end
  pcall(socket.exportKeyingMaterial, socket, 32, "a label")
end

-- One connection: what it was told, what came back, a session.
local function talk(session)
  local seen = { told = nil, got = 0, session = nil, closed = 0 }
  local a, b = net.duplexPair()
  local function tell(err) seen.told = seen.told or err end
  local function watch(socket)
    socket:on("error", tell)
    socket:on("close", function() seen.closed = seen.closed + 1 end)
  end
  local ok, err = pcall(function()
    watch(a)
    watch(b)
    local far = tls.TLSSocket(b, { isServer = true, secureContext = server })
    watch(far)
    far:on("secure", function() ask(far) end)
    far:on("data", function(chunk) far:write(chunk, tell) end)
    local near = tls.connect { socket = a, servername = "a.com", secureContext = client,
      session = session }
    watch(near)
    near:on("secureConnect", function()
      seen.version, seen.reused = near:getProtocol(), near:isSessionReused()
      ask(near)
    end)
    near:on("session", function(blob) seen.session = blob end)
    near:on("data", function(chunk)
      seen.got = seen.got + #chunk
      if seen.got == #TEXT then near:finish() end
    end)
    near:write(TEXT, tell)
  end)
  if not ok then
    tell(err)
    a:destroy()
    b:destroy()
  end
  local alive
  for _ = 1, TURNS do
    local fine, more = pcall(net.run, "nowait")
    if not fine then tell(more) end
    alive = not fine or more
    if not alive then break end
  end
  seen.alive = alive
  return seen
end

local function check(seen)
  if seen.alive then return "it does not end" end
  if seen.got > #TEXT then return "too many bytes" end
  if not seen.told and seen.got ~= #TEXT then return seen.got .. " bytes, and nobody was told" end
  if seen.told and not is_no_memory(seen.told) then return "told of " .. tostring(seen.told) end
end
local session = "$RESUMES" == "yes" and talk().session or nil
local problem
local starved = try(function() problem = problem or check(talk(session)) end)
local after = talk(session)
return starved or problem or (after.told or after.got ~= #TEXT or after.version ~= "$VERSION"
  or after.reused ~= (session ~= nil)) and "the next connection: " .. tostring(after.told) or nil
]==]

describe("without memory", function()
  local program, words

  setup(function()
    program = tlsstarve.compile()
    local ca = certificates.authority()
    local leaf = ca:issue({ san = "DNS:a.com,dirName:dn,IP:1.2.3.4", subject = "/CN=a/CN=b/O=c",
      ext = { "authorityInfoAccess=OCSP;URI:http://a/,OCSP;URI:http://b/",
        "extendedKeyUsage=serverAuth" }, sections = "[dn]\nCN=a, b\n" })
    words = { CERT = leaf.path, KEY = leaf.key_path, CA = ca.path,
      ODD = certificates.self_signed({ key = "rsa:2048" }).path,
      SYSTEM = certificates.write("pem", ca.cert .. certificates.authority({ subject = "/CN=two" }).cert) }
  end)

  teardown(function() return program and program:__close() end)

  --- The script with its words in it, and where there is none.
  local function promise_to(who, once, name, script, more)
    it(("%s (%s has none%s) #slow"):format(name, who, once and ", once" or ""), function()
      if not program then
        return pending("no Lua library to link with")
      end
      local all = setmetatable(more or {}, { __index = words })
      local text = script:gsub("%$(%u+)", function(word) return all[word] end)
      local result = program:run(text, who, once, { SSL_CERT_FILE = words.SYSTEM, SSL_CERT_DIR = "/" })
      assert.same({ code = 0, stdout = "the end\n", stderr = "" }, result)
    end)
  end

  local function promise(name, script)
    for _, who in ipairs({ "lua", "openssl", "ours" }) do
      promise_to(who, nil, name, script)
    end
    promise_to("openssl", "once", name, script)
  end

  for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
    for _, resumes in ipairs({ "no", "yes" }) do
      local name = ("a connection of %s%s is told as lost, or whole; the next one works"):format(
        version, resumes == "yes" and ", resumed," or "")
      local more = { VERSION = version, RESUMES = resumes }
      for _, who in ipairs({ "openssl", "ours" }) do
        promise_to(who, nil, name, TALK, more)
        promise_to(who, "once", name, TALK, more)
      end
    end
  end

  promise("a context is made wholly, or not at all", [[
    local options = { cert = read("$CERT"), key = read("$KEY"), ca = read("$CA"),
      ticketKeys = ("x"):rep(48), sigalgs = "ECDSA+SHA256", ecdhCurve = "P-256" }
    return try(function() tls.createSecureContext(options) end)
  ]])

  promise("a bad one says so, or that there is no memory", [[
    local options = { cert = read("$CERT"), key = read("$CERT"), ca = read("$CA") }
    return try(function() pcall(tls.createSecureContext, options) end)
  ]])

  promise("the table of a certificate leaves nothing", [[
    local cert, odd = read("$CERT"), read("$ODD")
    return try(function()
      local table = core.certificate(cert)
      core.certificate(odd)
      core.identity.check(cert, "a.com")
      if table then tls.checkServerIdentity("b.com", table) end
    end)
  ]])

  promise("other authorities are set wholly, or not at all", [[
    local cert = read("$CERT")
    tls.setDefaultCACertificates({ read("$CA") })
    local problem = try(function() tls.setDefaultCACertificates({ cert, cert }) end)
    return problem or #tls.getCACertificates() ~= 1 and "not one" or nil
  ]])

  promise("the system's are read wholly, or not at all, and then once more", [[
    tls.createSecureContext({ cert = read("$CERT"), key = read("$KEY"), ca = read("$CA") })
    local get = tls.getCACertificates
    collectgarbage()
    starve(true)
    local ok, list = pcall(get)
    starve(false)
    if not ok and not is_no_memory(list) then return list end
    if ok and #list ~= 2 then return #list .. " of 2" end
    local again = #get()
    return again ~= 2 and again .. " of 2 are kept" or nil
  ]])

  promise("a context of LuaSec's is made, or nil, or raises", [[
    local ssl = require("net.luasec")
    local params = { mode = "server", protocol = "any", key = "$KEY", certificate = "$CERT",
      cafile = "$CA", verify = { "peer" }, options = { "all" }, ciphers = "HIGH", alpn = { "x" },
      ciphersuites = "TLS_AES_128_GCM_SHA256", curveslist = "P-256", verifyext = "lsec_continue" }
    return try(function() ssl.newcontext(params) end)
  ]])

  promise("a certificate of LuaSec's leaves nothing", [[
    local ssl = require("net.luasec")
    local leaf, ca = read("$CERT"), read("$CA")
    return try(function()
      local cert = ssl.loadcertificate(leaf)
      if cert then
        cert:setencode("utf8")
        for _, name in ipairs { "subject", "issuer", "extensions", "serial", "notbefore",
          "pem", "pubkey", "digest", "getsignaturename" } do
          cert[name](cert)
        end
        local root = ssl.loadcertificate(ca)
        if root then root:issued(cert, cert) end
      end
    end)
  ]])

  promise("a connection of LuaSec's loses nothing that it says it has", [[
    local socket, ssl = require("net.luasocket"), require("net.luasec")
    local server = ssl.newcontext { mode = "server", protocol = "any", key = "$KEY",
      certificate = "$CERT", alpn = function(names) return names[1] end }
    local client = ssl.newcontext { mode = "client", protocol = "any", alpn = "x" }
    local listener = socket.bind("127.0.0.1", 0)
    local host, port = listener:getsockname()
    local function talk(ours, theirs)
      ours:settimeout(0)
      theirs:settimeout(0)
      local a, b
      for _ = 1, 100 do
        a, b = a or ours:dohandshake(), b or theirs:dohandshake()
      end
      local sent = a and b and ours:send(("x"):rep(20000) .. "\n")
      local got, err, rest = nil, "wantread", ""
      for _ = 1, sent and 100 or 0 do
        if err == "wantread" then
          got, err, rest = theirs:receive("*l", rest)
        end
      end
      assert(not got or #got == 20000, "bytes are missing")
      ours:getpeercertificate()
      ours:getpeerchain()
      ours:info()
    end
    return try(function()
      local near = assert(socket.connect(host, port))
      local far = assert(listener:accept())
      local ours <close> = ssl.wrap(near, client)
      local theirs <close> = ssl.wrap(far, server)
      if ours and theirs then
        talk(ours, theirs)
      end
    end)
  ]])
end)
