-- SPDX-License-Identifier: MIT

--- Keys that both sides know before, between this library, Node and OpenSSL's programs: each
--- case with either side in either, and what both tell of it.

local child = require("net.child")
local node = require("spec.support.node")
local nodesides = require("spec.support.nodesides")
local pair = require("spec.support.tlspair")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")
local within = require("spec.support").within

local NODE = node.binaries["Node 26"]
local promise = NODE and it or pending

local VERSIONS = { "TLSv1.2", "TLSv1.3" }
local CIPHERS = "PSK+HIGH:TLS_AES_128_GCM_SHA256"
local KEY = "0123456789abcdef"

-- What the callbacks answer: a name of it, for both languages.
local SCRIPT = [[
const [, , side, version, client, server, hint, port] = process.argv;
const tls = require("tls");
const key = Buffer.from("0123456789abcdef");
const answers = {
  good: () => ({ psk: key, identity: "me" }), key: () => key, none: () => null,
  wrong: () => ({ psk: Buffer.from("another"), identity: "me" }), text: () => 5,
  long: () => ({ psk: Buffer.alloc(600), identity: "me" }),
  raises: () => { throw Object.assign(new Error("mine"), { code: "MINE" }); },
};
const log = [];
const done = () => { console.log(JSON.stringify(log)); process.exit(); };
const common = { ciphers: "PSK+HIGH:TLS_AES_128_GCM_SHA256", minVersion: version, maxVersion: version };
if (side == "server") {
  const it = tls.createServer({ ...common, pskIdentityHint: hint || undefined,
    pskCallback: (socket, identity) => { log.push("psk " + identity); return answers[server](); } }, (socket) => {
    log.push("secureConnection " + socket.authorized);
    socket.on("error", () => {});
    socket.on("close", done);
    socket.resume();
    socket.end("hi");
  });
  it.on("tlsClientError", (e) => { log.push("tlsClientError " + e.code); done(); });
  it.listen(0, "127.0.0.1", () => console.log("port " + it.address().port));
} else {
  const it = tls.connect({ ...common, port, host: "127.0.0.1", checkServerIdentity: () => undefined,
    pskCallback: (hint) => { log.push("psk " + hint); return answers[client](); } });
  it.on("secureConnect", () => log.push("secureConnect " + it.authorized));
  it.on("data", (data) => log.push("data " + data));
  it.on("error", (e) => log.push("error " + e.code));
  it.on("close", done);
}
]]

local ANSWERS = {
  good = function() return { psk = KEY, identity = "me" } end,
  key = function() return KEY end,
  none = function() end,
  wrong = function() return { psk = "another", identity = "me" } end,
  text = function() return 5 end,
  long = function() return { psk = ("\0"):rep(600), identity = "me" } end,
  raises = function() error({ code = "MINE" }) end,
}

-- What the client answers, and the server; and the server's hint.
local CASES = {
  { "good", "key" }, { "good", "good", "a hint" }, { "wrong", "key" }, { "good", "none" },
  { "none", "key" }, { "text", "key" }, { "long", "key" }, { "raises", "key" }, { "good", "text" },
  { "good", "raises" }, { "good", "long" },
}

local ours = {}
local sides = { ours = ours, Node = nodesides.of(NODE, SCRIPT, function(case, port)
  return case[1], case[2], case[3] or "", tostring(port)
end) }

function ours.server(_, version, case)
  local log = {}
  local server
  local callback = ANSWERS[case[2]]
  server = require("net.tls").createServer({ ciphers = CIPHERS, minVersion = version,
    maxVersion = version, pskIdentityHint = case[3], pskCallback = function(_, identity)
      log[#log + 1] = "psk " .. identity
      return callback()
    end }, function(socket)
    log[#log + 1] = "secureConnection " .. tostring(socket.authorized)
    socket:on("error", function() end)
    socket:resume()
    socket:finish("hi")
    server:close()
  end)
  server:on("tlsClientError", function(err)
    log[#log + 1] = "tlsClientError " .. tostring(err.code)
    server:close()
  end)
  server:listen(0, "127.0.0.1")
  sockets.wait(function() return server.listening end)
  return server:address().port, function() return log end
end

function ours.client(t, version, case, port)
  local callback, log = ANSWERS[case[1]], {}
  local client = require("net.tls").connect({ port = port, host = "127.0.0.1", ciphers = CIPHERS,
    minVersion = version, maxVersion = version, checkServerIdentity = function() end,
    pskCallback = function(hint)
      log[#log + 1] = "psk " .. (hint or "null")
      return callback()
    end })
  client:on("secureConnect", function() log[#log + 1] = "secureConnect " .. tostring(client.authorized) end)
  client:on("data", function(data) log[#log + 1] = "data " .. data end)
  client:on("error", function(err) log[#log + 1] = "error " .. tostring(err.code) end)
  client:on("close", t.calls(1))
  return function() return log end
end

--- Whose OpenSSL a server has decides which alert a client hears.
local function plain(log)
  for i, line in ipairs(log) do
    log[i] = line:gsub("ERR_SSL_SSL/TLS_ALERT_ILLEGAL_PARAMETER", "ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR")
  end
end

describe("A key that both sides know", function()
  for _, version in ipairs(VERSIONS) do
    for _, case in ipairs(CASES) do
      promise(("is as between two Nodes: client %s, server %s, %s"):format(case[1], case[2], version),
        within(function(t)
          nodesides.compare(t, sides, version, case, plain)
        end))
    end

    local suite = version == "TLSv1.2" and "-cipher PSK -tls1_2"
      or "-ciphersuites TLS_AES_128_GCM_SHA256 -tls1_3"
    local hex = KEY:gsub(".", function(c) return ("%02x"):format(c:byte()) end)

    it("is that of openssl s_client -psk: " .. version, within(function(t)
      local said
      local server = pair.listen({ cert = false, key = false, ciphers = CIPHERS, minVersion = version,
        maxVersion = version, pskCallback = function(_, identity) said = identity return KEY end },
        function(socket) socket:finish("hi from here\n") end)
      local kid = child.spawn("/bin/sh", { "-c", ("openssl s_client -quiet -psk_identity someone "
        .. "-psk %s %s -connect 127.0.0.1:%d"):format(hex, suite, server:address().port) },
        { stdio = { "pipe", "pipe", "ignore" } })
      local text = ""
      kid.stdout:setEncoding("utf8")
      kid.stdout:on("data", function(more) text = text .. more end)
      kid:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.equal("someone", said)
      assert.truthy(text:find("hi from here", 1, true), text)
    end))

    it("is that of openssl s_server -psk: " .. version, within(function(t)
      local p = process.spawn(("openssl s_server -nocert -psk %s -psk_hint 'a hint' %s -accept "
        .. "127.0.0.1:0 -rev"):format(hex, suite))
      t.finally(function() p:kill() end)
      local port = tonumber(p:expect("^ACCEPT 127.0.0.1:(%d+)"))
      local hint
      local client = require("net.tls").connect({ port = port, host = "127.0.0.1",
        ciphers = CIPHERS, minVersion = version, maxVersion = version, checkServerIdentity = function() end,
        pskCallback = function(text) hint = text return { psk = KEY, identity = "Client_identity" } end })
      client:write("abc\n")
      client:on("data", t.calls(1, function(data)
        assert.equal("cba\n", data)
        client:finish()
      end))
      client:on("close", t.calls(1))
      t.run()
      p:kill()
      assert.equal(version == "TLSv1.2" and "a hint" or nil, hint)
    end))
  end
end)
