-- SPDX-License-Identifier: MIT

--- The end of a Lua state amid which a finalizer makes contexts, connections and certificates: Lua
--- calls none for these. Skipped where there is no Lua library to link with.

local ends = require("spec.support.ends")
local pair = require("spec.support.tlspair")

local HEAD = [[
local cert, key, ca = %q, %q, %q
local net, tls = require("net"), require("net.tls")
local plain, ssl = require("net.luasocket"), require("net.luasec")

local function own() return tls.createSecureContext({ cert = cert, key = key, ca = ca }) end

local function until_(is_so)
  repeat net.run("nowait") until is_so()
end

--- A server of ours that listens.
local function listen(options, listener)
  options.cert, options.key = cert, key
  local server = tls.createServer(options, listener):listen(0, "127.0.0.1")
  until_(function() return server.listening end)
  return server
end

local function connect(server, options)
  options = options or {}
  options.port, options.host, options.servername = server:address().port, "127.0.0.1", "localhost"
  options.ca = ca
  return tls.connect(options)
end

--- Both ends of a connection.
local function connected(options)
  local peer, is_secure
  local server = listen(options or {}, function(socket) peer = socket end)
  local client = connect(server)
  client:on("secureConnect", function() is_secure = true end)
  until_(function() return peer and is_secure end)
  return client, peer, server
end

--- Both ends of one of net.luasec, behind the handshake.
local function wrapped(cert_path, key_path)
  local server = assert(plain.bind("127.0.0.1", 0))
  local client = assert(plain.connect("127.0.0.1", (select(2, server:getsockname()))))
  local peer = assert(server:accept())
  client = assert(ssl.wrap(client, { mode = "client", protocol = "any", verify = "none" }))
  peer = assert(ssl.wrap(peer, { mode = "server", protocol = "any", key = key_path, certificate = cert_path }))
  client:settimeout(0)
  peer:settimeout(0)
  repeat local done = client:dohandshake() peer:dohandshake() until done
  return client, peer, server
end

MADE = {} -- as long as the state is there

]]

--- What a finalizer makes, and leaves behind.
local MAKES = {
  ["a context"] = "MADE.context = own()",
  ["a server that listens"] = "MADE.server = listen({})",
  ["a connection"] = "MADE.client, MADE.peer, MADE.server = connected()",
  ["a connection amid its handshake"] = "MADE.server = listen({}) MADE.client = connect(MADE.server) net.run('nowait')",
  ["a connection that waits for the program"] = [[
    local asked
    MADE.server = listen({ SNICallback = function(_, done) asked = done end })
    MADE.client = connect(MADE.server)
    until_(function() return asked end)
    MADE.asked = asked
  ]],
  ["a connection that never is one"] = [[MADE.client = tls.TLSSocket(net.Socket(), { secureContext = own() })]],
  ["connections over a pair in memory"] = [[
    local a, b = net.duplexPair()
    MADE.client, MADE.peer = tls.connect({ socket = a, ca = ca, servername = "localhost" }),
      tls.TLSSocket(b, { isServer = true, secureContext = own() })
    MADE.peer:write(("x"):rep(100000))
    local is_secure
    MADE.client:on("secureConnect", function() is_secure = true end)
    until_(function() return is_secure end)
  ]],
  ["a connection within another"] = [[
    MADE.outer, MADE.outer_peer = connected()
    MADE.client, MADE.peer = tls.connect({ socket = MADE.outer, ca = ca, servername = "localhost" }),
      tls.TLSSocket(MADE.outer_peer, { isServer = true, secureContext = own() })
    local is_secure
    MADE.client:on("secureConnect", function() is_secure = true end)
    until_(function() return is_secure end)
  ]],
  ["what a connection is asked for"] = [[
    MADE.client, MADE.peer, MADE.server = connected()
    for _, name in ipairs { "getPeerCertificate", "getEphemeralKeyInfo", "getSession", "getSharedSigalgs" } do
      MADE.client[name](MADE.client, true)
    end
    MADE.client:enableTrace()
  ]],
  ["certificates of authorities"] =
    "tls.getCACertificates('default') tls.setDefaultCACertificates({ ca }) MADE.c = own()",
  ["a context of net.luasec"] =
    "MADE.context = assert(ssl.newcontext({ mode = 'client', protocol = 'any' }))",
  ["a certificate of net.luasec"] =
    "MADE.certificate = assert(ssl.loadcertificate(cert)) MADE.certificate:extensions()",
}

describe("lua_close with a finalizer that makes, of TLS,", function()
  local program

  setup(function() program = ends.compile() end)
  teardown(function() return program and program:__close() end)

  local function left_behind(script)
    return program:left_behind(HEAD:format(pair.server.cert, pair.server.key, pair.ca.cert) .. script)
  end

  local function promise(text, fn)
    it(text, function()
      if not program then pending("no Lua library to link with") return end
      fn()
    end)
  end

  for what, script in pairs(MAKES) do
    promise(what .. " leaves nothing behind", function()
      local bytes, descriptors = left_behind(("KEEP = setmetatable({}, { __gc = function() %s end })"):format(script))
      assert.equal(0, descriptors)
      assert.is_true(bytes < ends.ROUNDING, bytes .. " bytes")
    end)
  end

  promise("a connection of net.luasec leaves no byte behind", function()
    local bytes = left_behind(([[
      KEEP = setmetatable({}, { __gc = function() MADE.client, MADE.peer = wrapped(%q, %q) end })
    ]]):format(pair.server.path, pair.server.key_path))
    assert.is_true(bytes < ends.ROUNDING, bytes .. " bytes") -- its plain socket stays open
  end)
end)
