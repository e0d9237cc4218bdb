-- SPDX-License-Identifier: MIT

--- Programs of TLS that end anywhere, or do in a callback what none should: see
--- support/tls_ends.lua. Each ends by itself, by no signal, and where a sanitizer looks it leaves
--- nothing behind. NET_TLS_ENDS=n runs n of those that a seed makes, NET_TLS_SEED=n begins with
--- that one; NET_TLS_ENDS=all runs every thing in every callback.

local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")

local PROGRAMS = os.getenv("NET_TLS_ENDS") or "8"
local FIRST_SEED = tonumber(os.getenv("NET_TLS_SEED")) or 1

local CALLBACKS = { "SNICallback", "ALPNCallback", "pskCallback", "clientPskCallback", "checkServerIdentity",
  "newSession", "resumeSession", "OCSPRequest", "OCSPResponse", "keylog", "serverKeylog", "session", "secureConnect",
  "secure", "secureConnection", "connection", "data", "written", "end", "finish", "close", "error",
  "tlsClientError" }
local ACTIONS = { "exit_closing", "raise", "process_exit", "run", "destroy_self", "spawn", "destroy_all", "collect",
  "exit", "popen", "raise_table", "yield", "keep_finalizer", "execute", "destroy_any", "stop", "finalizer", "write",
  "finish", "forget" }

local function ends(seed, what)
  local result = lua.run({ file = "spec/support/tls_ends.lua",
    args = { tostring(seed), pair.server.path, pair.server.key_path, pair.ca.path, what } })
  local name = ("seed %d %s"):format(seed, what or "")
  assert.same({ name, nil }, { name, result.signal }, result.stderr)
  assert.is_true(result.code == 0 or result.code == 1,
    ("%s: exit code %d\n%s"):format(name, result.code, result.stderr))
  assert.is_nil(result.stderr:find("Sanitizer", 1, true), name .. "\n" .. result.stderr)
end

describe("A program of TLS", function()
  for i, callback in ipairs(CALLBACKS) do
    it("may do what it may elsewhere in its callback " .. callback .. " #slow", function()
      if PROGRAMS == "all" then
        for seed = 1, 4 do
          for _, action in ipairs(ACTIONS) do ends(seed, callback .. " " .. action) end
        end
      else
        ends(FIRST_SEED + 1, callback .. " " .. ACTIONS[(i - 1) % #ACTIONS + 1])
      end
    end)
  end

  it("may end wherever it likes #slow", function()
    for seed = FIRST_SEED, FIRST_SEED + (tonumber(PROGRAMS) or 0) - 1 do ends(seed) end
  end)
end)
