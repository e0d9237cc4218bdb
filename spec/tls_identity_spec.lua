-- SPDX-License-Identifier: MIT

--- `tls.checkServerIdentity`: whose certificate is it? Each row is what Node 26 says; the
--- core, which goes by the certificate itself, says the same of a real one.

local certificates = require("spec.support.certificates")
local core = require("net.tls.core")
local identity = require("net.internal.tls.identity")
local pair = require("spec.support.tlspair")
local sockets = require("spec.support.sockets")
local tls = require("net.tls")
local within = require("spec.support").within

--- "DNS:a.com, DNS:*.b.com"
local function altnames(kind, ...)
  local names = { ... }
  for i = 1, #names do names[i] = kind .. ":" .. names[i] end
  return table.concat(names, ", ")
end

local function dns(...) return { subjectaltname = altnames("DNS", ...) } end
local function ip(...) return { subjectaltname = altnames("IP Address", ...) } end

--- With a common name, or several, and a list of alternative names.
local function cn(name, names)
  return { subject = { CN = name }, subjectaltname = names }
end

local YES = {
  { "a.com", dns("a.com") }, { "a.com", dns("A.Com") }, { "a.com", dns("a.com.") },
  { "A.COM", dns("a.com") }, { "a.com.", dns("a.com") }, { "a.com.", dns("a.com.") },
  { "x.a.com", dns("*.a.com") }, { "x.co.uk", dns("*.co.uk") },
  { "foo.a.com", dns("f*.a.com") }, { "foo.a.com", dns("*o.a.com") },
  { "foo.a.com", dns("f*o.a.com") }, { "fo.a.com", dns("f*o.a.com") },
  { "xn--bcher-kva.a.com", dns("*.a.com") }, { "xn--bcher-kva.a.com", dns("x*.a.com") },
  { "bücher.a.com", dns("xn--bcher-kva.a.com") },
  { ".a.com", dns("*.a.com") }, { "a_b.a.com", dns("*.a.com") },
  { "a.com", dns("b.com", "a.com") }, { "a.com", dns('"a.com"') }, { "a.com", dns('"\\u0061.com"') },
  { "localhost", dns("localhost") },
  { "a.com", cn("a.com") }, { "a.com", cn({ "b.com", "a.com" }) },
  { "a.com", cn("a.com", altnames("IP Address", "1.2.3.4")) },
  { "a.com", cn("a.com", altnames("URI", "http://b.com")) },
  { "a.com", cn("a.com", altnames("email", "a@b.com")) },
  { "x.a.com", cn("*.a.com") },
  { "1.2.3.4", ip("1.2.3.4") }, { "1.2.3.4.", ip("1.2.3.4") },
  { "::1", ip("::1") }, { "::1", ip("0:0:0:0:0:0:0:1") }, { "0:0::1", ip("::1") },
  { "fe80::1%lo", ip("fe80::1") }, { "FE80::1", ip("fe80::1") },
  { "::ffff:1.2.3.4", ip("::FFFF:102:304") },
}

local NO = {
  { "b.com", dns("a.com") }, { "a.com", dns("*.a.com") }, { "y.x.a.com", dns("*.a.com") },
  { "x.com", dns("*.com") }, { "localhost", dns("*") }, { "", dns("*") },
  { "fo.a.com", dns("fo*o.a.com") }, { "foo.a.com", dns("*f*.a.com") },
  { "foo.a.com", dns("*.*.com") }, { "foo.a.com", dns("foo.*.com") },
  { "xn--bcher-kva.a.com", dns("xn--*.a.com") }, { "xn--a.a.com", dns("XN--*.a.com") },
  { "bücher.a.com", dns("bücher.a.com") },
  { "a..com", dns("a..com") }, { "a.com", dns("a.com..") }, { "a b.a.com", dns("*.a.com") },
  { "a.com", dns('"b.com\\u002c DNS:a.com"') }, { "a.com", dns('"a.com\\u0000.evil.com"') },
  { "a.com\0.evil.com", dns("a.com") },
  { "a.com", cn("a.com", altnames("DNS", "b.com")) }, { "a.com", cn("a.com", "DNS:") },
  { "", cn("a.com") }, { "a.com", cn(nil) }, { "a.com", {} },
  { "b.com", cn({ "a.com", "c.com" }) },
  { "1.2.3.4", ip("1.2.3.5") }, { "1.2.3.4", dns("1.2.3.4") }, { "1.2.3.4", cn("1.2.3.4") },
  { "1.2.3.4", dns("*.2.3.4") }, { "::ffff:1.2.3.4", ip("1.2.3.4") }, { "[::1]", ip("::1") },
  { "0x7f.1", ip("127.0.0.1") }, { "127.1", ip("127.0.0.1") }, { "2130706433", ip("127.0.0.1") },
  { "127.1", dns("127.1") },
}

local function shown(row)
  local cert = row[2]
  local name = cert.subject and cert.subject.CN
  name = type(name) == "table" and table.concat(name, "+") or name
  return ("%q of %s %s"):format(row[1], cert.subjectaltname or "", name and "CN " .. name or "")
end

--- The error, of which the text begins alike.
local function refuses(host, cert, reason)
  local err = tls.checkServerIdentity(host, cert)
  assert.is_table(err)
  assert.same({ "Error", "ERR_TLS_CERT_ALTNAME_INVALID", reason,
    "Hostname/IP does not match certificate's altnames: " .. reason },
    { err.name, err.code, err.reason, err.message })
  return err
end

describe("tls.checkServerIdentity", function()
  for _, row in ipairs(YES) do
    it("says yes to " .. shown(row), function()
      assert.is_nil(tls.checkServerIdentity(row[1], row[2]))
    end)
  end

  for _, row in ipairs(NO) do
    it("says no to " .. shown(row), function()
      local err = tls.checkServerIdentity(row[1], row[2])
      assert.equal("ERR_TLS_CERT_ALTNAME_INVALID", err and err.code)
    end)
  end

  it("says which names there are", function()
    refuses("b.com.", dns("a.com", "c.com"),
      "Host: b.com. is not in the cert's altnames: DNS:a.com, DNS:c.com")
    refuses("b.com", cn("a.com"), "Host: b.com. is not cert's CN: a.com")
    refuses("b.com", cn({ "a.com", "c.com" }), "Host: b.com. is not cert's CN: a.com,c.com")
    refuses("1.2.3.4", ip("1.2.3.5", "::1"), "IP: 1.2.3.4 is not in the cert's list: 1.2.3.5, ::1")
    refuses("1.2.3.4", {}, "IP: 1.2.3.4 is not in the cert's list: ")
    refuses("a.com", {}, "Cert does not contain a DNS name")
    refuses("127.1", ip("127.0.0.1"), "Host is a non-canonical IP address")
  end)

  it("says whose certificate it was, and of which host it was not", function()
    local cert = dns("a.com")
    local err = tls.checkServerIdentity("b.com.", cert)
    assert.equal("b.com", err.host)
    assert.equal(cert, err.cert)
  end)

  it("takes no part of what a URL may have for a name", function()
    for _, host in ipairs({ "a.com/x", "a.com?x", "a.com#x", "a%2ecom", "a.com\\x", "a\t.com",
      "x@a.com", "a.com:443" }) do
      local err = tls.checkServerIdentity(host, dns("a.com"))
      assert.equal("ERR_TLS_CERT_ALTNAME_INVALID", err and err.code, host)
    end
  end)

  it("raises where alternative names are quoted and do not end", function()
    for _, text in ipairs({ 'DNS:"bad', 'DNS:"bad\\"', 'DNS:"a\nb"', 'DNS:a, DNS:"\\x"' }) do
      local ok, err = pcall(tls.checkServerIdentity, "a.com", { subjectaltname = text })
      assert.is_false(ok)
      assert.same({ "SyntaxError", "ERR_TLS_CERT_ALTNAME_FORMAT",
        "Invalid subject alternative name string" }, { err.name, err.code, err.message })
    end
  end)
end)

describe("A client", function()
  it("takes no address in another spelling for the one that it may be", within(function(t)
    local server = pair.listen({}, function(socket) socket:finish() end)
    local function meet(host)
      local said
      local client = pair.connect(server, { host = host })
      client:on("secureConnect", function() said = "met" end)
      client:on("error", function(err) said = err.reason end)
      client:resume():on("close", t.calls(1))
      sockets.wait(function() return client.closed end)
      return said
    end
    for _, host in ipairs({ "0x7f.1", "127.1", "2130706433", "0177.0.0.1" }) do
      assert.equal("Host is a non-canonical IP address", meet(host))
    end
    assert.equal("met", meet("127.0.0.1"))
    server:close()
    t.run()
  end))
end)

describe("the core's check of a certificate", function()
  -- Rows of which there can be a certificate, each with those of its names.
  local function certificate(san, subject, ext, sections)
    return certificates.self_signed({ san = san, subject = subject or "/CN=other", ext = ext,
      sections = sections }).cert
  end

  local function says(pem, host)
    local by_core = core.identity.check(pem, identity.prepare(host).ascii)
    local by_table = tls.checkServerIdentity(host, core.certificate(pem)) == nil
    assert.equal(by_table, by_core, host)
    return by_core
  end

  it("says what is said of its table", function()
    local pem = certificate("DNS:a.com,DNS:*.b.com,DNS:f*o.c.com,DNS:xn--*.d.com,DNS:*.e,"
      .. "DNS:F.G.com.,IP:1.2.3.4,IP:::1,IP:::ffff:5.6.7.8,email:a@m.com,URI:http://u.com")
    local yes = { "a.com", "A.com.", "x.b.com", "fo.c.com", "foxo.c.com", "f.g.com", "1.2.3.4",
      "::1", "0::1", "::1%lo", "::ffff:5.6.7.8" }
    for _, host in ipairs(yes) do assert.is_true(says(pem, host), host) end
    local no = { "b.com", "y.x.b.com", "f.c.com", "xn--a.d.com", "x.e", "other", "1.2.3.5", "::2",
      "5.6.7.8", "m.com", "u.com", "", "a.com.x", "com", "::ffff:1.2.3.4" }
    for _, host in ipairs(no) do assert.is_false(says(pem, host), host) end
  end)

  it("goes by the common names where there is no other name", function()
    local pem = certificate("IP:1.2.3.4", "/CN=a.com/O=x/CN=*.b.com")
    assert.is_true(says(pem, "a.com"))
    assert.is_true(says(pem, "x.b.com"))
    assert.is_false(says(pem, "x"))
    assert.is_false(says(certificate("DNS:c.com", "/CN=a.com"), "a.com"))
    assert.is_false(says(certificate(nil, "/O=a.com"), "a.com"))
  end)

  it("sees a name end where it ends", function()
    local evil = "a.com\0.evil.com"
    local pem = certificate(nil, nil, { "subjectAltName=DER:3011820F"
      .. evil:gsub(".", function(c) return ("%02X"):format(c:byte()) end) })
    assert.equal('DNS:"a.com\\u0000.evil.com"', core.certificate(pem).subjectaltname)
    assert.is_false(says(pem, "a.com"))
    local two = certificate(nil, nil, { "subjectAltName=DER:30138211"
      .. ("b.com, DNS:a.com\1"):gsub(".", function(c) return ("%02X"):format(c:byte()) end) })
    assert.is_false(says(two, "a.com"))
    assert.is_false(says(two, "b.com"))
  end)

  it("goes by nothing where the names are none", function()
    for _, der in ipairs({ "3000", "30056A756E6B", "30028200" }) do
      local pem = certificate(nil, "/CN=a.com", { "subjectAltName=DER:" .. der })
      assert.equal("DNS:", core.certificate(pem).subjectaltname)
      assert.is_false(says(pem, "a.com"))
    end
  end)

  it("is of certificates", function()
    assert.is_nil(core.identity.check("x", "a.com"))
  end)
end)
