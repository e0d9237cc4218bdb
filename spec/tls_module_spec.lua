-- SPDX-License-Identifier: MIT

--- require("net.tls"): what is there besides sockets, servers and contexts.

local lua = require("spec.support.lua")
local tls = require("net.tls")

local function output(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read("a")
end

describe("net.tls", function()
  it("knows the ciphers that OpenSSL has", function()
    local known = {}
    for _, name in ipairs(tls.getCiphers()) do known[name] = true end
    for name in output("openssl ciphers DEFAULT"):gmatch("[^:\n]+") do
      assert.is_true(known[name:lower()] or false, name)
    end
    assert.is_true(known.tls_aes_128_ccm_8_sha256)
  end)

  it("gives a list of ciphers of one's own, sorted and each once", function()
    local list = tls.getCiphers()
    local again = table.move(list, 1, #list, 1, {})
    table.sort(again)
    assert.same(again, list)
    for i = 2, #list do assert.not_equal(list[i - 1], list[i]) end
    list[1] = "mine"
    assert.not_equal("mine", tls.getCiphers()[1])
  end)

  it("has a default list of which OpenSSL knows every word", function()
    local suites = {}
    for word in tls.DEFAULT_CIPHERS:gmatch("[^:]+") do
      if not word:find("^TLS_") then suites[#suites + 1] = word end
    end
    assert.matches("^ECDHE%-RSA%-AES128%-GCM%-SHA256:",
      output(("openssl ciphers -tls1_2 -s '%s' 2>&1"):format(table.concat(suites, ":"))))
  end)

  it("has Node's versions and curve, and SSL's options", function()
    assert.same({ "TLSv1.2", "TLSv1.3", "auto" },
      { tls.DEFAULT_MIN_VERSION, tls.DEFAULT_MAX_VERSION, tls.DEFAULT_ECDH_CURVE })
    assert.equal(0x4000, tls.constants.SSL_OP_NO_TICKET)
  end)

  it("has no other names", function()
    assert.is_nil(tls.nothing)
  end)

  it("is not loaded with net, nor is OpenSSL", function()
    local result = lua.run({ script = [[
      local net = require("net")
      net.createServer():listen(0, "127.0.0.1"):close()
      net.run()
      for name in pairs(package.loaded) do assert(not name:find("tls"), name) end
      for line in io.lines("/proc/self/maps") do assert(not line:find("libssl"), line) end
      require("net.tls")
      print("done")
    ]] })
    assert.same({ 0, "done\n" }, { result.code, result.stdout }, result.stderr)
  end)

  it("refuses what is not itself, as its metamethods are called by hand", function()
    for kind, method in pairs(getmetatable(tls)) do
      for _, value in ipairs({ false, 1, "x", {}, print, io.stdout, coroutine.create(print) }) do
        local ok, err = pcall(method, value, "connect")
        assert.same({ false, "ERR_INVALID_THIS" }, { ok, type(err) == "table" and err.code }, kind)
      end
    end
  end)
end)
