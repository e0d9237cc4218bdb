-- SPDX-License-Identifier: MIT

--- What the system's openssl.cnf says of TLS: it stays in force where a program says nothing else.

local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")

--- Both sides over a pair in memory: `meet(options of both [, of the client])` prints what they agree on.
local PROGRAM = [[
  local net, tls = require("net"), require("net.tls")
  local function with(options, more)
    for name, value in pairs(more or {}) do options[name] = value end
    return options
  end
  local function meet(server, client)
    local one, other = net.duplexPair()
    local peer = tls.TLSSocket(one, with({ isServer = true, cert = arg[1], key = arg[2] }, server))
    local socket
    socket = tls.connect(with({ socket = other, servername = "localhost", ca = arg[3] }, client), function()
      print(socket:getProtocol(), tells_size and socket:getEphemeralKeyInfo().size or "")
      socket:destroy()
    end)
    socket:on("error", function(err) print(err.code) end)
    peer:on("error", function() end)
    net.run()
  end
]]

--- What the program prints where the system says that of all of its TLS.
local function under(config, script)
  local path = os.tmpname()
  do
    local file <close> = assert(io.open(path, "w"))
    file:write("openssl_conf = conf\n[conf]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n[all]\n", config)
  end
  local result = lua.run { script = PROGRAM .. script, env = { OPENSSL_CONF = path },
    args = { pair.server.cert, pair.server.key, pair.ca.cert } }
  os.remove(path)
  assert.same({ 0, "" }, { result.code, result.stderr })
  return result.stdout
end

describe("A system's openssl.cnf", function()
  it("says which version is the lowest, and a program may say another", function()
    assert.equal("TLSv1.3\t\nERR_SSL_NO_PROTOCOLS_AVAILABLE\nTLSv1.2\t\n", under("MinProtocol = TLSv1.3\n", [[
      meet({}, {})
      meet({}, { maxVersion = "TLSv1.2" })
      meet({ minVersion = "TLSv1.2" }, { minVersion = "TLSv1.2", maxVersion = "TLSv1.2" })
    ]]))
  end)

  it("says which version is the highest, and a program may say another", function()
    assert.equal("TLSv1.2\t\nTLSv1.3\t\n", under("MaxProtocol = TLSv1.2\n", [[
      meet({}, {})
      meet({ maxVersion = "TLSv1.3" }, { maxVersion = "TLSv1.3" })
    ]]))
  end)

  it("allows no version that a program does not", function()
    assert.equal("TLSv1.3\t\nERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION\n", under("MinProtocol = TLSv1\n", [[
      meet({}, {})
      meet({}, { minVersion = "TLSv1", maxVersion = "TLSv1.1", ciphers = "DEFAULT@SECLEVEL=0" })
    ]]))
  end)

  it("is overruled by the module's fields, too", function()
    assert.equal("TLSv1.1\t\n", under("MinProtocol = TLSv1.2\n", [[
      tls.DEFAULT_MIN_VERSION, tls.DEFAULT_MAX_VERSION = "TLSv1", "TLSv1.1"
      meet({ ciphers = "DEFAULT@SECLEVEL=0" }, { ciphers = "DEFAULT@SECLEVEL=0" })
    ]]))
  end)

  it("says which groups there are, and how much security there has to be", function()
    local config = "Groups = P-384\nCipherString = DEFAULT@SECLEVEL=4\n"
    assert.equal("TLSv1.3\t384\nERR_SSL_EE_KEY_TOO_SMALL\n", under(config, [[
      tells_size = true
      meet({ ciphers = "DEFAULT@SECLEVEL=2" }, { ciphers = "DEFAULT@SECLEVEL=2" })
      local ok, err = pcall(meet, {}, {})
      print(err.code)
    ]]))
  end)
end)
