-- SPDX-License-Identifier: MIT

--- What becomes of a peer's chain of certificates: the verdict, in Node's codes and words,
--- and the alert that the other side gets. Two ends of TLS without a socket, see
--- support/tlshandshake.c.

local certificates = require("spec.support.certificates")
local lua = require("spec.support.lua")
local tls = require("net.tls")

local SOURCES = "spec/support/tlshandshake.c"
for file in ([[base/bio base/draft base/error base/net base/owner certificate/certificate
    certificate/names certificate/publickey connection/inspect context/context
    context/verify]]):gmatch("%S+") do
  SOURCES = SOURCES .. " src/tls/" .. file .. ".c"
end

local hs = lua.module(SOURCES, "tlshandshake", "-lssl -lcrypto")

local promise = hs and it or pending

local VERSIONS = { "TLSv1.2", "TLSv1.3" }

local made = {}
--- An authority, one below it, and a leaf of each: made once.
local function ours()
  if not made.root then
    made.root = certificates.authority()
    made.middle = made.root:intermediate()
    made.leaf, made.far = made.root:issue(), made.middle:issue()
  end
  return made
end

local function context(version, options)
  options.minVersion, options.maxVersion = version, version
  return tls.createSecureContext(options)
end

--- A handshake of a server with that certificate and a client that has `options`.
local function meet(version, leaf, options, flags)
  local server = context(version, { cert = leaf.chain or leaf.cert, key = leaf.key })
  local pair = hs.pair(context(version, options), server, flags or hs.REJECT, hs.SERVER)
  local client_error, server_error = hs.shake(pair)
  return pair, client_error, server_error
end

--- Demands that the client refuses the leaf with that code and text, and the server
--- hears that alert; and that a client that does not care has the same verdict.
local function refuses(leaf, options, code, text, alert)
  for _, version in ipairs(VERSIONS) do
    local pair, client_error, server_error = meet(version, leaf, options)
    assert.equal("ERR_SSL_CERTIFICATE_VERIFY_FAILED", client_error and client_error.code)
    assert.equal(alert, server_error and server_error.code)
    local verdict = hs.verdict(pair, "client")
    assert.same({ "Error", code, text }, { verdict.name, verdict.code, verdict.message })
    pair, client_error, server_error = meet(version, leaf, options, 0)
    assert.same({}, { client_error, server_error })
    assert.equal(code, hs.verdict(pair, "client").code)
  end
end

local UNKNOWN = "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA"

describe("a good chain", function()
  promise("is one that ends at who is trusted", function()
    for _, version in ipairs(VERSIONS) do
      local far = { chain = ours().far.cert .. ours().middle.cert, key = ours().far.key }
      for _, leaf in ipairs({ ours().leaf, far }) do
        local pair, client_error, server_error = meet(version, leaf, { ca = ours().root.cert })
        assert.same({}, { client_error, server_error })
        assert.is_nil(hs.verdict(pair, "client"))
      end
    end
  end)

  promise("may be put together of what the client trusts", function()
    local pair = meet("TLSv1.3", ours().far, { ca = { ours().root.cert, ours().middle.cert } })
    assert.is_nil(hs.verdict(pair, "client"))
  end)

  promise("may end at one in between, with allowPartialTrustChain", function()
    local pair = meet("TLSv1.3", ours().far, { ca = ours().middle.cert, allowPartialTrustChain = true })
    assert.is_nil(hs.verdict(pair, "client"))
  end)

  promise("may be a leaf alone that is trusted", function()
    local own = certificates.self_signed({})
    assert.is_nil(hs.verdict(meet("TLSv1.3", own, { ca = own.cert }), "client"))
  end)

  promise("is one of which nothing is revoked, where there are lists", function()
    local pair = meet("TLSv1.3", ours().leaf, { ca = ours().root.cert, crl = ours().root:crl() })
    assert.is_nil(hs.verdict(pair, "client"))
  end)
end)

describe("a bad chain", function()
  promise("is a leaf that has signed itself", function()
    refuses(certificates.self_signed({}), { ca = ours().root.cert }, "DEPTH_ZERO_SELF_SIGNED_CERT",
      "self-signed certificate", UNKNOWN)
  end)

  promise("is one of an unknown authority, or one that lacks something in between", function()
    local text = "unable to verify the first certificate"
    refuses(ours().leaf, { ca = certificates.authority().cert }, "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      text, UNKNOWN)
    refuses(ours().far, { ca = ours().root.cert }, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", text, UNKNOWN)
    refuses(ours().leaf, { ca = {} }, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", text, UNKNOWN)
  end)

  promise("is one of the system's nobody", function()
    refuses(ours().leaf, {}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "unable to verify the first certificate", UNKNOWN)
  end)

  promise("is one whose root came along, and is not trusted", function()
    local leaf = { chain = ours().leaf.cert .. ours().root.cert, key = ours().leaf.key }
    refuses(leaf, { ca = certificates.authority({ subject = "/CN=other" }).cert },
      "SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain", UNKNOWN)
  end)

  promise("is one of which only the middle is trusted", function()
    refuses(ours().far, { ca = ours().middle.cert }, "UNABLE_TO_GET_ISSUER_CERT",
      "unable to get issuer certificate", UNKNOWN)
  end)

  promise("is one that is too old, or too young", function()
    local old = ours().root:issue({ from = "20200101000000Z", to = "20210101000000Z" })
    refuses(old, { ca = ours().root.cert }, "CERT_HAS_EXPIRED", "certificate has expired",
      "ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED")
    local young = ours().root:issue({ from = "20900101000000Z" })
    refuses(young, { ca = ours().root.cert }, "CERT_NOT_YET_VALID",
      "certificate is not yet valid", "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE")
  end)

  promise("is one that was revoked", function()
    local leaf = ours().root:issue()
    ours().root:revoke(leaf)
    refuses(leaf, { ca = ours().root.cert, crl = ours().root:crl() }, "CERT_REVOKED",
      "certificate revoked", "ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_REVOKED")
  end)

  promise("is one of an issuer without a list, where there are lists", function()
    local other = certificates.authority({ subject = "/CN=another" })
    refuses(ours().leaf, { ca = ours().root.cert, crl = other:crl() }, "UNABLE_TO_GET_CRL",
      "unable to get certificate CRL", UNKNOWN)
  end)

  promise("is one of a client, where a server shows it", function()
    local leaf = ours().root:issue({ ext = { "extendedKeyUsage=clientAuth" } })
    refuses(leaf, { ca = ours().root.cert }, "INVALID_PURPOSE", "unsuitable certificate purpose",
      "ERR_SSL_SSL/TLS_ALERT_UNSUPPORTED_CERTIFICATE")
  end)

  promise("is one that an authority without the right to issue has issued", function()
    local leaf = ours().root:issue({})
    leaf.config = ours().root.config
    local below = setmetatable(leaf, getmetatable(ours().root)):issue({ subject = "/CN=below" })
    local pair = meet("TLSv1.3", { chain = below.cert .. leaf.cert, key = below.key },
      { ca = ours().root.cert }, 0)
    assert.not_nil(hs.verdict(pair, "client"))
  end)

  promise("is one signed by SHA-1", function()
    local leaf = ours().middle:issue({ digest = "sha1" })
    for _, version in ipairs(VERSIONS) do
      local server = context(version, { cert = leaf.cert .. ours().middle.cert, key = leaf.key,
        ciphers = "DEFAULT@SECLEVEL=0" })
      local pair = hs.pair(context(version, { ca = ours().root.cert }), server, hs.REJECT, hs.SERVER)
      local client_error = hs.shake(pair)
      assert.not_nil(client_error)
      local verdict = hs.verdict(pair, "client")
      assert.same({ "UNSPECIFIED", "CA signature digest algorithm too weak" },
        { verdict.code, verdict.message })
    end
  end)

  promise("is told of by its last fault, as in Node", function()
    local old = certificates.authority({ subject = "/CN=old", from = "20200101000000Z",
      to = "20210101000000Z" })
    local leaf = old:issue()
    refuses(leaf, { ca = ours().root.cert }, "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "unable to verify the first certificate", UNKNOWN)
    refuses(leaf, { ca = old.cert }, "CERT_HAS_EXPIRED", "certificate has expired",
      "ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED")
  end)
end)

describe("a server that asks for a certificate", function()
  --- A client with those options before a server that has `flags` besides.
  local function visit(version, options, flags)
    local server = context(version, { cert = ours().leaf.cert, key = ours().leaf.key,
      ca = ours().root.cert, sessionIdContext = "x" })
    options.ca = ours().root.cert
    local pair = hs.pair(context(version, options), server, hs.REJECT,
      hs.SERVER | hs.REQUEST | flags)
    local client_error, server_error = hs.shake(pair)
    return pair, client_error, server_error
  end

  promise("takes a good one", function()
    for _, version in ipairs(VERSIONS) do
      local leaf = ours().root:issue({ subject = "/CN=ann" })
      local pair, client_error, server_error = visit(version, leaf, hs.REJECT)
      assert.same({}, { client_error, server_error })
      assert.equal("ann", hs.ask(pair, "server", "peer").subject.CN)
      assert.is_nil(hs.verdict(pair, "server"))
    end
  end)

  promise("refuses none at all, with an alert", function()
    local alerts = { ["TLSv1.2"] = "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE",
      ["TLSv1.3"] = "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED" }
    for _, version in ipairs(VERSIONS) do
      local _, client_error, server_error = visit(version, {}, hs.REJECT)
      assert.equal("ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", server_error.code)
      assert.equal(alerts[version], client_error.code)
    end
  end)

  promise("refuses a bad one, with an alert", function()
    for _, version in ipairs(VERSIONS) do
      local pair, client_error, server_error = visit(version, certificates.authority():issue(), hs.REJECT)
      assert.equal("ERR_SSL_CERTIFICATE_VERIFY_FAILED", server_error.code)
      assert.equal("UNABLE_TO_VERIFY_LEAF_SIGNATURE", hs.verdict(pair, "server").code)
      assert.equal(UNKNOWN, client_error.code)
    end
  end)

  promise("lets in who has none, or a bad one, where it does not reject, and knows the verdict", function()
    for _, version in ipairs(VERSIONS) do
      local pair, client_error, server_error = visit(version, certificates.authority():issue(), 0)
      assert.same({}, { client_error, server_error })
      assert.equal("UNABLE_TO_VERIFY_LEAF_SIGNATURE", hs.verdict(pair, "server").code)
      pair, client_error, server_error = visit(version, {}, 0)
      assert.same({}, { client_error, server_error })
      assert.same({}, hs.ask(pair, "server", "peer"))
    end
  end)

  promise("asks nobody where it is not told to", function()
    local pair = meet("TLSv1.3", ours().leaf, { ca = ours().root.cert, cert = ours().leaf.cert,
      key = ours().leaf.key })
    assert.same({}, hs.ask(pair, "server", "peer"))
  end)
end)

describe("the tickets of a context", function()
  local function contexts(version, keys)
    local client = context(version, { ca = ours().root.cert })
    return client, function()
      return context(version, { cert = ours().leaf.cert, key = ours().leaf.key, ticketKeys = keys })
    end
  end

  local function shake(client, server, session)
    local pair = hs.pair(client, server, hs.REJECT, hs.SERVER, nil, session)
    local client_error, server_error = hs.shake(pair)
    assert.same({}, { client_error, server_error })
    return pair
  end

  promise("resume with another context of the same keys, and with no other", function()
    for _, version in ipairs(VERSIONS) do
      local client, server = contexts(version, ("k"):rep(48))
      local first = shake(client, server())
      assert.is_false(hs.reused(first))
      local session = hs.session(first)
      local again = shake(client, server(), session)
      assert.is_true(hs.reused(again))
      assert.is_nil(hs.verdict(again, "client"))
      assert.equal("localhost", hs.ask(again, "client", "peer").subject.CN)
      for _, keys in ipairs({ ("k"):rep(47) .. "l", "l" .. ("k"):rep(47), false }) do
        local _, other = contexts(version, keys or nil)
        assert.is_false(hs.reused(shake(client, other(), session)))
      end
    end
  end)

  promise("are refused where a byte is another one", function()
    local client, server = contexts("TLSv1.2", ("k"):rep(48))
    local session = hs.session(shake(client, server()))
    local at = assert(session:find("kkkkkkkkkkkkkkkk", 1, true)) + 40
    local other = session:sub(1, at - 1) .. string.char(session:byte(at) ~ 1) .. session:sub(at + 1)
    assert.is_false(hs.reused(shake(client, server(), other)))
  end)

  promise("keep the verdict of a handshake that did not care", function()
    for _, version in ipairs(VERSIONS) do
      local client = context(version, { ca = {} })
      local _, server = contexts(version, ("k"):rep(48))
      local first = hs.pair(client, server(), 0, hs.SERVER)
      hs.shake(first)
      local again = shake(client, server(), hs.session(first))
      assert.is_true(hs.reused(again))
      assert.equal("UNABLE_TO_VERIFY_LEAF_SIGNATURE", hs.verdict(again, "client").code)
    end
  end)
end)

describe("a connection", function()
  local function pair_of(version, options)
    options = options or {}
    options.ca = ours().root.cert
    return (meet(version, options.leaf or ours().leaf, options))
  end

  promise("knows its cipher and its version", function()
    local pair = pair_of("TLSv1.3", { ciphers = "TLS_AES_128_GCM_SHA256" })
    assert.same({ name = "TLS_AES_128_GCM_SHA256", standardName = "TLS_AES_128_GCM_SHA256",
      version = "TLSv1.3" }, hs.ask(pair, "client", "cipher"))
    assert.equal("TLSv1.3", hs.ask(pair, "server", "protocol"))
    pair = pair_of("TLSv1.2", { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" })
    assert.same({ name = "ECDHE-ECDSA-AES128-GCM-SHA256",
      standardName = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", version = "TLSv1.2" },
      hs.ask(pair, "server", "cipher"))
  end)

  promise("knows little before its handshake, and does not crash", function()
    local server = context("TLSv1.3", { cert = ours().leaf.cert, key = ours().leaf.key })
    local pair = hs.pair(context("TLSv1.3", {}), server)
    for _, side in ipairs({ "client", "server" }) do
      assert.equal("TLSv1.3", hs.ask(pair, side, "protocol"))
      for _, what in ipairs({ "cipher", "ephemeral", "finished", "theirs" }) do
        assert.is_nil(hs.ask(pair, side, what), what)
      end
      for _, what in ipairs({ "sigalgs", "peer", "peer detailed" }) do
        assert.same({}, hs.ask(pair, side, what))
      end
    end
    assert.same({}, hs.ask(pair, "client", "own"))
  end)

  promise("knows by which key its secrets were agreed on, on the client's side", function()
    local pair = pair_of("TLSv1.3", { ecdhCurve = "X25519" })
    assert.same({ type = "ECDH", name = "X25519", size = 253 }, hs.ask(pair, "client", "ephemeral"))
    assert.is_nil(hs.ask(pair, "server", "ephemeral"))
    pair = pair_of("TLSv1.2", { ecdhCurve = "P-256" })
    assert.same({ type = "ECDH", name = "prime256v1", size = 256 }, hs.ask(pair, "client", "ephemeral"))
  end)

  promise("knows which signatures both sides have", function()
    local pair = pair_of("TLSv1.3", { sigalgs = "ECDSA+SHA256:ed25519:rsa_pss_rsae_sha256" })
    local list = hs.ask(pair, "server", "sigalgs")
    table.sort(list)
    assert.same({ "ECDSA+SHA256", "Ed25519+UNDEF", "RSA-PSS+SHA256" }, list)
  end)

  promise("knows the last messages of its handshake, and the other side's", function()
    for _, version in ipairs(VERSIONS) do
      local pair = pair_of(version)
      assert.is_true(#hs.ask(pair, "client", "finished") >= 12)
      assert.equal(hs.ask(pair, "client", "finished"), hs.ask(pair, "server", "theirs"))
      assert.equal(hs.ask(pair, "server", "finished"), hs.ask(pair, "client", "theirs"))
    end
  end)

  promise("knows the certificates, and those of who issued them up to the root", function()
    local far = { chain = ours().far.cert .. ours().middle.cert, key = ours().far.key }
    local pair = pair_of("TLSv1.3", { leaf = far })
    assert.equal("localhost", hs.ask(pair, "server", "own").subject.CN)
    local leaf = hs.ask(pair, "client", "peer detailed")
    local middle = leaf.issuerCertificate
    local root = middle.issuerCertificate
    assert.same({ "localhost", "an authority in between", "an authority" },
      { leaf.subject.CN, middle.subject.CN, root.subject.CN })
    assert.equal(root, root.issuerCertificate)
    assert.is_nil(hs.ask(pair, "client", "peer").issuerCertificate)
  end)

  promise("knows no issuer that neither side has", function()
    local pair = meet("TLSv1.3", ours().far, { ca = {} }, 0)
    assert.is_nil(hs.ask(pair, "client", "peer detailed").issuerCertificate)
    local own = certificates.self_signed({})
    local leaf = hs.ask(meet("TLSv1.3", own, { ca = {} }, 0), "client", "peer detailed")
    assert.equal(leaf, leaf.issuerCertificate)
  end)

  promise("has keying material for others, the same on both sides", function()
    local pair = pair_of("TLSv1.3")
    local function of(side, context_bytes) return hs.export(pair, side, 40, "EXPERIMENTAL", context_bytes) end
    assert.equal(40, #of("client", "a"))
    assert.equal(of("client", "a"), of("server", "a"))
    assert.equal(of("client"), of("server"))
    assert.not_equal(of("client", "a"), of("client", "b"))
    pair = pair_of("TLSv1.2")
    assert.not_equal(of("client", ""), of("client"))
  end)
end)
