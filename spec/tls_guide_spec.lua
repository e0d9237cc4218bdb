-- SPDX-License-Identifier: MIT

--- The programs of docs/guide/tls.md, run against each other, with certificates that its
--- commands have made.

local certificates = require("spec.support.certificates")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")
local lfs = require("lfs")

local PAGE = "docs/guide/tls.md"

--- The blocks of the page in that language, in their order.
local function blocks(language)
  local list, text = {}, certificates.read(PAGE)
  for block in text:gmatch("\n```" .. language .. "\n(.-\n)```") do list[#list + 1] = block end
  return list
end

local CLIENT, SERVER, CORES, ASKING, KNOWN, SHARED, TASKS, OVER = table.unpack(blocks("lua"))
local LOOK, AUTHORITY, ISSUE, CLIENTS = table.unpack(blocks("sh"))

local folder, spawned

--- Writes a file into the folder of the programs.
local function write(name, text)
  local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
end

local function shell(command)
  local pipe = assert(io.popen(("cd '%s' && { %s\n} 2>&1"):format(folder, command)))
  local said = pipe:read("a")
  assert(pipe:close(), said)
  return said
end

--- The command that runs a block in the folder, with its port and paths. What it calls
--- example.com is this machine.
local function command(text, port)
  text = text:gsub("8443", tostring(port)):gsub('"/etc/letsencrypt/[^"]*"', '""')
    :gsub('"example%.com"', '"localhost"'):gsub('read%("(%w+%.%w+)"%)', 'read("' .. folder .. '/%1")')
  local name = #text .. ".lua"
  write(name, 'io.stdout:setvbuf("line")\n' .. text)
  return process.lua(folder .. "/" .. name)
end

--- Starts a server, and returns it and its port when it listens.
local function serve(text)
  local port = sockets.free_port()
  local p = process.spawn(command(text, port))
  spawned[#spawned + 1] = p
  p:expect("^ready$")
  return p, port
end

local function run(text, port, env)
  return (process.run((env or "") .. command(text, port) .. " 2>&1"))
end

describe("docs/guide/tls.md", function()
  setup(function()
    folder = certificates.path("guide")
    assert(lfs.mkdir(folder))
    shell(AUTHORITY)
    shell(ISSUE)
    shell(CLIENTS)
    local ca = certificates.authority()
    for _, name in ipairs({ "one", "two" }) do
      local leaf = ca:issue({ subject = "/CN=" .. name, san = "DNS:localhost,DNS:" .. name })
      write(name .. ".cert", leaf.cert)
      write(name .. ".key", leaf.key)
    end
    write("root.pem", ca.cert)
  end)

  before_each(function()
    spawned = {}
    shell("cp one.cert fullchain.pem && cp one.key privkey.pem")
  end)

  after_each(function()
    for _, p in ipairs(spawned) do p:kill() end
  end)

  local function trusting(name)
    return ("SSL_CERT_DIR= SSL_CERT_FILE='%s/%s' "):format(folder, name)
  end

  it("has a client and a server that understand each other", function()
    local _, port = serve(SERVER)
    assert.equal("with DNS:localhost, DNS:one by TLSv1.3\nhello\n", run(CLIENT, port, trusting("root.pem")))
  end)

  it("has no program or command that is not run here", function()
    assert.same({ 8, 4 }, { #blocks("lua"), #blocks("sh") })
  end)

  it("has a client that says why it failed", function()
    local _, port = serve(SERVER)
    assert.equal("UNABLE_TO_VERIFY_LEAF_SIGNATURE\tunable to verify the first certificate\n",
      run(CLIENT, port, trusting("ca.pem")))
  end)

  it("looks at a server by OpenSSL's program", function()
    local _, port = serve(SERVER)
    local look = LOOK:gsub("8443", tostring(port)):gsub("example%.com", "localhost")
    local trust = ("export SSL_CERT_DIR= SSL_CERT_FILE='%s/root.pem'\n"):format(folder)
    assert.matches("Verify return code: 0", shell(trust .. look), 1, true)
    assert.is_false((pcall(shell, look)))
  end)

  it("has a server of one's own authority's in the place of Let's Encrypt's", function()
    shell("cp db.pem fullchain.pem && cp db.key privkey.pem")
    local _, port = serve(SERVER)
    assert.equal("with DNS:db.internal, IP Address:10.0.0.7, DNS:localhost by TLSv1.3\nhello\n",
      run(CLIENT, port, trusting("ca.pem")))
  end)

  it("makes certificates that the strictest take", function()
    assert.equal("db.pem: OK\nann.pem: OK\n", shell(
      "openssl verify -x509_strict -CAfile ca.pem db.pem ann.pem"))
  end)

  it("has tasks that use both sides, and begin TLS over a connection that is there", function()
    assert.equal("HELLO\n", run(TASKS, sockets.free_port()))
    assert.equal("go ahead\nhello world\n", run(OVER, sockets.free_port()))
    local leaves, count = OVER:gsub('socket:send%("world\\n"%)', "socket:finish()")
    assert.equal(1, count)
    assert.matches("^go ahead\nnil\tError: The end of the stream", run(leaves, sockets.free_port()))
  end)

  it("has a server that takes new certificates, and only whole ones", function()
    local p, port = serve(SERVER)
    local function seen()
      return run(CLIENT, port, trusting("root.pem")):match("^with DNS:localhost, DNS:(%w+)")
    end
    shell("cp two.cert fullchain.pem")
    p:signal("HUP")
    p:expect("ERR_OSSL_X509_KEY_VALUES_MISMATCH")
    assert.equal("one", seen())
    shell("cp two.key privkey.pem")
    p:signal("HUP")
    p:expect("^new certificates$")
    assert.equal("two", seen())
  end)

  it("has a server on all cores, whose workers know each other's sessions, and take new certificates", function()
    local port = sockets.free_port()
    local p = process.spawn(process.lua("bin/luanet", command(CORES, port):match("'([^']+)'$")))
    spawned[#spawned + 1] = p
    local function seen()
      return run(CLIENT, port, trusting("root.pem")):match("^with DNS:localhost, DNS:(%w+)")
    end
    repeat
      local first = seen()
    until first == "one"
    local ask = ("openssl s_client -connect localhost:%d -tls1_2 -CAfile root.pem %%s session </dev/null")
      :format(port)
    shell(ask:format("-sess_out"))
    for _ = 1, 5 do
      assert.matches("\nReused, TLSv1.2", shell(ask:format("-sess_in")))
    end
    shell("cp two.cert fullchain.pem && cp two.key privkey.pem")
    p:signal("HUP")
    for _ = 1, 4 do p:expect("^new certificates$") end
    for _ = 1, 4 do assert.equal("two", seen()) end
  end)

  it("has servers that clients may reset", function()
    local reset = [[
      local net, tls = require("net"), require("net.tls")
      local function read(name) return io.open(name):read("a") end
      local socket
      socket = tls.connect({ port = 8443, host = "localhost", ca = { read("ca.pem"), read("root.pem") },
        cert = read("ann.pem"), key = read("ann.key") })
      socket:write("x", function() socket:resetAndDestroy() end)
      socket:on("error", print)
      net.run()
    ]]
    for _, text in ipairs({ SERVER, ASKING }) do
      local p, port = serve(text)
      for _ = 1, 4 do assert.equal("", run(reset, port)) end -- the fourth finds it there
      p:kill()
    end
  end)

  it("has two programs that know the same key", function()
    assert.equal("hello\n", run(SHARED, 0))
  end)

  it("has a server that knows its clients, and refuses others", function()
    local _, port = serve(ASKING)
    assert.equal("hello ann\n", run(KNOWN, port))
    shell("cp one.cert ann.pem && cp one.key ann.key")
    assert.equal("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA\n", run(KNOWN, port))
  end)
end)
