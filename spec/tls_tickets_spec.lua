-- SPDX-License-Identifier: MIT

--- Session tickets: which server takes whose.

local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local within = require("spec.support").within

local VERSIONS = { "TLSv1.2", "TLSv1.3" }
local KEYS, OTHER = ("k"):rep(48), ("o"):rep(48)

local function of_version(version, options)
  options = options or {}
  options.minVersion, options.maxVersion = version, version
  return options
end

--- Connects to a server, which ends then, and calls `done` with whether the session was
--- resumed, and with a session.
local function visit(server, options, done)
  local session
  local client = pair.connect(server, options)
  client:once("session", function(bytes) session = bytes end)
  client:on("secureConnect", function() client:finish() end)
  client:resume()
  local is_reused
  client:on("secureConnect", function() is_reused = client:isSessionReused() end)
  client:on("close", function()
    server:close()
    done(is_reused, session)
  end)
end

local function listen(version, options)
  return (pair.listen(of_version(version, options), function(socket)
    socket:on("error", function() end)
    socket:resume()
  end))
end

--- Takes a session from the first server to each of the others; returns who resumed it.
local function tour(t, servers)
  local resumed = {}
  local function go(i, session)
    visit(servers[i], { session = session }, function(is_reused, new)
      resumed[i] = is_reused
      if servers[i + 1] then
        go(i + 1, session or new)
      end
    end)
  end
  go(1)
  t.run()
  return table.move(resumed, 2, #servers, 1, {})
end

describe("A session ticket", function()
  for _, version in ipairs(VERSIONS) do
    it("is taken by a server with the same keys, and by no other: " .. version, within(function(t)
      assert.same({ true, false, false }, tour(t, { listen(version, { ticketKeys = KEYS }),
        listen(version, { ticketKeys = KEYS }), listen(version, { ticketKeys = OTHER }),
        listen(version) }))
    end))

    it("is the server's, whichever context a name has led to: " .. version, within(function(t)
      local function server(keys)
        local made = listen(version, { ticketKeys = keys })
        made:addContext("localhost", { cert = pair.server.cert, key = pair.server.key,
          ticketKeys = OTHER })
        return made
      end
      assert.same({ true, false }, tour(t, { server(KEYS), server(KEYS),
        server(("z"):rep(48)) }))
    end))

    it("is made with the keys that were set last: " .. version, within(function(t)
      local first = listen(version, { ticketKeys = OTHER })
      first:setTicketKeys(KEYS)
      assert.equal(KEYS, first:getTicketKeys())
      assert.same({ true, false }, tour(t, { first, listen(version, { ticketKeys = KEYS }),
        listen(version, { ticketKeys = OTHER }) }))
    end))
  end

  it("has keys of 48 bytes, which are random unless they are given", function()
    local one, two = tls.createServer(), tls.createServer()
    assert.equal(48, #one:getTicketKeys())
    assert.not_equal(one:getTicketKeys(), two:getTicketKeys())
    for _, keys in ipairs({ "", ("x"):rep(47), ("x"):rep(49) }) do
      local ok, err = pcall(one.setTicketKeys, one, keys)
      assert.same({ false, "ERR_INVALID_ARG_VALUE" }, { ok, err.code })
      assert.matches("must be exactly 48 bytes", err.message)
    end
    local ok, err = pcall(one.setTicketKeys, one, 5)
    assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
  end)
end)
