-- SPDX-License-Identifier: MIT

--- What OpenSSL's error queue becomes (src/tls/base/error.c) by itself: see support/tlserrors.c.

local fields = require("spec.support").fields
local lua = require("spec.support.lua")
local net = require("net")

local tlserrors = lua.module("spec/support/tlserrors.c", "tlserrors", "-lssl -lcrypto")

local promise = tlserrors and it or pending

describe("An error of OpenSSL's", function()
  promise("has Node's code, and a text without file and line", function()
    tlserrors.put("SSL", 156)
    local err = tlserrors.take()
    assert.same({ "Error", "error:0A00009C:SSL routines::http request", "ERR_SSL_HTTP_REQUEST",
      "SSL routines", "http request" }, fields(err, "name", "message", "code", "library", "reason"))
    assert.is_nil(err.opensslErrorStack)
    assert.equal("Error [ERR_SSL_HTTP_REQUEST]: error:0A00009C:SSL routines::http request", tostring(err))
  end)

  promise("is one of net's", function()
    tlserrors.put("SSL", 156)
    assert.equal(getmetatable(net.Error("x")), getmetatable((tlserrors.take())))
  end)

  promise("has the name of an alert as OpenSSL 3.2 has it, and its number", function()
    tlserrors.put("SSL", 1040, "SSL alert number 40")
    local err = tlserrors.take()
    assert.same({ "error:0A000410:SSL routines::ssl/tls alert handshake failure (alert 40)",
      "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "ssl/tls alert handshake failure" },
      { err.message, err.code, err.reason })
  end)

  promise("says which library it is of, for those that Node knows", function()
    tlserrors.put("X509", 116)
    assert.equal("ERR_OSSL_X509_KEY_VALUES_MISMATCH", tlserrors.take().code)
    tlserrors.put("PEM", 108)
    assert.equal("ERR_OSSL_PEM_NO_START_LINE", tlserrors.take().code)
  end)

  promise("has one name for a record that is too long", function()
    for _, reason in ipairs { 146, 150, 198 } do
      tlserrors.put("SSL", reason)
      assert.equal("ERR_SSL_DATA_LENGTH_TOO_LONG", tlserrors.take().code)
    end
  end)

  promise("has no code where the reason has no name", function()
    tlserrors.put("USER", 77)
    local err = tlserrors.take()
    assert.matches("^error:%x+:.*::reason%(77%)$", err.message)
    assert.same({}, { err.code, err.reason })
  end)

  promise("is the first of the queue, with the others behind it, and leaves it empty", function()
    tlserrors.put("SSL", 156)
    tlserrors.put("PEM", 108)
    tlserrors.put("SSL", 1048, "SSL alert number 48")
    local err, left = tlserrors.take()
    assert.equal("ERR_SSL_HTTP_REQUEST", err.code)
    assert.same({ "error:0480006C:PEM routines::no start line",
      "error:0A000418:SSL routines::tlsv1 alert unknown ca (alert 48)" }, err.opensslErrorStack)
    assert.is_false(left)
  end)

  promise("keeps six of a longer queue, and leaves that empty too", function()
    for _ = 1, 10 do tlserrors.put("SSL", 156) end
    local err, left = tlserrors.take()
    assert.equal(5, #err.opensslErrorStack)
    assert.is_false(left)
  end)

  promise("says so where OpenSSL has said nothing", function()
    assert.same({ "ERR_CRYPTO_OPERATION_FAILED", "OpenSSL has failed, and does not say why" },
      { tlserrors.take().code, tlserrors.take().message })
  end)

  promise("that is raised has a stack", function()
    tlserrors.put("SSL", 156)
    local ok, err = pcall(tlserrors.raise)
    assert.is_false(ok)
    assert.matches("^Error %[ERR_SSL_HTTP_REQUEST%]: error:0A00009C.*\nstack traceback:", err.stack)
  end)
end)
