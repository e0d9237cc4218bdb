-- SPDX-License-Identifier: MIT

--- Lua, OpenSSL, or the C code between them, runs out of memory: while a PKCS #12 is read, and amid
--- connections of which more is wanted than in tls_memory_spec.lua, by names, keys that both sides
--- know, other certificates, a server that is told of another context, clients without a limit of
--- time. Skipped where there is no Lua library to link with.

local certificates = require("spec.support.certificates")
local pair = require("spec.support.tlspair")
local tlsstarve = require("spec.support.tlsstarve")

local PFX = [==[
local whole, bare = read("$PFX"), read("$BARE")
return try(function()
  for _, bytes in ipairs { whole, bare } do
    for _, passphrase in ipairs { "secret", "wrong" } do
      local ok, err = pcall(tls.createSecureContext, { pfx = bytes, passphrase = passphrase })
      if not ok and not is_no_memory(err) then error(err, 0) end
    end
  end
end)
]==]

--- Connections by net.duplexPair, which echo a word. `KINDS` has what is special of each.
local PAIR = [==[
local net, timers = require("net"), require("net.timers")
local cert, key, ca = read("$CERT"), read("$KEY"), read("$CA")
local context = tls.createSecureContext { cert = cert, key = key, ca = ca }
local other = tls.createSecureContext { cert = cert, key = key }
local raised, is_over
local KINDS = {
  ["certificates of its own"] = function(server)
    server.then_ = function(far)
      far:setKeyCert({ cert = cert, key = key })
      far:setKeyCert(other)
    end
  end,
  ["a name and a protocol"] = function(server, client)
    server.SNICallback = function(_, done) done(nil, other) end
    server.ALPNCallback = function() return "a" end
    client.ALPNProtocols = { "a" }
  end,
  ["a context that comes late"] = function(server)
    server.SNICallback = function(_, done)
      timers.setImmediate(function()
        starve(not is_over)
        local ok, err = pcall(done, nil, other)
        starve(false)
        raised = not ok and "the answer raises " .. tostring(err) or raised
      end)
    end
  end,
  ["a key that both know"] = function(server, client)
    for _, options in ipairs { server, client } do
      options.secureContext, options.ciphers = nil, "PSK:TLS_AES_128_GCM_SHA256"
    end
    client.checkServerIdentity = function() end
    server.pskCallback = function() return "a key" end
    client.pskCallback = function() return { psk = "a key", identity = "me" } end
  end,
}

--- One connection: what it was told, what came back, whether it is over.
local function talk()
  local seen = { got = 0 }
  local function tell(err) seen.told = seen.told or err end
  local a, b = net.duplexPair()
  local ok, err = pcall(function()
    local server = { isServer = true, secureContext = context }
    local client = { socket = b, servername = "localhost", secureContext = context }
    KINDS["$KIND"](server, client)
    local far = tls.TLSSocket(a, server)
    if server.then_ then server.then_(far) end
    local near = tls.connect(client)
    for _, socket in ipairs { a, b, far, near } do socket:on("error", tell) end
    far:on("data", function(chunk) far:write(chunk, tell) end)
    near:on("data", function(chunk)
      seen.got = seen.got + #chunk
      if seen.got == 5 then near:finish() end
    end)
    near:write("hello", tell)
  end)
  if not ok then
    tell(err)
    a:on("error", tell):destroy()
    b:on("error", tell):destroy()
  end
  for _ = 1, 2000 do
    local fine, alive = pcall(net.run, "nowait")
    if not fine then tell(alive) end
    if fine and not alive then return seen end
  end
  seen.hangs = true
  return seen
end

if "$KIND" == "a context that comes late" then -- only the answer is in want of memory
  try = function(fn) fn() end
end
local problem
local starved = try(function()
  local seen = talk()
  if seen.hangs or not seen.told and seen.got ~= 5 then
    problem = problem or (seen.hangs and "it hangs " or "it was lost ") .. tostring(seen.told)
  end
end)
is_over = true
local after = talk()
return starved or problem or raised
  or (after.told or after.got ~= 5) and "the next one: " .. tostring(after.told) or nil
]==]

--- Clients of a server over TCP, without a limit of time for their handshakes.
local SERVER = [==[
local net = require("net")
local cert, key, ca = read("$CERT"), read("$KEY"), read("$CA")
local options = { cert = cert, key = key, ca = ca }
local server = tls.createServer(options)
server:on("OCSPRequest", function(_, _, callback) callback(nil, "a word") end)
server:on("newSession", function(_, _, done) done() end)
server:on("resumeSession", function(_, done) done() end)
server:on("tlsClientError", function() end)
server:on("error", function() end)
server:on("secureConnection", function(socket) socket:on("error", function() end):finish("bye") end)
server:listen(0, "127.0.0.1")

local function turns(is_over, tell)
  for _ = 1, 3000 do
    if is_over() then return true end
    local ok, err = pcall(net.run, "nowait")
    if not ok and tell then tell(err) end
  end
end
turns(function() return server.listening end)
local port = server:address().port

local function talk()
  local seen, socket = {}, nil
  local function tell(err) seen.told = seen.told or err end
  local ok, err = pcall(function()
    server:setSecureContext(options)
    server:addContext("localhost", options)
    server:setTicketKeys(("k"):rep(48))
    socket = tls.connect { port = port, host = "127.0.0.1", servername = "localhost", ca = ca, requestOCSP = true,
      maxVersion = "TLSv1.2" }
    socket:on("error", tell)
    socket:on("data", function(chunk) seen.got = chunk end)
    socket:on("close", function() seen.closed = true end)
    socket:on("OCSPResponse", function() end)
    socket:on("session", function() end)
  end)
  if not ok then
    tell(err)
    if socket then pcall(socket.destroy, socket:on("error", tell)) end
  end
  seen.over = turns(function() return seen.closed or not socket end, tell)
  if not seen.over then
    pcall(socket.destroy, socket)
    turns(function() return seen.closed end)
  end
  return seen
end

local problem
local starved = try(function()
  local seen = talk()
  if not seen.told and seen.got ~= "bye" then problem = seen.over and "it was lost" or "it hangs" end
end)
local after = talk()
local is_closed
server:close(function() is_closed = true end)
turns(function() return is_closed end)
return starved or problem or after.got ~= "bye" and "the next one: " .. tostring(after.told) or nil
]==]

describe("without memory", function()
  local program, words

  setup(function()
    program = tlsstarve.compile()
    words = { CERT = pair.server.path, KEY = pair.server.key_path, CA = pair.ca.path }
    for name, more in pairs { PFX = "", BARE = "-nomac" } do
      words[name] = certificates.path("pfx")
      certificates.openssl("pkcs12 -export -passout pass:secret -inkey %s -in %s -out %s " .. more,
        words.KEY, words.CERT, words[name])
    end
  end)
  teardown(function() return program and program:__close() end)

  local function promise(name, script, who, once, kind)
    it(("%s (%s has none%s) #slow"):format(name, who, once and ", once" or ""), function()
      if not program then pending("no Lua library to link with") return end
      words.KIND = kind
      local result = program:run(script:gsub("%$(%u+)", words), who, once)
      assert.same({ code = 0, stdout = "the end\n", stderr = "" }, result)
    end)
  end

  for _, who in ipairs { "lua", "openssl", "ours" } do
    promise("a PKCS #12 is read wholly, or not at all", PFX, who)
  end
  promise("a PKCS #12 is read wholly, or not at all", PFX, "openssl", "once")
  for _, kind in ipairs { "certificates of its own", "a name and a protocol", "a context that comes late",
    "a key that both know" } do
    local name = ("a connection with %s is told as lost, or whole"):format(kind)
    promise(name, PAIR, "openssl", "once", kind)
    promise(name, PAIR, "ours", "once", kind)
  end
  for _, once in ipairs { false, "once" } do
    promise("a client of a server that is given another context is told, and waits for nothing", SERVER,
      "ours", once or nil)
  end
end)
