-- SPDX-License-Identifier: MIT

--- What a client says of a server's chain of certificates: this library's and Node 26's, of
--- the same server.

local certificates = require("spec.support.certificates")
local child = require("net.child")
local json = require("net.core").json
local node = require("spec.support.node")
local pair = require("spec.support.tlspair")
local tls = require("net.tls")
local within = require("spec.support").within

local NODE = node.binaries["Node 26"]
local promise = NODE and it or pending

local SCRIPT = [[
const tls = require("tls");
const { ca, crl, partial, port, host } = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
const text = (e) => e.message.replace(/; if the root CA is installed locally.*/s, "");
const socket = tls.connect({ ca, crl, port, host: "127.0.0.1", servername: host,
  allowPartialTrustChain: partial }, () => {
  console.log(JSON.stringify(["ok"]));
  socket.destroy();
});
socket.on("error", (e) => console.log(JSON.stringify([e.code, text(e)])));
]]

--- What a Node says that is started beside the loop.
local function of_node(t, case, on_close)
  local path = t.tmpname()
  do
    local file <close> = assert(io.open(path, "wb"))
    file:write(json.encode(case))
  end
  local answer
  local kid = child.spawn(NODE, { "--no-warnings", node.script(t, SCRIPT), path },
    { stdio = { "ignore", "pipe", "inherit" } })
  kid.stdout:setEncoding("utf8")
  kid.stdout:on("data", function(line) answer = (answer or "") .. line end)
  kid:on("close", t.calls(1, on_close))
  return function() return { table.unpack(json.decode(answer)) } end
end

local function of_ours(t, case, on_close)
  local answer
  local socket = tls.connect({ ca = case.ca, crl = case.crl, port = case.port, host = "127.0.0.1",
    servername = case.host, allowPartialTrustChain = case.partial })
  socket:once("secureConnect", function()
    answer = { "ok" }
    socket:destroy()
  end)
  socket:once("error", function(err) answer = { err.code, err.message } end)
  socket:on("close", t.calls(1, on_close))
  return function() return answer end
end

--- Chains, each with the file of its server and what the client has.
local function cases()
  local root, other = certificates.authority(), certificates.authority({ subject = "/CN=other" })
  local middle = root:intermediate()
  local leaf, far = root:issue({ san = "DNS:localhost" }), middle:issue({ san = "DNS:localhost" })
  local revoked = root:issue({ san = "DNS:localhost" })
  root:revoke(revoked)
  local old = root:issue({ san = "DNS:localhost", from = "20200101000000Z", to = "20210101000000Z" })
  local young = root:issue({ san = "DNS:localhost", from = "20900101000000Z" })
  local client = root:issue({ san = "DNS:localhost", ext = { "extendedKeyUsage=clientAuth" } })
  local own = certificates.self_signed({ san = "DNS:localhost" })
  local function chain(of, ...) return { cert = table.concat({ of.cert, ... }), key = of.key } end
  return {
    { leaf, { ca = root.cert } }, { chain(far, middle.cert), { ca = root.cert } },
    { far, { ca = root.cert } }, { leaf, { ca = other.cert } }, { own, { ca = root.cert } },
    { own, { ca = own.cert } }, { chain(leaf, root.cert), { ca = other.cert } },
    { far, { ca = middle.cert } }, { far, { ca = middle.cert, partial = true } },
    { old, { ca = root.cert } }, { young, { ca = root.cert } }, { client, { ca = root.cert } },
    { revoked, { ca = root.cert, crl = root:crl() } }, { leaf, { ca = root.cert, crl = root:crl() } },
    { leaf, { ca = root.cert, crl = other:crl() } }, { old, { ca = other.cert } },
    { leaf, { ca = root.cert, host = "a.com" } }, { leaf, { ca = other.cert, host = "a.com" } },
  }
end

describe("What a client says of a chain", function()
  for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
    promise("is what Node says: " .. version, within(function(t)
      local answers = {}
      for i, case in ipairs(cases()) do
        local server = pair.listen({ cert = case[1].cert, key = case[1].key, minVersion = version,
          maxVersion = version }, function(socket) socket:on("error", function() end) end)
        case[2].port, case[2].host = server:address().port, case[2].host or "localhost"
        local left = 2
        local function on_close()
          left = left - 1
          if left == 0 then server:close() end
        end
        answers[i] = { of_ours(t, case[2], on_close), of_node(t, case[2], on_close) }
      end
      t.run()
      for i, answer in ipairs(answers) do
        assert.same(answer[2](), answer[1](), "case " .. i)
      end
    end))
  end
end)
