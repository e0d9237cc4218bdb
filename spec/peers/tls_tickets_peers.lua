-- SPDX-License-Identifier: MIT

--- Session tickets of a Node and of this library: servers that share their keys resume each
--- other's sessions.

local node = require("spec.support.node")
local pair = require("spec.support.tlspair")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local KEYS = ("n"):rep(16) .. ("h"):rep(16) .. ("a"):rep(16)

local SCRIPT = [[
const [, , cert, key, keys, version] = process.argv;
const fs = require("fs"), tls = require("tls");
const server = tls.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key),
  ticketKeys: Buffer.from(keys), sessionIdContext: "shared", minVersion: version, maxVersion: version },
  (socket) => { socket.on("error", () => {}); socket.resume(); });
server.listen(0, "127.0.0.1", () => console.log("port " + server.address().port));
]]

local spawned = {}

after_each(function()
  for _, p in ipairs(spawned) do p:kill() end
  spawned = {}
end)

--- Connects, ends, and returns whether the session was resumed, and a session.
local function visit(server, session)
  local client = pair.connect(server, { session = session })
  local got, is_reused, is_over
  client:on("session", function(bytes) got = got or bytes end)
  client:on("secureConnect", function()
    is_reused = client:isSessionReused()
    client:finish()
  end)
  client:on("error", function(err) error(tostring(err)) end)
  client:on("close", function() is_over = true end)
  client:resume()
  sockets.wait(function() return is_over end)
  return is_reused, got
end

describe("A session ticket", function()
  node.each(function(binary, name)
    --- A Node's server, as far as `pair.connect` wants one.
    local function of_node(t, version, keys)
      local p = process.spawn(node.command(binary, node.script(t, SCRIPT), pair.server.path,
        pair.server.key_path, keys, version))
      spawned[#spawned + 1] = p
      local port = tonumber(p:expect("^port (%d+)$"))
      return { address = function() return { port = port } end, close = function() p:kill() end }
    end

    local function of_ours(version, keys)
      local options = { ticketKeys = keys, sessionIdContext = "shared", minVersion = version,
        maxVersion = version }
      return (pair.listen(options, function(socket)
        socket:on("error", function() end)
        socket:resume()
      end))
    end

    for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
      it(("of %s is taken here, and the other way round: %s"):format(name, version), within(function(t)
        local theirs, ours = of_node(t, version, KEYS), of_ours(version, KEYS)
        local is_reused, session = visit(theirs)
        assert.is_false(is_reused)
        assert.is_true((visit(ours, session)))
        is_reused, session = visit(ours)
        assert.is_false(is_reused)
        assert.is_true((visit(theirs, session)))
        ours:close()
        theirs.close()
        t.run()
      end))

      it(("of %s with other keys is not: %s"):format(name, version), within(function(t)
        local theirs, ours = of_node(t, version, KEYS), of_ours(version, ("o"):rep(48))
        local _, session = visit(theirs)
        assert.is_false((visit(ours, session)))
        ours:close()
        theirs.close()
        t.run()
      end))
    end
  end)
end)
