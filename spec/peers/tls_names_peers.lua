-- SPDX-License-Identifier: MIT

--- Certificates as tables, whose they are, and contexts, against Node 26: random names, and
--- certificates with random bytes for names.

local certificates = require("spec.support.certificates")
local core = require("net.tls.core")
local json = require("net.core").json
local node = require("spec.support.node")
local process = require("spec.support.process")
local tls = require("net.tls")
local within = require("spec.support").within

local PAIRS = tonumber(os.getenv("NET_TLS_PAIRS")) or 10000
local CERTIFICATES = tonumber(os.getenv("NET_TLS_CERTIFICATES")) or 60
local SEED = tonumber(os.getenv("NET_TLS_SEED")) or 1

local NODE = node.binaries["Node 26"]
local promise = NODE and it or pending

--- What Node's script prints that gets a file of those lines.
local function ask(t, script, lines)
  local path = t.tmpname()
  do
    local file <close> = assert(io.open(path, "wb"))
    file:write(table.concat(lines, "\n"), "\n")
  end
  local output, code = process.run(node.command(NODE, node.script(t, script), path))
  assert.equal(0, code, output)
  local answers = {}
  for line in output:gmatch("[^\n]+") do answers[#answers + 1] = line end
  return answers
end

-- Whose a certificate is

local LABELS = { "a", "b", "foo", "f*", "*", "*o", "f*o", "fo*o", "**", "*f*", "", "xn--bcher-kva",
  "xn--*", "*xn--a", "bücher", "com", "co", "uk", "localhost", "A", "COM", "1", "2", "a_b", "-", "a b",
  "0x7f", "127", "é", "ß", "xn--zca", "a,b", 'a"b', "a'b", "\127", ("x"):rep(64) }
local ADDRESSES = { "1.2.3.4", "1.2.3.5", "::1", "0:0::1", "fe80::1", "fe80::1%lo", "FE80::1",
  "::ffff:1.2.3.4", "0x7f.1", "127.1", "2130706433", "1.2.3", "01.2.3.4", "1.2.3.4.",
  "*.2.3.4", "256.1.1.1", "1.2.3.4.5", "::", "1::2", "①.2.3.4" }
local NEAR = { "a", "foo", "com", "*", "f*", "fo" }

local random = math.random

local function one_of(list) return list[random(#list)] end

local function name()
  if random(8) == 1 then return one_of(ADDRESSES) end
  local labels = {}
  for i = 1, random(4) do labels[i] = one_of(random(3) == 1 and LABELS or NEAR) end
  return table.concat(labels, ".") .. (random(10) == 1 and "." or "")
end

--- A name that is close to another one.
local function near(host)
  local first, rest = host:match("^([^.]*)(.*)$")
  local way, at = random(5), random(#first + 1)
  if way == 1 then
    first = "*"
  elseif way == 2 and not first:find("[\x80-\xFF]") then
    first = first:sub(1, at - 1) .. "*" .. first:sub(at + random(0, 1))
  elseif way == 3 then
    first = one_of(NEAR) .. "." .. first
  end
  local text = first .. rest
  return random(4) == 1 and text:upper() or text
end

--- A name as a certificate's table has it.
local function quoted(text)
  if text:find("[^ -~]") or text:find("[\"',\\]") or random(10) == 1 then
    return (json.encode(text):gsub(",", "\\u002c"))
  end
  return text
end

local function altnames(host)
  local names = {}
  for i = 1, random(0, 3) do
    local value, kind = random(2) == 1 and near(host) or name(), random(12)
    names[i] = kind <= 8 and "DNS:" .. quoted(value)
      or kind <= 10 and "IP Address:" .. (random(2) == 1 and host or one_of(ADDRESSES))
      or one_of({ "URI:", "email:", "othername:" }) .. quoted(value)
  end
  local text = table.concat(names, ", ")
  return (#names > 0 or random(2) == 1) and text .. (random(60) == 1 and '"bad' or "") or nil
end

local function pair()
  local host, cert = name(), {}
  if random(10) > 1 then
    cert.subject = {}
    if random(3) > 1 then
      cert.subject.CN = random(4) > 1 and near(host) or { name(), near(host) }
    end
  end
  cert.subjectaltname = altnames(host)
  return { host = host, cert = cert }
end

local IDENTITY = [[
const tls = require("tls");
for (const line of require("fs").readFileSync(process.argv[2], "utf8").split("\n").slice(0, -1)) {
  const { host, cert } = JSON.parse(line);
  try {
    const e = tls.checkServerIdentity(host, cert);
    console.log(e ? JSON.stringify([e.code, e.message, e.reason, e.host]) : '"yes"');
  } catch (e) {
    console.log(JSON.stringify(["raised", e.code]));
  }
}
]]

local function identity(case)
  local ok, err = pcall(tls.checkServerIdentity, case.host, case.cert)
  if not ok then
    return { "raised", err.code }
  end
  return err and { err.code, err.message, err.reason, err.host } or "yes"
end

-- Certificates

local PARTS = { "a", "b.com", "*.", ",", '"', "'", "\\", "\0", "\n", "\xE9", "\xC3\xA9", " ", ", DNS:evil",
  ("x"):rep(60), "\127", "/", ":", "=", "+", "#", ";", "<" }

local function der(tag, content)
  local length = #content < 128 and string.char(#content) or string.pack(">BI2", 0x82, #content)
  return string.char(tag) .. length .. content
end

local function bytes()
  local parts = {}
  for i = 1, random(0, 5) do parts[i] = one_of(PARTS) end
  return table.concat(parts)
end

local function general_name()
  local kind = random(6)
  if kind == 1 then
    local ip = {}
    for i = 1, one_of({ 0, 4, 5, 16, 16 }) do ip[i] = string.char(random(0, 255)) end
    return der(0x87, table.concat(ip))
  elseif kind == 2 then
    return der(0xA4, der(0x30, der(0x31, der(0x30, "\6\3\x55\4\3" .. der(0x16, bytes())))))
  end
  return der(one_of({ 0x81, 0x82, 0x82, 0x86 }), bytes())
end

local function hex(text)
  return (text:gsub(".", function(c) return ("%02X"):format(c:byte()) end))
end

local function certificate()
  local names, accesses = {}, {}
  for i = 1, random(0, 4) do names[i] = general_name() end
  for i = 1, random(0, 2) do
    accesses[i] = der(0x30, "\6\8\43\6\1\5\5\7\48" .. string.char(random(2)) .. general_name())
  end
  local ext = { "subjectAltName=DER:" .. hex(der(0x30, table.concat(names))) }
  if #accesses > 0 then
    ext[2] = "authorityInfoAccess=DER:" .. hex(der(0x30, table.concat(accesses)))
  end
  return certificates.self_signed({ key = one_of({ "ec", "ed25519", "rsa:1024" }), ext = ext,
    subject = one_of({ "/", "/CN=a/CN=b", "/O=bücher/CN=x, y", '/CN="q"/emailAddress=a@b' }) }).cert
end

local TABLES = [[
const { X509Certificate } = require("crypto");
const out = (list, name, v) => {
  if (v === undefined || v === null) return;
  if (Buffer.isBuffer(v)) list.push(name + "=" + v.toString("hex"));
  else if (typeof v !== "object") list.push(name + "=" + Buffer.from(String(v)).toString("hex"));
  else for (const [k, x] of Object.entries(v)) out(list, name + "." + (Array.isArray(v) ? +k + 1 : k), x);
};
for (const line of require("fs").readFileSync(process.argv[2], "utf8").split("\n").slice(0, -1)) {
  const list = [];
  for (const [k, v] of Object.entries(new X509Certificate(JSON.parse(line)).toLegacyObject())) out(list, k, v);
  console.log(list.sort().join(" "));
}
]]

local function put(list, key, value)
  if type(value) == "table" then
    for k, v in pairs(value) do put(list, key .. "." .. k, v) end
  else
    list[#list + 1] = key .. "=" .. hex(tostring(value)):lower()
  end
end

local function fields(pem)
  local list = {}
  for name_of, value in pairs(core.certificate(pem)) do put(list, name_of, value) end
  table.sort(list)
  return table.concat(list, " ")
end

describe("tls.checkServerIdentity", function()
  promise("says what Node says, of random hosts and names", within(function(t)
    math.randomseed(SEED)
    local cases, lines = {}, {}
    for i = 1, PAIRS do
      cases[i] = pair()
      lines[i] = json.encode(cases[i])
    end
    local answers = ask(t, IDENTITY, lines)
    for i, case in ipairs(cases) do
      assert.same(json.decode(answers[i]), identity(case), lines[i])
    end
  end))
end)

describe("a certificate's table", function()
  promise("has what Node's has, of certificates with random names", within(function(t)
    math.randomseed(SEED)
    local pems, lines = {}, {}
    for i = 1, CERTIFICATES do
      pems[i] = certificate()
      lines[i] = json.encode(pems[i])
    end
    local answers = ask(t, TABLES, lines)
    for i, pem in ipairs(pems) do assert.equal(answers[i], fields(pem)) end
  end))
end)
