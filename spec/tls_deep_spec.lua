-- SPDX-License-Identifier: MIT

--- TLS over TLS over TLS, more layers than anybody needs: all of them work and close, or the top
--- hears why not; and listeners of theirs that raise.

local net = require("net")
local process = require("net.process")
local sockets = require("spec.support.sockets")
local tls = require("net.tls")
local pair = require("spec.support.tlspair")
local within = require("spec.support").within

local LAYERS = 40 -- more than twice what once was the most
local TEXT = ("0123456789"):rep(5000)

local GROUNDS = {
  ["net.duplexPair"] = function() return net.duplexPair() end,
  ["TCP"] = function(t)
    local near, far
    local server = net.createServer(function(socket) far = socket end)
    server:listen(0, "127.0.0.1")
    sockets.wait(function() return server.listening end)
    near = net.connect(server:address().port, "127.0.0.1")
    sockets.wait(function() return far and near.readyState == "open" end)
    server:close()
    t.finally(function()
      near:destroy()
      far:destroy()
    end)
    return near, far
  end,
}

--- Both ends of so many layers over a ground, and what each of their sockets tells. `options(i)` is
--- what the i-th client has of its own.
local function towers(t, ground, layers, version, options)
  local contexts = {}
  for name, authority in pairs { good = pair.ca.cert, stranger = pair.other_ca.cert } do
    contexts[name] = tls.createSecureContext {
      cert = pair.server.cert, key = pair.server.key, ca = authority,
      minVersion = version, maxVersion = version,
    }
  end
  local top, far = GROUNDS[ground](t)
  local near, logs = { top }, { pair.watch({}, top, { "error", "close" }) }
  for _ = 1, layers do
    far = tls.TLSSocket(far, { isServer = true, secureContext = contexts.good })
    far:on("error", function() end)
  end
  for i = 1, layers do
    local own = options and options(i) or {}
    top = tls.connect { socket = top, servername = own.servername or "localhost",
      secureContext = contexts[own.trusts or "good"] }
    near[#near + 1] = top
    logs[#logs + 1] = pair.watch({}, top, { "secureConnect", "error", "close" })
  end
  return near, far, logs
end

--- Has the other end give back a text; `fn()` is called when all of it is here.
local function echo(near, far, fn)
  local top, got = near[#near], {}
  far:on("data", function(chunk) far:write(chunk) end)
  top:on("data", function(chunk)
    got[#got + 1] = chunk
    if #table.concat(got) >= #TEXT then
      assert.equal(TEXT, table.concat(got))
      fn(top)
    end
  end)
  top:write(TEXT)
end

describe("Forty layers of TLS", function()
  --- What is done when the text is back, and what the bottom and the top tell then.
  local ENDS = {
    ["its top is finished"] = { function(near, far)
      far:on("end", function() far:finish() end)
      near[#near]:finish()
    end, "close false", "close false" },
    ["its top is destroyed"] = { function(near) near[#near]:destroy() end, "close false", "close false" },
    ["its top fails"] = { function(near) near[#near]:destroy(net.Error("why")) end,
      "close false", "error why,close true" },
    ["its bottom is destroyed"] = { function(near) near[1]:destroy() end, "close false", "close false" },
  }
  for ground in pairs(GROUNDS) do
    for what, way in pairs(ENDS) do
      for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
        it(("work, and all close, when %s (%s, %s)"):format(what, ground, version), within(function(t)
          local near, far, logs = towers(t, ground, LAYERS, version)
          echo(near, far, t.calls(1, function() way[1](near, far) end))
          t.run()
          far:destroy() -- that of a net.duplexPair is half open
          t.run()
          assert.equal(way[2], table.concat(logs[1], ","))
          for i = 2, LAYERS do
            assert.equal("secureConnect,close false", table.concat(logs[i], ","))
          end
          assert.equal("secureConnect," .. way[3], table.concat(logs[LAYERS + 1], ","))
        end))
      end
    end
  end

  local BAD = {
    ["the other's authority is a stranger"] = { trusts = "stranger" },
    ["the other has another name"] = { servername = "other.example" },
  }
  for what, own in pairs(BAD) do
    for _, at in ipairs { 1, 20, LAYERS } do
      it(("tell the top of it, and all between, when %s at layer %d"):format(what, at), within(function(t)
        local near, far, logs = towers(t, "net.duplexPair", LAYERS, "TLSv1.3", function(i)
          return i == at and own or nil
        end)
        local code = own.trusts and "SELF_SIGNED_CERT_IN_CHAIN" or "ERR_TLS_CERT_ALTNAME_INVALID"
        local told = {}
        near[#near]:write("early", pair.callback(told))
        t.run()
        far:destroy()
        t.run()
        assert.equal("close false", table.concat(logs[1], ","))
        for i = 1, LAYERS do
          local expected = i < at and "secureConnect,close false" or "error " .. code .. ",close true"
          assert.equal(expected, table.concat(logs[i + 1], ","))
        end
        assert.equal(1, #told)
        assert.not_equal("wcb", told[1])
      end))
    end
  end
end)

describe("A listener of 'session' that raises", function()
  for ground in pairs(GROUNDS) do
    for _, layers in ipairs { 1, 3 } do
      it(("loses nothing where somebody takes the error (%s, %d)"):format(ground, layers), within(function(t)
        local near, far = towers(t, ground, layers, "TLSv1.3")
        local taken = 0
        local function take(err)
          if err ~= "mine" then error(err, 0) end
          taken = taken + 1
        end
        process:on("uncaughtException", take)
        t.finally(function() process:off("uncaughtException", take) end)
        for i = 2, #near do
          near[i]:on("session", function() error("mine", 0) end)
        end
        echo(near, far, t.calls(1, function(top)
          top:destroy()
          far:destroy()
        end))
        t.run()
        assert.equal(layers * 2, taken)
      end))
    end
  end
end)
