-- SPDX-License-Identifier: MIT

--- enableTrace: what TLS says, in words, on stderr.

local lua = require("spec.support.lua")
local pair = require("spec.support.tlspair")
local process = require("spec.support.process")
local since = require("spec.support.openssl").since
local tls = require("net.tls")
local within = require("spec.support").within

-- A server and a client of one process, with what is said of each.
local PROGRAM = [[
  local net = require("net")
  local tls = require("net.tls")
  local function read(name)
    local file <close> = assert(io.open(name, "rb"))
    return file:read("a")
  end
  local server, client
  server = tls.createServer({ cert = read(%q), key = read(%q), enableTrace = %s }, function(socket)
    socket:finish("hi")
    socket:resume()
  end)
  server:listen(0, "127.0.0.1", function()
    client = tls.connect({ port = server:address().port, host = "127.0.0.1", servername = "localhost",
      ca = read(%q), enableTrace = %s })
    %s
    client:on("data", print)
    client:on("close", function() server:close() end)
  end)
  net.run()
]]

local function program(of_server, of_client, more)
  return PROGRAM:format(pair.server.path, pair.server.key_path, of_server, pair.ca.path, of_client,
    more or "")
end

local function run(of_server, of_client, more)
  local result = lua.run({ script = program(of_server, of_client, more) })
  assert.equal(0, result.code, result.stderr)
  assert.equal("hi\n", result.stdout)
  return result.stderr
end

--- Which side's first word is told, by OpenSSL 3.0 or 3.5: the client sends a ClientHello, the server receives it.
local function told(text)
  local list = {}
  for how in text:gmatch("(%u%l+) [TLS ]*Record\nHeader:\n  Version = [^\n]+\n  Content Type = Handshake %(22%)"
    .. "\n  Length = %d+\n    ClientHello") do
    list[#list + 1] = how
  end
  return list
end

--- OpenSSL may be built without the words: Debian's 1.1.1 is.
local function has_words()
  if not since(3, 0) then pending("this OpenSSL has no words for it") end
  return since(3, 0)
end

describe("enableTrace", function()
  it("is silent unless asked for", function()
    assert.equal("", run("nil", "nil"))
    assert.equal("", run("false", "false"))
  end)

  it("tells what a client says, and what a server's sockets do", function()
    if not has_words() then return end
    assert.same({ "Sent" }, told(run("nil", "true")))
    assert.same({ "Received" }, told(run("true", "nil")))
  end)

  it("is a method, too, at any time", function()
    if not has_words() then return end
    assert.same({ "Sent" }, told(run("nil", "nil", "client:enableTrace()")))
    local text = run("nil", "nil", [[client:on("secureConnect", function()
      client:enableTrace()
      client:enableTrace()
      client:on("close", function() client:enableTrace() end)
    end)]])
    assert.same({}, told(text))
    assert.truthy(text:find("NewSessionTicket", 1, true), text)
  end)

  it("does not mind a stderr that takes nothing", within(function(t)
    local path = t.tmpname()
    do
      local file <close> = assert(io.open(path, "w"))
      file:write(program("true", "true"))
    end
    assert.equal("hi\n", (process.run(process.lua(path) .. " 2>/dev/full")))
  end))

  it("has to be a boolean, and of a TLS socket", within(function(t)
    for _, make in ipairs({ function(o) return tls.createServer(o) end,
      function(o) return tls.TLSSocket(nil, o) end,
      function(o) o.isServer = true return tls.TLSSocket(nil, o) end,
      function(o) o.port = 1 return tls.connect(o) end }) do
      local ok, err = pcall(make, { enableTrace = 1 })
      assert.same({ false, "ERR_INVALID_ARG_TYPE" }, { ok, err.code })
    end
    local ok, err = pcall(tls.TLSSocket().enableTrace, {})
    assert.same({ false, "ERR_INVALID_THIS" }, { ok, err.code })
    t.run()
  end))
end)
