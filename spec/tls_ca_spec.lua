-- SPDX-License-Identifier: MIT

--- Whom `net.tls` trusts by default: the authorities of the system.

local certificates = require("spec.support.certificates")
local lfs = require("lfs")
local lua = require("spec.support.lua")
local tls = require("net.tls")

--- What a script prints that begins with `tls`, in a process with such an environment, in
--- which an empty name is none.
local function run(env, script)
  env = { SSL_CERT_FILE = env.SSL_CERT_FILE or "", SSL_CERT_DIR = env.SSL_CERT_DIR or "" }
  local result = lua.run({ env = env, script = 'local tls = require("net.tls")\n' .. script })
  assert.equal(0, result.code, result.stderr)
  return result.stdout, result.stderr
end

local COUNT = 'print(#tls.getCACertificates())'

local function folder(files)
  local path = certificates.path("folder")
  assert(lfs.mkdir(path))
  for name, text in pairs(files) do
    local file <close> = assert(io.open(path .. "/" .. name, "wb"))
    file:write(text)
  end
  return path
end

describe("the default authorities", function()
  it("are those of the system, each once", function()
    local seen = {}
    for _, pem in ipairs(tls.getCACertificates()) do
      assert.matches("^%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-\n.*\n%-%-%-%-%-END CERTIFICATE%-%-%-%-%-\n$", pem)
      assert.is_nil(seen[pem])
      seen[pem] = true
    end
    assert.same(tls.getCACertificates(), tls.getCACertificates("default"))
    assert.same(tls.getCACertificates(), tls.getCACertificates("system"))
    assert.same(tls.getCACertificates(), tls.rootCertificates)
  end)

  for what, env in pairs({ file = { SSL_CERT_FILE = true }, folder = { SSL_CERT_DIR = true } }) do
    it("are read again where there was no descriptor for their " .. what, function()
      local pem = certificates.authority().cert
      local path = env.SSL_CERT_FILE and certificates.write("pem", pem)
        or folder({ ["01234567.0"] = pem })
      local out = run({ [next(env)] = path }, [[
        assert(not pcall(tls.createSecureContext, { ca = {}, minVersion = "x" })) -- all modules are there
        tls.createSecureContext({ ca = {} })
        local held = {}
        repeat held[#held + 1] = io.open("/dev/null") until not io.open("/dev/null")
        for _ = 1, 2 do
          local ok, err = pcall(tls.createSecureContext)
          print(ok, err.code)
        end
        held = nil
        collectgarbage()
        print(#tls.getCACertificates())
      ]])
      assert.equal(("false\tERR_OSSL_SYS_TOO_MANY_OPEN_FILES\n"):rep(2) .. "1\n", out)
    end)
  end

  it("are no list of ours, nor what Node's environment adds", function()
    assert.same({}, tls.getCACertificates("bundled"))
    assert.same({}, tls.getCACertificates("extra"))
  end)

  it("are of no other kind", function()
    local ok, err = pcall(tls.getCACertificates, "x")
    assert.same({ false, "ERR_INVALID_ARG_VALUE", "The argument 'type' is invalid. Received 'x'" },
      { ok, err.code, err.message })
    ok, err = pcall(tls.getCACertificates, 5)
    assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
  end)

  it("are of one's own, and do not change by it", function()
    local list = tls.getCACertificates()
    list[1] = "mine"
    assert.not_equal("mine", tls.getCACertificates()[1])
  end)

  it("are of the file that SSL_CERT_FILE names", function()
    local two = certificates.self_signed({}).cert .. certificates.self_signed({}).cert
    local path = certificates.write("bundle", two .. two)
    assert.equal("2\n", (run({ SSL_CERT_FILE = path }, COUNT)))
  end)

  it("are of the folders that SSL_CERT_DIR names, in files that are named as OpenSSL names them", function()
    local one, two = certificates.self_signed({}).cert, certificates.self_signed({}).cert
    local three = certificates.self_signed({}).cert
    local path = folder({ ["0123abcd.0"] = one, ["0123abcd.12"] = two, ["a.pem"] = three,
      ["0123abc.0"] = three, ["0123abcd."] = three, ["0123abcd.x"] = three, ["9999abcd.0"] = "x" })
    assert.equal("2\n", (run({ SSL_CERT_DIR = path }, COUNT)))
    local other = folder({ ["00000000.0"] = three })
    assert.equal("3\n", (run({ SSL_CERT_DIR = path .. ":" .. other }, COUNT)))
  end)

  it("are none where the environment names what is not there, which is said once", function()
    local out, err = run({ SSL_CERT_FILE = "/nowhere" }, COUNT .. [[
      tls.createSecureContext()
      tls.createSecureContext()
      require("net").run()
    ]])
    assert.equal("0\n", out)
    assert.equal(1, select(2, err:gsub("No certificates of authorities were found", "")), err)
  end)

  it("are not looked for where nobody needs them", function()
    local pem = certificates.self_signed({}).cert
    local path = certificates.write("ca", pem)
    local out, err = run({ SSL_CERT_FILE = "/nowhere" }, ([[
      local file <close> = io.open(%q)
      tls.createSecureContext({ ca = file:read("a") })
      require("net").run()
    ]]):format(path))
    assert.same({ "", "" }, { out, err })
  end)
end)

describe("tls.setDefaultCACertificates", function()
  local one, two = certificates.self_signed({}).cert, certificates.self_signed({}).cert

  --- In a process of its own, as there is no way back.
  local function set(list, script)
    local path = certificates.write("list", table.concat(list, "\0"))
    return (run({}, ([[
      local file <close> = io.open(%q)
      local list = {}
      for pem in file:read("a"):gmatch("[^\0]+") do list[#list + 1] = pem end
      local function set(certs)
        local ok, err = pcall(tls.setDefaultCACertificates, certs)
        if not ok then print(err.code, err.message) end
      end
      local before = #tls.getCACertificates()
    ]]):format(path) .. script))
  end

  it("says who is trusted from then on", function()
    assert.equal("1\n2\n", set({ one, one .. two }, [[
      set({ list[1] })
      print(#tls.getCACertificates())
      set({ list[2] })
      print(#tls.getCACertificates())
      assert(#tls.getCACertificates("system") == before)
    ]]))
  end)

  it("takes what it can read of a list", function()
    assert.equal("1\n", set({ one, "x" }, "set(list) print(#tls.getCACertificates())"))
  end)

  it("takes one that is damaged for one, or for none, and never for a want of memory", function()
    assert.equal("", set({ one }, [[
      local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
      local begin, stop = list[1]:find("\n.+\n")
      for at = begin + 1, stop - 1 do
        local place = ALPHABET:find(list[1]:sub(at, at), 1, true)
        for bit = 0, place and 5 or -1 do
          local other = (place - 1 ~ 1 << bit) + 1
          local damaged = list[1]:sub(1, at - 1) .. ALPHABET:sub(other, other) .. list[1]:sub(at + 1)
          local ok, err = pcall(tls.setDefaultCACertificates, { damaged })
          if not ok and err.code ~= "ERR_CRYPTO_OPERATION_FAILED" then print(at, bit, err.code or err) end
        end
      end
    ]]))
  end)

  it("may say that it is nobody, and is not warned of it", function()
    assert.equal("0\n", set({}, "set({}) print(#tls.getCACertificates()) tls.createSecureContext()"))
  end)

  it("changes nothing where there is no certificate at all", function()
    assert.equal("ERR_CRYPTO_OPERATION_FAILED\tNo valid certificates found in the provided array\n",
      set({ "x" }, "set(list) assert(#tls.getCACertificates() == before)"))
  end)

  it("takes a list of strings", function()
    local out = set({}, "set(nil) set({ 5 }) set('x')")
    assert.equal('ERR_INVALID_ARG_TYPE\tThe "certs" argument must be an instance of Array. Received nil\n'
      .. 'ERR_INVALID_ARG_TYPE\tThe "certs[0]" argument must be of type string. Received type number (5)\n'
      .. 'ERR_INVALID_ARG_TYPE\tThe "certs" argument must be an instance of Array. '
      .. "Received type string ('x')\n", out)
  end)
end)
