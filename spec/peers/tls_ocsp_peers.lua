-- SPDX-License-Identifier: MIT

--- What an authority says of a certificate, from and to a Node and OpenSSL's programs.

local certificates = require("spec.support.certificates")
local child = require("net.child")
local node = require("spec.support.node")
local nodesides = require("spec.support.nodesides")
local pair = require("spec.support.tlspair")
local process = require("spec.support.process")
local within = require("spec.support").within

local NODE = node.binaries["Node 26"]
local promise = NODE and it or pending

local VERSIONS = { "TLSv1.2", "TLSv1.3" }

local SCRIPT = [[
const [, , side, version, how, cert, key, ca, port] = process.argv;
const fs = require("fs"), tls = require("tls");
const log = [];
const done = () => { console.log(JSON.stringify(log)); process.exit(); };
const common = { minVersion: version, maxVersion: version, ca: fs.readFileSync(ca) };
if (side == "server") {
  const it = tls.createServer({ ...common, cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, (socket) => {
    log.push("secureConnection");
    socket.on("error", () => {});
    socket.on("close", done);
    socket.resume();
    socket.end("hi");
  });
  if (how != "no listener") it.on("OCSPRequest", (cert, issuer, callback) => {
    log.push("OCSPRequest " + cert.length + " " + (issuer && issuer.length));
    if (how == "raises") throw Object.assign(new Error("mine"), { code: "MINE" });
    if (how == "late") setTimeout(callback, 2, null, Buffer.from("a word"));
    else if (how == "fails") callback(Object.assign(new Error("mine"), { code: "MINE" }));
    else callback(null, how == "nothing" ? null : Buffer.from("a word"));
  });
  it.on("tlsClientError", (e) => { log.push("tlsClientError " + e.code); done(); });
  it.listen(0, "127.0.0.1", () => console.log("port " + it.address().port));
} else {
  const it = tls.connect({ ...common, port, host: "127.0.0.1", servername: "localhost",
    requestOCSP: how != "not asked" });
  it.on("OCSPResponse", (bytes) => { log.push("OCSPResponse " + bytes); if (how == "refused") it.destroy(); });
  it.on("secureConnect", () => log.push("secureConnect"));
  it.on("data", (data) => log.push("data " + data));
  it.on("error", (e) => log.push("error " + e.code));
  it.on("close", done);
}
]]

local CASES = { "good", "late", "nothing", "no listener", "not asked", "fails", "raises", "refused" }

local ours = {}
local sides = { ours = ours, Node = nodesides.of(NODE, SCRIPT, function(how, port)
  return how, pair.server.path, pair.server.key_path, pair.ca.path, tostring(port)
end) }

local function answer(how, callback)
  if how == "raises" then
    error({ code = "MINE" })
  elseif how == "late" then
    require("net.timers").setTimeout(callback, 2, nil, "a word")
  elseif how == "fails" then
    callback({ code = "MINE" })
  else
    callback(nil, how ~= "nothing" and "a word" or nil)
  end
end

function ours.server(_, version, how)
  local log, server = {}, nil
  server = pair.listen({ ca = pair.ca.cert, minVersion = version, maxVersion = version }, function(socket)
    log[#log + 1] = "secureConnection"
    socket:on("error", function() end)
    socket:resume()
    socket:finish("hi")
    server:close()
  end)
  if how ~= "no listener" then
    server:on("OCSPRequest", function(cert, issuer, callback)
      log[#log + 1] = ("OCSPRequest %d %s"):format(#cert, issuer and #issuer or "null")
      answer(how, callback)
    end)
  end
  server:on("tlsClientError", function(err)
    log[#log + 1] = "tlsClientError " .. tostring(err.code)
    server:close()
  end)
  return server:address().port, function() return log end
end

function ours.client(t, version, how, port)
  local log = {}
  local client = require("net.tls").connect({ port = port, host = "127.0.0.1",
    servername = "localhost", ca = pair.ca.cert, minVersion = version, maxVersion = version,
    requestOCSP = how ~= "not asked" })
  client:on("OCSPResponse", function(bytes)
    log[#log + 1] = "OCSPResponse " .. (bytes or "null")
    if how == "refused" then client:destroy() end
  end)
  client:on("secureConnect", function() log[#log + 1] = "secureConnect" end)
  client:on("data", function(data) log[#log + 1] = "data " .. data end)
  client:on("error", function(err) log[#log + 1] = "error " .. tostring(err.code) end)
  client:on("close", t.calls(1))
  return function() return log end
end

describe("The status of a certificate", function()
  for _, version in ipairs(VERSIONS) do
    for _, how in ipairs(CASES) do
      promise(("is as between two Nodes: %s, %s"):format(how, version), within(function(t)
        nodesides.compare(t, sides, version, how)
      end))
    end

    local option = version == "TLSv1.2" and "-tls1_2" or "-tls1_3"

    it("is read by openssl s_client -status: " .. version, within(function(t)
      local word = pair.ca:status(pair.server)
      local server = pair.listen({}, function(socket)
        socket:finish()
        socket:resume()
      end)
      server:on("OCSPRequest", function(_, _, callback) callback(nil, word) end)
      local kid = child.spawn("openssl", { "s_client", "-status", option, "-connect",
        "127.0.0.1:" .. server:address().port }, { stdio = { "pipe", "pipe", "ignore" } })
      local text = ""
      kid.stdout:setEncoding("utf8")
      kid.stdout:on("data", function(more) text = text .. more end)
      kid:on("close", t.calls(1, function() server:close() end))
      t.run()
      assert.truthy(text:find("OCSP Response Status: successful", 1, true), text)
      assert.truthy(text:find("Cert Status: good", 1, true), text)
    end))

    it("is had from openssl s_server -status_file: " .. version, within(function(t)
      local word = pair.ca:status(pair.server)
      local p = process.spawn(("openssl s_server %s -cert %s -key %s -status_file %s -accept "
        .. "127.0.0.1:0 -rev"):format(option, pair.server.path, pair.server.key_path,
          certificates.write("ocsp", word)))
      t.finally(function() p:kill() end)
      local port = tonumber(p:expect("^ACCEPT 127.0.0.1:(%d+)"))
      local got
      local client = require("net.tls").connect({ port = port, host = "127.0.0.1",
        ca = pair.ca.cert, requestOCSP = true })
      client:on("OCSPResponse", function(bytes) got = bytes end)
      client:on("secureConnect", t.calls(1, function() client:finish() end))
      client:resume():on("close", t.calls(1))
      t.run()
      p:kill()
      assert.is_true(got == word)
    end))
  end
end)
