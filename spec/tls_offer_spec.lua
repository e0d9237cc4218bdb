-- SPDX-License-Identifier: MIT

--- What a client's first message has in it: what Node 26's has, as far as OpenSSL's version allows.

local co = require("net.co")
local in_task = require("spec.support.tlstasks").in_task
local net = require("net")
local pair = require("spec.support.tlspair")
local since = require("spec.support.openssl").since
local tls = require("net.tls")

--- The numbers of extensions.
local SERVER_NAME, STATUS, PROTOCOLS, COMPRESSED, VERSIONS, KEYS = 0, 5, 16, 27, 43, 51

local HEADS = 9 -- bytes of the record's and the message's

--- The extensions in a hello: their numbers, as keys.
local function extensions(hello)
  local list = {}
  local _, _, _, _, _, names, at = string.unpack(">I2c32s1s2s1s2", hello, HEADS + 1)
  assert.equal(#hello + 1, at)
  at = 1
  while at <= #names do
    local kind, bytes
    kind, bytes, at = string.unpack(">I2s2", names, at)
    list[kind] = bytes
  end
  return list
end

--- The first message of a client of those options.
local function hello_of(options)
  local hello
  local server <close> = net.createServer(function(socket)
    socket:once("data", function(bytes)
      hello = bytes
      socket:destroy()
    end)
  end)
  server:listen(0, "127.0.0.1")
  co.await(server, "listening")
  local given = { port = server:address().port, host = "127.0.0.1", ca = pair.ca.cert }
  for name, value in pairs(options or {}) do given[name] = value end
  local client = tls.connect(given)
  client:on("error", function() end)
  co.suspend(function(resume) client:on("close", function() resume() end) end)
  return hello
end

describe("A client's hello", function()
  it("has as many bytes as Node's: the keys of ML-KEM, and nothing besides", in_task(function()
    assert.is_true(#hello_of() <= (since(3, 5) and 1568 or 400), #hello_of())
  end))

  it("asks for what it is told to ask for", in_task(function()
    local plain = extensions(hello_of())
    for _, kind in ipairs({ SERVER_NAME, STATUS, PROTOCOLS }) do assert.is_nil(plain[kind]) end
    assert.is_truthy(plain[VERSIONS] and plain[KEYS])
    local full = extensions(hello_of({ servername = "a.example", ALPNProtocols = { "a" }, requestOCSP = true }))
    assert.same({ "\0\12\0\0\9a.example", "\0\2\1a", "\1\0\0\0\0" },
      { full[SERVER_NAME], full[PROTOCOLS], full[STATUS] })
    local old = extensions(hello_of({ maxVersion = "TLSv1.2" }))
    assert.same({}, { old[VERSIONS], old[KEYS] })
  end))

  it("takes no certificate that is compressed, which OpenSSL would", in_task(function()
    assert.is_nil(extensions(hello_of())[COMPRESSED])
  end))
end)
