-- SPDX-License-Identifier: MIT

--- Makes a random program of TLS: a server and clients whose handshakes succeed, or fail in
--- some way, and sockets that do what those of programs.lua do.
--
-- A program is for one version of TLS. What one side does while the other is under way is
-- rare here: when records leave, and so which turn of the loop brings them, is free. Handshakes
-- are between a server and what it listens to, or over sockets of the program's own: see
-- tlsways.lua.

local dice = require("spec.parity.random.dice")
local tree = require("spec.parity.random.tree")
local programs = require("spec.parity.random.programs")
local ways = require("spec.parity.random.tlsways")

local node, kept = tree.node, tree.kept
local parts = programs.parts

local tlsprograms = {}

-- What is called --------------------------------------------------------------------

--- Calls of TLS: what is logged of what they give.
local FACTS = {
  { 2, "%s.getPeerCertificate()" },  { 1, "%s.getPeerCertificate(true).subject" },
  { 2, "%s.getCertificate()" }, { 3, "%s.getCipher()" }, { 3, "%s.getProtocol()" },
  { 3, "%s.isSessionReused()" },
  { 2, "sized(%s.getFinished())" }, { 2, "sized(%s.getPeerFinished())" },
  { 2, "sized(%s.getSession()) != nil" }, { 2, "sized(%s.getTLSTicket()) != nil" },
  { 3, 'sized(%s.exportKeyingMaterial(16, "label"))' },
  { 1, 'sized(%s.exportKeyingMaterial(8, "label", bytes("context")))' },
  { 1, 'sized(%s.exportKeyingMaterial(0, "label"))' }, { 1, '%s.exportKeyingMaterial("x")' },
  { 2, "%s.setMaxSendFragment(512)" }, { 1, "%s.setMaxSendFragment(1)" },
  { 1, "%s.disableRenegotiation()" },
  { 1, "%s.address().address" },
}

local function fact(m, who)
  local call = m.d:weighted(FACTS)
  local name = call:match("%.(%a+)")
  return node(("if %s.encrypted and not %s.destroyed"):format(who, who), {
    node(('%s << "%s", try %s'):format(who, name, call:format(who))),
  })
end

--- Before it is connected: later Node's process ends.
local function set_session(_, who)
  return node(("if kept.session and %s.encrypted and %s.connecting"):format(who, who), {
    node(('%s << "setSession", try %s.setSession(kept.session)'):format(who, who)),
  })
end

--- Crashes Node before the handshake is over. The group is OpenSSL's choice.
local function ephemeral(_, who)
  return node(("if %s.encrypted and not %s.secureConnecting and not %s.destroyed"):format(who, who, who), {
    node(('%s << "key", try %s.getEphemeralKeyInfo() == nil'):format(who, who)),
  })
end

local function server_call(m)
  return node(m.d:weighted({
    { 3, 'srv << "setSecureContext", try srv.setSecureContext({cert: pem("named"), key: keyof("named")})' },
    { 1, 'srv << "setSecureContext", try srv.setSecureContext({})' },
    { 1, 'srv << "setSecureContext", try srv.setSecureContext({cert: pem("named"), key: keyof("client")})' },
    { 2, 'srv << "addContext", try srv.addContext("named.test", {cert: pem("named"), key: keyof("named")})' },
    { 1, 'srv << "addContext", try srv.addContext("", {})' },
    { 2, 'srv << "keys", len(srv.getTicketKeys())' },
    { 1, 'srv << "setTicketKeys", try srv.setTicketKeys(bytes(rep("k", 48)))' },
  }))
end

--- Statements that need no server of TLS, nor any.
local function serverless()
  local kept_ones = { { 12, fact }, { 2, ephemeral }, { 1, set_session } }
  for _, entry in ipairs(parts.kit.statements) do
    if entry[2] ~= parts.server_call and entry[2] ~= parts.reconnect then
      kept_ones[#kept_ones + 1] = entry
    end
  end
  return kept_ones
end

local KIT = {
  events = {
    { 12, "secureConnect" }, { 6, "secure" }, { 4, "session" }, { 1, "keylog" },
    { 2, "OCSPResponse" }, table.unpack(parts.kit.events),
  },
  fields = {
    "encrypted authorized authorizationError alpnProtocol servername secureConnecting",
    table.unpack(parts.kit.fields),
  },
  statements = {
    { 12, fact }, { 2, ephemeral }, { 1, set_session }, { 3, server_call }, table.unpack(parts.kit.statements),
  },
  calls = parts.kit.calls, own = 94,
}

local OVER_KIT = {
  events = KIT.events, fields = KIT.fields, calls = KIT.calls, own = 94, statements = serverless(),
}

-- Options ------------------------------------------------------------------------------

local function identity(name) return ('cert: pem("%s"), key: keyof("%s")'):format(name, name) end

--- Answers to SNICallback, and when.
local ANSWERS = {
  "cb(null, null)", 'cb(Error("own"))', "cb(null, 1)", 'raise(Error("own"))', "cb(null, {})",
  'cb(null, tls.createSecureContext(versioned({cert: pem("named"), key: keyof("named")})))',
  'cb(null, tls.createSecureContext(versioned({cert: pem("named"), key: keyof("named")})))',
  "cb(null, null); cb(null, null)",
}

--- With a limit of time: one that never answers holds the connection here.
local function sni_callback(m)
  local answer, when = m.d:one(ANSWERS), m.d:one({ "", "tick ", "immediate ", "after 4 " })
  if when ~= "" then answer = when .. "{ " .. answer .. " }" end
  return ('handshakeTimeout: 300, SNICallback: fn(name, cb) { srv << "asked", name; %s }'):format(answer)
end

--- A value that is text, as an entry of a list of options.
local function text(weight, words) return { weight, function() return words end } end

--- What options of sockets there are, on either side.
local SOCKET_OPTIONS = {
  text(6, "allowHalfOpen: true"),
  { 2, function(m) return "highWaterMark: " .. m.d:one(parts.marks) end },
}

--- What a program is about: options of the server and of its clients that go together.
local THEMES = {
  life = {
    server = { text(2, "pauseOnConnect: true"), text(2, "secureOptions: noTickets") },
    client = {
      { 2, function(m) return "timeout: " .. m.d:one({ "4", "30" }) end },
      { 1, function(m) return m.signal and "signal: abort.signal" or "none: true" end },
      text(1, 'encoding: "utf8"'), text(2, "checkServerIdentity: fn() { }"),
    },
  },
  verdict = {
    server = {
      text(6, 'requestCert: true, ca: pem("ca")'),
      text(5, 'requestCert: true, rejectUnauthorized: false, ca: pem("ca")'),
      text(1, "requestCert: true"), text(2, identity("named")), text(2, identity("stranger")),
      text(1, identity("lone")),
    },
    client = {
      text(3, 'ca: pem("other")'), text(1, 'ca: [pem("other"), pem("ca")]'),
      text(2, "rejectUnauthorized: false"), text(3, 'rejectUnauthorized: false, ca: pem("other")'),
      text(3, 'checkServerIdentity: fn() { return Error("own") }'),
      text(1, 'checkServerIdentity: fn() { raise(Error("own")) }'),
      text(3, "checkServerIdentity: fn() { }"), text(2, 'servername: "named.test"'),
      text(1, 'servername: ""'), text(6, identity("client")), text(3, identity("stranger")),
      text(2, identity("lone")),
    },
  },
  names = {
    server = {
      text(4, 'ALPNProtocols: ["a", "b"]'), { 6, sni_callback },
      { 3, function(m)
        return 'ALPNCallback: fn(o) { srv << "offered", o; return ' ..
          m.d:one({ '"b"', '"a"', "nil", '"z"', "1" }) .. " }"
      end },
    },
    client = {
      { 6, function(m) return "ALPNProtocols: " .. m.d:one({ '["a"]', '["b", "a"]', '["z"]', "[]" }) end },
      text(3, 'servername: "named.test"'), text(1, 'servername: "a.sub.test"'), text(2, 'servername: ""'),
      text(6, "checkServerIdentity: fn() { }"),
    },
  },
  sessions = {
    server = {
      text(4, "secureOptions: noTickets"), text(1, "sessionTimeout: 2"), text(1, 'sessionIdContext: "x"'),
      text(2, 'requestCert: true, rejectUnauthorized: false, ca: pem("ca")'),
    },
    client = {
      text(9, "session: kept.session"), text(1, "checkServerIdentity: fn() { }"),
      text(1, "requestOCSP: true"), text(2, identity("client")),
    },
  },
  versions = {
    server = {
      text(1, 'minVersion: "TLSv1.2", maxVersion: "TLSv1.3"'),
      text(1, 'minVersion: "TLSv1.3", maxVersion: "TLSv1.3"'),
      text(1, 'minVersion: "TLSv1.2", maxVersion: "TLSv1.2"'),
      text(1, 'ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256"'),
      text(1, 'ecdhCurve: "P-384"'), text(1, 'sigalgs: "RSA-PSS+SHA256"'), text(1, "honorCipherOrder: false"),
    },
    client = {
      text(1, 'minVersion: "TLSv1.2", maxVersion: "TLSv1.2"'),
      text(1, 'minVersion: "TLSv1.2", maxVersion: "TLSv1.3"'),
      text(1, 'ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384"'),
      text(1, 'ecdhCurve: "P-256"'),
    },
  },
}

local NAMES = { "life", "life", "verdict", "names", "sessions", "versions" }

--- Some of them, none twice, nor two of ALPN. A small write that waits for an acknowledgement would arrive
--- when the program has gone on.
local function options_text(m, list)
  local texts, seen = { "noDelay: true" }, {}
  for _ = 1, m.d:chance(80) and 1 + m.d:below(3) or 0 do
    local made, is_new = m.d:weighted(m.d:chance(80) and list or SOCKET_OPTIONS)(m), true
    for name in made:gmatch("(%a+): ") do is_new = is_new and not seen[name:sub(1, 4)] end
    for name in made:gmatch("(%a+): ") do seen[name:sub(1, 4)] = true end
    if is_new then texts[#texts + 1] = made end
  end
  return "{" .. table.concat(texts, ", ") .. "}"
end

-- The frame ------------------------------------------------------------------------------

--- What the server listens to besides.
local HEARD = {
  'on srv newSession (id, data, done) { srv << "new", len(id); store.data = data; done() }',
  'on srv newSession (id, data, done) { srv << "new", len(id); store.data = data; after 2 { done() } }',
  'on srv resumeSession (id, cb) { srv << "resume", len(id); cb(null, store.data) }',
  'on srv resumeSession (id, cb) { srv << "resume", len(id); after 2 { cb(null, store.data) } }',
  'on srv resumeSession (id, cb) { srv << "resume"; cb(null, null) }',
  'on srv resumeSession (id, cb) { srv << "resume"; cb(Error("own")) }',
  'on srv OCSPRequest (cert, issuer, cb) { srv << "ocsp", len(cert); cb(null, null) }',
  'on srv OCSPRequest (cert, issuer, cb) { srv << "ocsp"; cb(null, bytes("response")) }',
  'on srv keylog { srv << "keylog" }',
  'on srv connection (R) { watch R -connect }',
  'srv.addContext("named.test", {cert: pem("named"), key: keyof("named")})',
  'srv.addContext("*.sub.test", {cert: pem("named"), key: keyof("named")})',
}

local function server(m, clients)
  local body = { kept("if P1 == nil { P1 = S } else { P2 = S }"), parts.watch(m, "S") }
  local outer = m.sockets
  m.sockets = { "S", "S", table.unpack(outer) }
  parts.append(body, parts.block(m, "S", 3))
  m.sockets = outer
  local times = m.d:chance(60) and clients or 9
  local made = node(("serve srv tls times %d %s%s (S)"):format(times, options_text(m, m.theme.server),
    m.d:chance(10) and ' at "path"' or ""), body)
  made.keep = true
  return made
end

--- A client of the server, or one that knows no TLS.
local function client(m, who)
  m.signal = who == "C1"
  local connect = m.d:chance(94) and "secure" or "plain"
  local options = options_text(m, m.theme.client)
  if connect == "plain" then options = "{noDelay: true}" end
  local given = m.d:chance(30) and ", " .. parts.callback(m, who, "connect") or ""
  return {
    kept(("let %s = %s(%s%s)"):format(who, connect, options, given)), parts.watch(m, who),
    node(("on %s session (data) { kept.session = data }"):format(who)),
  }
end

local function over_tcp(m, clients)
  local body = { server(m, clients), node("watch srv") }
  for _ = 1, m.d:chance(m.theme == THEMES.life and 10 or 50) and 1 + m.d:below(2) or 0 do
    body[#body + 1] = node(m.d:one(HEARD))
  end
  body[#body + 1] = kept("offer(srv)")
  for i = 1, clients do
    if i > 1 then body[#body + 1] = kept("settle") end
    parts.append(body, client(m, "C" .. i))
    if i == 1 then parts.append(body, parts.block(m, "C1", 4)) end
  end
  return body
end

--- What the clients of the program are called, and its socket on the server's side.
local function names_of(clients)
  local names = { "P1" }
  for i = 1, clients do table.insert(names, "C" .. i) end
  return names
end

--- The program `index` of a run with `seed`.
---@param seed integer
---@param index integer
---@return table program see tree.lua
function tlsprograms.make(seed, index)
  local m = { d = dice.new(seed, index), depth = 0, calls = 0, abort = true }
  local is_over = m.d:chance(30)
  m.kit, m.theme = is_over and OVER_KIT or KIT, THEMES[m.d:one(NAMES)]
  local clients = not is_over and m.d:chance(m.theme == THEMES.sessions and 90 or 15) and 2 or 1
  m.sockets = names_of(clients)
  local body = {
    kept("let P1 = nil; let P2 = nil; let abort = Abort()"),
    kept("let kept = {session: nil}; let store = {data: null}"),
  }
  for i = 1, clients do body[#body + 1] = kept(("let C%d = nil"):format(i)) end
  parts.append(body, is_over
    and ways.over(m, options_text(m, m.theme.server), options_text(m, m.theme.client))
    or over_tcp(m, clients))
  for _ = 1, m.d:below(3) do
    body[#body + 1] = node("settle")
    local who = m.d:one(m.sockets)
    parts.append(body, parts.guarded(who, parts.block(m, who, 3)))
  end
  parts.append(body, parts.finale(clients))
  return { title = ("TLS program %d:%d"):format(seed, index), kind = "program", body = body,
    tls = m.d:one({ "1.2", "1.3" }) }
end

return tlsprograms
