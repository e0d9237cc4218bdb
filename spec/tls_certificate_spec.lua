-- SPDX-License-Identifier: MIT

--- The table of a certificate, as Node's getPeerCertificate has it.

local certificates = require("spec.support.certificates")
local core = require("net.tls.core")

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02X"):format(c:byte()) end))
end

--- The table, and the file.
local function certificate(options)
  local made = certificates.self_signed(options)
  return core.certificate(made.cert), made
end

local function said(made, what)
  return (certificates.openssl("x509 -in %s -noout " .. what, made.path):gsub("\n$", ""))
end

describe("a certificate's table", function()
  it("has the dates, the number and the fingerprints", function()
    local table, made = certificate({ from = "20240203040506Z", to = "20600102030405Z" })
    assert.same({ "Feb  3 04:05:06 2024 GMT", "Jan  2 03:04:05 2060 GMT" },
      { table.valid_from, table.valid_to })
    assert.equal(said(made, "-serial"), "serial=" .. table.serialNumber)
    for field, digest in pairs({ fingerprint = "sha1", fingerprint256 = "sha256",
      fingerprint512 = "sha512" }) do
      assert.equal(said(made, "-fingerprint -" .. digest):match("=(.*)"), table[field])
    end
  end)

  it("has the certificate itself", function()
    local table, made = certificate({})
    local path = certificates.path("der")
    certificates.openssl("x509 -in %s -outform DER -out %s", made.path, path)
    assert.equal(hex(certificates.read(path)), hex(table.raw))
  end)

  it("has subject and issuer by short names, and lists of what is there twice", function()
    local table = certificate({ subject = "/C=DE/O=a, b/O=c/CN=bücher/emailAddress=a@b.com/OU=\"q\"" })
    assert.same({ C = "DE", O = { "a, b", "c" }, CN = "bücher", emailAddress = "a@b.com",
      OU = '"q"' }, table.subject)
    assert.same(table.subject, table.issuer)
    local three = certificate({ subject = "/CN=a/CN=b/CN=c" })
    assert.same({ CN = { "a", "b", "c" } }, three.subject)
  end)

  it("has no names where there are none", function()
    local table = certificate({ subject = "/" })
    assert.same({}, table.subject)
    assert.is_nil(table.subjectaltname)
    assert.is_nil(table.infoAccess)
    assert.is_nil(table.ext_key_usage)
  end)

  it("has alternative names of all kinds in a line", function()
    local table = certificate({ san = "DNS:a.com,DNS:*.b.com,IP:1.2.3.4,IP:fe80::1,email:a@b.com,"
      .. "URI:http://x/y,RID:1.2.3.4,otherName:1.3.6.1.5.5.7.8.5;UTF8:xm@pp,"
      .. "otherName:1.2.3;UTF8:z,otherName:1.3.6.1.5.5.7.8.7;IA5:_srv.x,"
      .. "otherName:1.3.6.1.5.5.7.8.9;UTF8:b@x,dirName:dn", sections = "[dn]\nO=org\n" })
    assert.equal("DNS:a.com, DNS:*.b.com, IP Address:1.2.3.4, IP Address:FE80:0:0:0:0:0:0:1, "
      .. "email:a@b.com, URI:http://x/y, Registered ID:1.2.3.4, othername:XmppAddr:xm@pp, "
      .. "othername:<unsupported>, othername:SRVName:_srv.x, othername:SmtpUTF8Mailbox:b@x, "
      .. "DirName:O=org", table.subjectaltname)
  end)

  it("quotes what could be taken for the end of a name, or for another one", function()
    local function shown(bytes)
      local name = ("82%02X%s"):format(#bytes, hex(bytes))
      local table = certificate({ ext = { ("subjectAltName=DER:30%02X%s"):format(#name // 2, name) } })
      return table.subjectaltname
    end
    assert.equal([[DNS:"b.com\u002c DNS:a.com"]], shown("b.com, DNS:a.com"))
    assert.equal([[DNS:"a\"b"]], shown('a"b'))
    assert.equal([[DNS:"a\\b"]], shown("a\\b"))
    assert.equal([[DNS:"a'b"]], shown("a'b"))
    assert.equal([[DNS:"a\u0000\u000a\u007f"]], shown("a\0\n\127"))
    assert.equal([[DNS:"b\u00fccher"]], shown("b\xFCcher"))
    assert.equal("DNS:a b", shown("a b"))
  end)

  it("quotes the names of directories", function()
    local table = certificate({ san = "dirName:dn", sections = "[dn]\nCN=a, b\nO=org\n" })
    assert.equal([[DirName:"O=org\u002cCN=a\\\u002c b"]], table.subjectaltname)
  end)

  it("has addresses of any length", function()
    local table = certificate({ ext = { "subjectAltName=DER:3009870387654387020102" } })
    assert.equal("IP Address:<invalid length=3>, IP Address:<invalid length=2>", table.subjectaltname)
  end)

  it("has where to ask about it, by kind", function()
    local table = certificate({ ext = { "authorityInfoAccess=OCSP;URI:http://a/,caIssuers;URI:http://b/,"
      .. "OCSP;URI:http://c/,OCSP;DNS:d,OCSP;dirName:dn,1.2.3.4;email:x@y" },
      sections = "[dn]\nCN=a, b\n" })
    assert.same({
      ["OCSP - URI"] = { "http://a/", "http://c/" }, ["CA Issuers - URI"] = { "http://b/" },
      ["OCSP - DNS"] = { "d" }, ["OCSP - DirName"] = { "CN=a\\, b" }, ["1.2.3.4 - email"] = { "x@y" },
    }, table.infoAccess)
  end)

  it("has what it may be used for", function()
    local table = certificate({ ext = { "extendedKeyUsage=serverAuth,clientAuth,1.2.3.4" } })
    assert.same({ "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.2.3.4" }, table.ext_key_usage)
  end)

  it("says whether it is an authority's", function()
    assert.is_false(certificate({}).ca)
    assert.is_true(core.certificate(certificates.authority().cert).ca)
  end)

  it("has an RSA key's parts", function()
    local table, made = certificate({ key = "rsa:2048" })
    assert.equal(said(made, "-modulus"), "Modulus=" .. table.modulus)
    assert.same({ 2048, "0x10001" }, { table.bits, table.exponent })
    local path = certificates.path("der")
    certificates.openssl("pkey -in %s -pubout -outform DER -out %s", made.key_path, path)
    assert.equal(hex(certificates.read(path)), hex(table.pubkey))
    assert.is_nil(table.asn1Curve)
  end)

  it("has an exponent in capitals", function()
    local table = certificate({ key = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 "
      .. "-pkeyopt rsa_keygen_pubexp:81409 -out %s" })
    assert.equal("0x13E01", table.exponent)
  end)

  it("has an RSA-PSS key's parts, as those of RSA", function()
    local table = certificate({ key = "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out %s" })
    assert.same({ 2048, "0x10001", 512 }, { table.bits, table.exponent, #table.modulus })
    assert.matches("^3082012030 ?0B06092A864886F70D010101038201", hex(table.pubkey))
  end)

  it("has a curve, and the point on it", function()
    local table = certificate({})
    assert.same({ 256, "prime256v1", "P-256", 65 },
      { table.bits, table.asn1Curve, table.nistCurve, #table.pubkey })
    local other = certificate({ key = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out %s" })
    assert.same({ 256, "secp256k1" }, { other.bits, other.asn1Curve })
    assert.is_nil(other.nistCurve)
  end)

  it("has no parts of other keys", function()
    for _, key in ipairs({ "ed25519", "dsa" }) do
      local table = certificate({ key = key })
      assert.same({}, { table.bits, table.modulus, table.exponent, table.pubkey, table.asn1Curve })
    end
  end)

  it("is made of the first certificate of a PEM", function()
    local one, two = certificates.self_signed({ subject = "/CN=1" }), certificates.self_signed({})
    assert.equal("1", core.certificate(one.cert .. two.cert).subject.CN)
  end)

  it("is made of nothing else", function()
    local none, err = core.certificate("x")
    assert.is_nil(none)
    assert.equal("ERR_OSSL_PEM_NO_START_LINE", err.code)
  end)
end)
