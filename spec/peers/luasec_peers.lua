-- SPDX-License-Identifier: MIT

--- net.luasec beside the real LuaSec: the same calls give the same; and `ssl.https`, its own and
--- LuaSec's, against servers that are not ours and one that is.

local certificates = require("spec.support.certificates")
local co = require("net.co")
local daemons = require("spec.support.daemons")
local luasec = require("spec.support.luasec")
local process = require("spec.support.process")
local sidebyside = require("spec.support.sidebyside")
local socket = require("net.luasocket")
local sockets = require("spec.support.luasockets")
local ssl = require("net.luasec")
local support = require("spec.support")
local free_port = require("spec.support.sockets").free_port
local within = support.within

local CASES = "spec/peers/luasec/cases.lua"

--- Where ours gives something else, by what differences.md says; a pattern of the line's label.
local OTHERWISE = {
  "^module | capabilities dane$",
  "^newcontext | mode %w$",
  "^newcontext | no arguments$", -- a name in Lua's message
  "^newcontext | key, ", "^newcontext | certificate, no file$", "^newcontext | cafile, ",
  "^newcontext | ciphers ", "^newcontext | ciphersuites ",
  "^newcontext | curve X25519$",
  "^sni | %w+ with n", "^sni | server with a number$",
  "^before the handshake | keying material$", "^before the handshake | peer finished$",
  " | %w+ getpeerchain$", " | server chain$",
  "^odd | [%w ]+ again$", "^unknown authority %S+ | again$",
  "^cut | again$",
}

local has_luasec = package.searchpath("ssl", package.path)
  and package.searchpath("socket.core", package.cpath)
local has_http = package.searchpath("socket.http", package.path)

local function only_with(have, what)
  return have and it or function(name) pending(name .. ": there is no " .. what) end
end

--- The files that the cases use, in a folder of the spec.
local function make_files(folder)
  local ca = certificates.authority()
  local made = {
    ca = ca,
    server = ca:issue({ san = "DNS:localhost,DNS:*.a.org,IP:127.0.0.1,IP:::1,email:a@b.c,URI:http://x/",
      ext = { "extendedKeyUsage=serverAuth" } }),
    client = ca:issue({ subject = "/C=DE/O=\xC3\xB6rg/CN=client", ext = { "extendedKeyUsage=clientAuth" } }),
    other = certificates.self_signed({ subject = "/CN=other" }),
    rich = ca:issue({ key = "rsa:2048", subject = "/C=DE/ST=B/L=M/O=o/OU=u/CN=rich/emailAddress=a@b.c",
      san = "DNS:x,DNS:y,otherName:1.2.3.4;UTF8:z,RID:1.2.3,dirName:dn",
      ext = { "crlDistributionPoints=URI:http://c/" }, sections = "[dn]\nCN=x\nO=y\n" }),
  }
  for name, one in pairs(made) do
    process.run(("cp %s %s/%s.pem && cp %s %s/%s.key"):format(one.path, folder, name, one.key_path,
      folder, name))
  end
  certificates.openssl("ec -in %s -aes128 -passout pass:secret -out %s", folder .. "/server.key",
    folder .. "/locked.key")
end

describe("net.luasec", function()
  only_with(has_luasec, "LuaSec")("gives what LuaSec gives, call by call", within(function(t)
    local folder = t.tmpdir()
    make_files(folder)
    sidebyside.compare(CASES, OTHERWISE, 1500, folder)
  end))
end)

-- HTTPS

local MODULES = { "socket", "socket.core", "socket.http", "socket.url", "socket.headers", "ltn12",
  "mime", "mime.core", "ssl", "ssl.https" }

--- Runs `fn(https, ...)` in a task, with LuaSocket's modules over net.luasocket and `ssl.https`:
--- ours, and where there is one LuaSec's, over ours. `prepare(t)` comes first, outside of tasks, and
--- gives the rest.
local function with_https(fn, prepare)
  return within(function(t)
    local prepared = table.pack((prepare or function() end)(t))
    local before = {}
    for _, name in ipairs(MODULES) do
      before[name], package.loaded[name] = package.loaded[name], nil
    end
    t.finally(function()
      for _, name in ipairs(MODULES) do package.loaded[name] = before[name] end
      package.loaded["net.luasec.https"] = nil
    end)
    package.loaded.socket, package.loaded.ssl = socket, ssl
    co.run(function()
      fn(require("net.luasec.https"), table.unpack(prepared))
      if has_luasec then
        fn(require("ssl.https"), table.unpack(prepared))
      end
    end)
  end)
end

--- A server of net.luasec that answers each request with its path, in tasks; its URL.
local function serve(group)
  local server = assert(socket.bind("127.0.0.1", 0, 64))
  local context = assert(ssl.newcontext(luasec.server()))
  group:spawn(function()
    for peer in function() return (server:accept()) end do
      group:spawn(function()
        local conn = assert(ssl.wrap(peer, context))
        if conn:dohandshake() then
          local path = conn:receive():match("^%u+ (%S+)")
          while conn:receive() ~= "" do end
          local body = path .. ("."):rep(100000)
          conn:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
        end
        conn:close()
      end)
    end
  end)
  return "https://localhost:" .. select(2, sockets.address_of(server)), server
end

local here = only_with(has_http and daemons.has("nginx"), "LuaSocket, or no nginx")

describe("ssl.https over net.luasec", function()
  here("fetches twenty pages at once from a server of net.luasec", with_https(function(https)
    co.group(function(serving)
      local address, server = serve(serving)
      co.group(function(group)
        for i = 1, 20 do
          group:spawn(function()
            local body, status = https.request(("%s/page%d"):format(address, i))
            assert.equal(200, status)
            assert.equal(("/page%d"):format(i) .. ("."):rep(100000), body)
          end)
        end
      end)
      server:close()
    end)
  end))

  here("fetches from nginx, twenty at once, verified, and posts", with_https(function(https, port)
    local made, address = luasec.certificates(), "https://localhost:" .. port
    co.group(function(group)
      for i = 1, 20 do
        group:spawn(function()
          local parts, path = {}, "/page" .. i
          local ok, status = https.request { url = address .. path, verify = "peer",
            cafile = made.ca.path, sink = require("ltn12").sink.table(parts) }
          assert.same({ 1, 200, "GET " .. path }, { ok, status, table.concat(parts) })
        end)
      end
    end)
    assert.equal("POST /", (https.request(address .. "/", "some")))
    assert.same({ nil, "certificate verify failed" },
      { https.request { url = address, verify = "peer", cafile = made.other.path } })
  end, function(t)
    local one, port = luasec.certificates().server, free_port()
    local nginx = daemons.nginx(nil, ([[
      server {
        listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;
        location / { return 200 "$request_method $uri"; }
      }]]):format(port, one.path, one.key_path))
    t.finally(function() nginx:stop() end)
    return port
  end))

  here("fetches 20 MB from openssl s_server", with_https(function(https, port, folder)
    local body, status = https.request(("https://localhost:%d/big"):format(port))
    assert.equal(200, status)
    local file <close> = assert(io.open(folder .. "/big", "rb"))
    assert.is_true(body == file:read("a"))
  end, function(t)
    local one, port, folder = luasec.certificates().server, free_port(), t.tmpdir()
    process.run(("head -c 20000000 /dev/urandom > %s/big"):format(folder))
    local server = process.spawn("sh -c " .. process.quote(
      ("cd %s && exec openssl s_server -accept 127.0.0.1:%d -cert %s -key %s -WWW"):format(folder,
        port, one.path, one.key_path)))
    t.finally(function() server:kill() end)
    server:expect("ACCEPT")
    return port, folder
  end))

  here("says why there is no page", with_https(function(https)
    local server = assert(socket.bind("127.0.0.1", 0))
    local address = "https://localhost:" .. select(2, sockets.address_of(server))
    local serving = co.spawn(function()
      local peer = server:accept()
      peer:send("HTTP/1.0 400 no\r\n\r\n")
      peer:close()
    end)
    assert.same({ nil, "wrong version number" }, { https.request(address) })
    serving:await()
    server:close()
    assert.same({ nil, "connection refused" }, { https.request(address) })
  end))

  here("refuses what LuaSec's refuses", with_https(function(https)
    assert.same({ nil, "redirect not supported" },
      { https.request { url = "https://localhost/", redirect = true } })
    assert.same({ nil, "proxy not supported" },
      { https.request { url = "https://localhost/", proxy = "http://localhost/" } })
    assert.same({ nil, "create function not permitted" },
      { https.request { url = "https://localhost/", create = print } })
  end))
end)
