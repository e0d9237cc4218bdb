-- SPDX-License-Identifier: MIT

--- `tls.createSecureContext` against Node 26: the same options, good and bad, are taken or
--- refused with the same code and text. What differs is in docs/differences.md, and not here.

local certificates = require("spec.support.certificates")
local json = require("net.core").json
local node = require("spec.support.node")
local process = require("spec.support.process")
local tls = require("net.tls")
local within = require("spec.support").within

local NODE = node.binaries["Node 26"]
local promise = NODE and it or pending

-- Names in capitals stand for files.
local ROWS = {
  {}, { minVersion = "x" }, { maxVersion = "x" }, { minVersion = 5 }, { minVersion = "TLSv1" },
  { minVersion = "TLSv1.2", secureProtocol = "TLS_method" }, { secureProtocol = "x" },
  { secureProtocol = "SSLv2_method" }, { secureProtocol = "TLSv1_2_client_method" },
  { secureOptions = "x" }, { secureOptions = 1.5 }, { secureOptions = 4, honorCipherOrder = true },
  { ciphers = 5 }, { ciphers = "::" }, { ciphers = "xyz" }, { ciphers = "TLS_xyz" },
  { ciphers = "!TLS_AES_128_GCM_SHA256:AES128-SHA" }, { ciphers = "TLS_AES_128_GCM_SHA256" },
  { ciphers = "TLS_AES_128_GCM_SHA256:xyz" }, { ciphers = "@SECLEVEL=0" },
  { ciphers = "DEFAULT@SECLEVEL=9" }, { ciphers = "" },
  { ca = 5 }, { ca = { 5 } }, { ca = "CERT" }, { ca = { "CERT", "OTHER" } },
  { cert = 5 }, { cert = "x" }, { cert = "KEY" }, { cert = "CUT" }, { cert = "CERT" }, { cert = { 5 } },
  { key = 5 }, { key = "x" }, { key = "CERT" }, { key = "KEY" }, { key = { 5 } }, { key = { { pem = 5 } } },
  { cert = "CERT", key = "KEY" }, { cert = "CERT", key = "OTHER_KEY" },
  { cert = { "CERT", "EC" }, key = { "EC_KEY", "KEY" } }, { cert = "CERT", key = "EC_KEY" },
  { cert = "WEAK", key = "WEAK_KEY" }, { cert = "WEAK", ciphers = "DEFAULT@SECLEVEL=0" },
  { key = "SECRET", passphrase = "secret" }, { key = "SECRET", passphrase = 5 },
  { key = { { pem = "SECRET", passphrase = "secret" } } }, { sigalgs = 5 }, { sigalgs = "" },
  { sigalgs = "RSA+SHA256" }, { ecdhCurve = 5 }, { ecdhCurve = "x" }, { ecdhCurve = "P-256:X25519" },
  { ecdhCurve = false }, { dhparam = 5 }, { dhparam = "DH" }, { dhparam = "auto" }, { crl = 5 }, { crl = "x" },
  { crl = "CERT" }, { crl = { 5 } }, { crl = {} }, { sessionIdContext = 5 },
  { sessionIdContext = ("x"):rep(32) }, { sessionTimeout = "5" }, { sessionTimeout = -1 },
  { sessionTimeout = 1.5 }, { sessionTimeout = 0 }, { sessionTimeout = 2147483648 },
  { sigalgs = 5, ca = 5 }, { cert = "x", ca = 5 }, { ciphers = "x", ca = 5 }, { key = 5, cert = "x" },
  { sessionTimeout = -1, crl = "x" }, { minVersion = "x", secureOptions = "x" },
  { dhparam = 5, ecdhCurve = 5 }, { clientCertEngine = 5, sessionTimeout = -1 },
}

local SCRIPT = [[
const tls = require("tls");
for (const line of require("fs").readFileSync(process.argv[2], "utf8").split("\n").slice(0, -1)) {
  try {
    tls.createSecureContext(JSON.parse(line));
    console.log(JSON.stringify(["ok"]));
  } catch (e) {
    const text = e.message.replace(/ or an instance of Buffer, TypedArray, or DataView/, "")
      .replace(/ or one of null or undefined/, "");
    console.log(JSON.stringify([e.name, e.code, text]));
  }
}
]]

local function ours(options)
  local ok, err = pcall(tls.createSecureContext, options)
  return ok and { "ok" } or { err.name, err.code, err.message }
end

--- Replaces the names of files, also inside of lists.
local function filled(value, files)
  if type(value) ~= "table" then
    return files[value] or value
  end
  local copy = {}
  for k, v in pairs(value) do copy[k] = filled(v, files) end
  return next(copy) == nil and value ~= ROWS[1] and json.array(copy) or copy
end

local function make_files()
  local rsa, other = certificates.self_signed({ key = "rsa:2048" }), certificates.self_signed({ key = "rsa:2048" })
  local ec, weak = certificates.self_signed({}), certificates.self_signed({ key = "rsa:1024" })
  local secret = certificates.path("pem")
  certificates.openssl("pkey -in %s -aes128 -passout pass:secret -out %s", rsa.key_path, secret)
  return {
    CERT = rsa.cert, KEY = rsa.key, OTHER = other.cert, OTHER_KEY = other.key, EC = ec.cert,
    EC_KEY = ec.key, WEAK = weak.cert, WEAK_KEY = weak.key, CUT = rsa.cert:sub(1, 500),
    SECRET = certificates.read(secret), DH = certificates.dh(2048),
  }
end

describe("tls.createSecureContext", function()
  promise("takes what Node takes, and refuses the rest in its words", within(function(t)
    local files, lines, cases = make_files(), {}, {}
    for i, row in ipairs(ROWS) do
      cases[i] = filled(row, files)
      lines[i] = json.encode(cases[i])
    end
    local path = t.tmpname()
    do
      local file <close> = assert(io.open(path, "wb"))
      file:write(table.concat(lines, "\n"), "\n")
    end
    local output, code = process.run(node.command(NODE, node.script(t, SCRIPT), path))
    assert.equal(0, code, output)
    local i = 0
    for line in output:gmatch("[^\n]+") do
      i = i + 1
      assert.same({ table.unpack(json.decode(line)) }, ours(cases[i]), lines[i]:sub(1, 200))
    end
    assert.equal(#ROWS, i)
  end))
end)
