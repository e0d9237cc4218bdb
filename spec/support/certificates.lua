-- SPDX-License-Identifier: MIT

--- Certificates for specs, made by the program `openssl` when they are asked for.
---
---     local ca = certificates.authority()
---     local leaf = ca:issue({ san = "DNS:localhost,IP:127.0.0.1" })
---     leaf.cert, leaf.key                          -- PEMs
---     ca:revoke(leaf)
---     tls.connect({ ca = ca.cert, crl = ca:crl() })
---
--- What may be said of one, all optional:
---
---     subject = "/CN=localhost"   -- default
---     san = "DNS:a.com,IP:::1"    -- alternative names
---     key = "ec"                  -- "rsa:2048", "ed25519", "dsa"; or what another has as `key`
---     ext = { "extendedKeyUsage=clientAuth", "1.2.3=DER:0500" }
---     sections = "[dn]\nCN=x\n"   -- what those refer to
---     from, to = "20200101000000Z", "20210101000000Z"
---     digest = "sha256"
---
--- All files are in one folder, which is removed when the Lua state ends.

local lfs = require("lfs")

local M = {}

local FROM, TO = "20240101000000Z", "20991231235959Z"

local folder, count = nil, 0

local function remove(path)
  if lfs.attributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then
        remove(path .. "/" .. name)
      end
    end
    return lfs.rmdir(path)
  end
  os.remove(path)
end

-- Removes the folder when the state is closed.
local owner = setmetatable({}, {
  __gc = function()
    if folder then
      remove(folder)
    end
  end,
})

--- A path that no other file has, in the folder.
---@param name string
---@return string
function M.path(name)
  if not folder then
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
    owner.folder = folder
  end
  count = count + 1
  return ("%s/%d.%s"):format(folder, count, name)
end

function M.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- Writes a file, and gives its path.
---@param name string
---@param text string
---@return string
function M.write(name, text)
  local path = M.path(name)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  return path
end

--- Runs `openssl` with such arguments, and gives what it printed.
function M.openssl(arguments, ...)
  local words = table.pack(...)
  for i = 1, words.n do
    words[i] = "'" .. tostring(words[i]):gsub("'", "'\\''") .. "'"
  end
  local command = "openssl " .. arguments:format(table.unpack(words, 1, words.n))
  local pipe = assert(io.popen(command .. " 2>&1 </dev/null"))
  local said = pipe:read("a")
  assert(pipe:close(), command .. "\n" .. said)
  return said
end

-- Keys

local KINDS = {
  ec = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out %s",
  ed25519 = "genpkey -algorithm ed25519 -out %s",
  dsa = "dsaparam -genkey -out %s 1024",
}

--- A new key of a kind, as PEM.
---@param kind? string "ec" if left out
---@return string
function M.key(kind)
  local path = M.path("key")
  kind = kind or "ec"
  local bits = kind:match("^rsa:(%d+)$")
  if bits then
    M.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:" .. bits .. " -out %s", path)
  else
    M.openssl(KINDS[kind] or kind, path)
  end
  return M.read(path)
end

-- Diffie and Hellman: the primes of RFC 2409 and 3526, which begin alike.
local BEGINS = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22"
  .. "514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63"
local GOES_ON = "7ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE"
local ENDS = "FFFFFFFFFFFFFFFF"
local PRIMES = {
  [768] = BEGINS .. "A3620" .. ENDS,
  [1024] = BEGINS .. GOES_ON .. "65381" .. ENDS,
  [2048] = BEGINS .. GOES_ON .. "45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3"
    .. "AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E77"
    .. "2C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    .. "15728E5A8AACAA68" .. ENDS,
}

--- Parameters with so many bits, as PEM. OpenSSL 1.1.1 has no names for such.
---@param bits 768|1024|2048
---@return string
function M.dh(bits)
  local der, pem = M.path("der"), M.path("pem")
  M.openssl("asn1parse -noout -genconf %s -out %s", M.write("cnf",
    ("asn1=SEQUENCE:dh\n[dh]\np=INTEGER:0x%s\ng=INTEGER:2\n"):format(PRIMES[bits])), der)
  M.openssl("base64 -in %s -out %s", der, pem)
  return ("-----BEGIN DH PARAMETERS-----\n%s-----END DH PARAMETERS-----\n"):format(M.read(pem))
end

local function key_of(options)
  local key = options.key
  return key and key:find("BEGIN", 1, true) and key or M.key(key)
end

-- Authorities

local Authority = {}
Authority.__index = Authority

local CONFIG = [[
[ca]
default_ca = own
[own]
dir = %s
database = %s
new_certs_dir = %s
rand_serial = yes
unique_subject = no
default_md = sha256
preserve = yes
policy = any
default_crl_days = 30
crl_extensions = crl
[crl]
[any]
C = optional
ST = optional
L = optional
O = optional
OU = optional
CN = optional
emailAddress = optional
DC = optional
serialNumber = optional
[req]
distinguished_name = nothing
string_mask = utf8only
utf8 = yes
[nothing]
]]

--- Makes the folder and files of an authority; `cert` and `key` come later.
local function new_authority()
  local database = M.write("index", "")
  local config = M.write("cnf", CONFIG:format(folder, database, folder))
  return setmetatable({ config = config, database = database }, Authority)
end

--- The section that says what stands in a certificate, and what it refers to. Whose key it
--- is, and whose has signed it, OpenSSL 3 adds by itself.
local function extensions(options, ext, is_issued)
  local lines = { "[ext]" }
  for _, line in ipairs(ext) do lines[#lines + 1] = line end
  for _, line in ipairs(options.ext or {}) do lines[#lines + 1] = line end
  if options.san then
    lines[#lines + 1] = "subjectAltName=" .. options.san
  end
  lines[#lines + 1] = "subjectKeyIdentifier=hash"
  if is_issued then
    lines[#lines + 1] = "authorityKeyIdentifier=keyid"
  end
  lines[#lines + 1] = options.sections or ""
  return M.write("ext", table.concat(lines, "\n") .. "\n")
end

--- Signs; `how` is how the authority signs: by itself, or as itself.
local function sign(authority, options, ext, how, ...)
  local key = key_of(options)
  local key_path, request, cert = M.write("key", key), M.path("csr"), M.path("crt")
  M.openssl("req -new -config %s -key %s -subj %s -out %s -utf8", authority.config, key_path,
    options.subject or "/CN=localhost", request)
  M.openssl("ca -batch -config %s -in %s -out %s -notext -extensions ext -extfile %s "
    .. "-startdate %s -enddate %s -md %s " .. how, authority.config, request, cert,
    extensions(options, ext, how:find("-cert", 1, true)), options.from or FROM, options.to or TO,
    options.digest or (options.key == "ed25519" and "default") or "sha256", ...)
  return { cert = M.read(cert), key = key, path = cert, key_path = key_path }
end

local function signed_by_itself(options, ext)
  local authority = new_authority()
  options.key = key_of(options)
  local key_path = M.write("key", options.key)
  local made = sign(authority, options, ext, "-selfsign -keyfile %s", key_path)
  authority.cert, authority.key = made.cert, made.key
  authority.path, authority.key_path = made.path, made.key_path
  return authority
end

-- What its key is for, Python asks from 3.13 on.
local OF_AUTHORITY = { "basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign,cRLSign" }

--- An authority that has signed itself: a root.
function M.authority(options)
  options = options or {}
  options.subject = options.subject or "/CN=an authority"
  return signed_by_itself(options, OF_AUTHORITY)
end

--- A certificate that has signed itself, and is no authority.
function M.self_signed(options)
  return signed_by_itself(options or {}, {})
end

--- A certificate of this authority.
function Authority:issue(options)
  return sign(self, options or {}, { "basicConstraints=CA:false" }, "-cert %s -keyfile %s",
    self.path, self.key_path)
end

--- An authority below this one.
function Authority:intermediate(options)
  options = options or {}
  options.subject = options.subject or "/CN=an authority in between"
  local made, below = sign(self, options, OF_AUTHORITY,
    "-cert %s -keyfile %s", self.path, self.key_path), new_authority()
  below.cert, below.key, below.path, below.key_path = made.cert, made.key, made.path, made.key_path
  return below
end

--- Revokes what this authority has issued.
function Authority:revoke(issued)
  M.openssl("ca -config %s -cert %s -keyfile %s -revoke %s", self.config, self.path,
    self.key_path, issued.path)
end

--- The list of what it has revoked, as PEM.
function Authority:crl()
  local path = M.path("crl")
  M.openssl("ca -config %s -cert %s -keyfile %s -gencrl -out %s", self.config, self.path,
    self.key_path, path)
  return M.read(path)
end

--- What it says of a certificate that it has issued, by OCSP: the response's bytes.
function Authority:status(issued)
  local path = M.path("ocsp")
  M.openssl("ocsp -index %s -CA %s -rsigner %s -rkey %s -issuer %s -cert %s -ndays 1 -respout %s",
    self.database, self.path, self.path, self.key_path, self.path, issued.path, path)
  return M.read(path)
end

return M
