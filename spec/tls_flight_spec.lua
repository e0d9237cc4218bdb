-- SPDX-License-Identifier: MIT

--- A part of a TLS handshake that is longer than the buffers which it goes through.

local pair = require("spec.support.tlspair")
local within = require("spec.support").within

describe("a server whose certificates are longer than its buffer", function()
  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it("sends them, and hears by an alert that no client takes as many: " .. version, within(function(t)
      local server, told = pair.listen { cert = pair.server.cert .. pair.ca.cert:rep(1000),
        minVersion = version, maxVersion = version }
      local client = pair.connect(server)
      local log = pair.watch({}, client, { "secureConnect", "error" })
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.same({ "error ERR_SSL_EXCESSIVE_MESSAGE_SIZE" }, log)
      assert.same({ "tlsClientError ERR_SSL_SSL/TLS_ALERT_ILLEGAL_PARAMETER" }, told)
    end))
  end
end)
