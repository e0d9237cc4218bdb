-- SPDX-License-Identifier: MIT

--- What an authority says of a certificate, sent along by the server: requestOCSP, and the
--- events "OCSPRequest" and "OCSPResponse".

local timers = require("net.timers")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local within = require("spec.support").within

local VERSIONS = { "TLSv1.2", "TLSv1.3" }
local EVENTS = { "OCSPResponse", "secureConnect", "data", "error", "close" }

--- One connection: what the client tells, what the server does, and its arguments.
local function meet(t, version, answer, options, of_server)
  local own = { minVersion = version, maxVersion = version }
  for name, value in pairs(of_server or {}) do own[name] = value end
  local asked = {}
  local server, said = pair.listen(own, function(socket)
    socket:on("error", function() end)
    socket:finish("hi")
    socket:resume()
  end)
  if answer then
    server:on("OCSPRequest", function(cert, issuer, callback)
      asked[#asked + 1] = { cert, issuer }
      answer(callback)
    end)
  end
  own = { minVersion = version, maxVersion = version, requestOCSP = true }
  for name, value in pairs(options or {}) do own[name] = value end
  local client = pair.connect(server, own)
  local log = pair.watch({}, client, EVENTS)
  client:on("close", t.calls(1, function() server:close() end))
  return log, said, asked, client
end

--- The DER in a PEM.
local function der(pem)
  local lines = pem:match("%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-\n(.-)%-%-%-%-%-END"):gsub("%s", "")
  local path = os.tmpname()
  local pipe = assert(io.popen("base64 -d > " .. path, "w"))
  pipe:write(lines)
  pipe:close()
  local file <close> = assert(io.open(path, "rb"))
  os.remove(path)
  return file:read("a")
end

local GOOD = { "OCSPResponse a word", "secureConnect", "data hi", "close false" }
local NOTHING = { "OCSPResponse", "secureConnect", "data hi", "close false" }

describe("The status of a certificate", function()
  for _, version in ipairs(VERSIONS) do
    it("comes to a client that asks for it, before the handshake is over: " .. version, within(function(t)
      local log, said, asked = meet(t, version, function(callback) callback(nil, "a word") end)
      t.run()
      assert.same(GOOD, log)
      assert.same({ "secureConnection" }, said)
      assert.same({ { der(pair.server.cert) } }, asked) -- nobody knows who has issued it
    end))

    it("may come late, and is asked for with the issuer: " .. version, within(function(t)
      local log, _, asked = meet(t, version, function(callback)
        timers.setTimeout(callback, 2, nil, "a word")
      end, {}, { ca = pair.ca.cert })
      t.run()
      assert.same(GOOD, log)
      assert.same({ { der(pair.server.cert), der(pair.ca.cert) } }, asked)
      log, _, asked = meet(t, version, function(callback) callback(nil, "a word") end, {},
        { cert = pair.server.cert .. pair.other_ca.cert .. pair.ca.cert })
      t.run()
      assert.same(GOOD, log)
      assert.same({ { der(pair.server.cert), der(pair.ca.cert) } }, asked)
    end))

    it("is that of the context which the name has chosen: " .. version, within(function(t)
      local other = pair.ca:issue({ san = "DNS:a.example" })
      local log, _, asked = meet(t, version, function(callback) callback(nil, "a word") end,
        { servername = "a.example" },
        { SNICallback = function(_, done)
          timers.setImmediate(done, nil, tls.createSecureContext({ cert = other.cert, key = other.key }))
        end })
      t.run()
      assert.same(GOOD, log)
      assert.same(der(other.cert), asked[1][1])
    end))

    it("is nil where there is none: " .. version, within(function(t)
      for _, answer in ipairs({ false, function(callback) callback() end,
        function(callback) callback(nil, false) end, function(callback) callback(nil, "") end }) do
        local log = meet(t, version, answer)
        t.run()
        assert.same(NOTHING, log)
      end
    end))

    it("is not told to who has not asked: " .. version, within(function(t)
      local log, _, asked = meet(t, version, function(callback) callback(nil, "a word") end,
        { requestOCSP = false })
      t.run()
      assert.same({ "secureConnect", "data hi", "close false" }, log)
      assert.same({}, asked)
    end))

    it("is not asked for where a session is resumed: " .. version, within(function(t)
      local asked, log, blob = 0, {}, nil
      local server = pair.listen({ minVersion = version, maxVersion = version }, function(socket)
        socket:finish("hi")
        socket:resume()
      end)
      server:on("OCSPRequest", function(_, _, callback)
        asked = asked + 1
        callback(nil, "a word")
      end)
      local function visit(on_close)
        local client = pair.connect(server, { requestOCSP = true, session = blob })
        client:on("session", function(session) blob = session end)
        pair.watch(log, client, EVENTS)
        client:on("close", t.calls(1, on_close))
      end
      visit(function() visit(function() server:close() end) end)
      t.run()
      assert.equal(1, asked)
      local expected = { table.unpack(GOOD) }
      if version == "TLSv1.3" then expected[#expected + 1] = "OCSPResponse" end
      table.move(GOOD, 2, #GOOD, #expected + 1, expected)
      assert.same(expected, log)
    end))

    it("has the client refused by an error, a raise, what is no text: " .. version, within(function(t)
      for _, row in ipairs({
        { function(callback) callback({ code = "MINE" }) end, "MINE" },
        { function() error({ code = "MINE" }) end, "MINE" },
        { function() error(nil) end, "a listener of 'OCSPRequest' has failed" },
        { function(callback) callback(nil, 5) end, "ERR_INVALID_ARG_TYPE" },
        { function(callback) callback(nil, {}) end, "ERR_INVALID_ARG_TYPE" },
        { function(callback) callback(nil, ("x"):rep(65528)) end, "ERR_OUT_OF_RANGE" },
        { function(callback) callback(nil, "a word") callback(nil, "a word") end, "ERR_MULTIPLE_CALLBACK" },
      }) do
        local log, said = meet(t, version, row[1])
        t.run()
        assert.same({ "tlsClientError " .. row[2] }, said)
        assert.same({ "error ECONNRESET", "close true" }, log)
      end
    end))

    it("may be more than fits a record: " .. version, within(function(t)
      local got
      local long = ("x"):rep(version == "TLSv1.3" and 65527 or 16000)
      local log, _, _, client = meet(t, version, function(callback) callback(nil, long) end)
      client:on("OCSPResponse", function(bytes) got = bytes end)
      t.run()
      assert.is_true(long == got)
      assert.equal("secureConnect", log[2])
    end))

    it("is bounded by the time for a handshake: " .. version, within(function(t)
      local log, said = meet(t, version, function() end, {}, { handshakeTimeout = 20 })
      t.run()
      assert.same({ "tlsClientError ERR_TLS_HANDSHAKE_TIMEOUT" }, said)
      assert.same({ "error ECONNRESET", "close true" }, log)
    end))

    it("is for nobody once the client is gone: " .. version, within(function(t)
      local client, late
      local log, said
      log, said, _, client = meet(t, version, function(callback)
        late = callback
        client:destroy()
      end)
      client:on("close", function() late(nil, "a word") end)
      t.run()
      late(nil, "a word")
      assert.same({ "close false" }, log)
      assert.same({ "tlsClientError ECONNRESET" }, said)
    end))

    it("may have the client refuse the server, unheard: " .. version, within(function(t)
      for _, err in ipairs({ false, { code = "MINE" } }) do
        local log, said, _, client = meet(t, version, function(callback) callback(nil, "a word") end)
        client:on("OCSPResponse", function() client:destroy(err or nil) end)
        t.run()
        assert.same(err and { "OCSPResponse a word", "error MINE", "close true" }
          or { "OCSPResponse a word", "close false" }, log)
        assert.same({ "tlsClientError ECONNRESET" }, said)
      end
    end))

    it("comes before what was written early leaves: " .. version, within(function(t)
      local log, said, _, client = meet(t, version, function(callback) callback(nil, "a word") end)
      client:write("early", pair.callback(log))
      t.run()
      assert.same({ "secureConnection" }, said)
      assert.same("OCSPResponse a word", log[1])
      assert.same({ "secureConnect", "wcb" }, { log[2], log[3] })
    end))
  end
end)
