-- SPDX-License-Identifier: MIT

--- Random programs of TLS over what the program has itself: sockets that are connected or about
--- to be, behind a few words in the plain (STARTTLS), two ends joined in memory, TLS again.
--
-- The socket below is R on the server's side, R1 on the client's. Each gives the lines that end
-- with S and C1 made; of R and R1 little is asked afterwards, as they have no handle then.

local tree = require("spec.parity.random.tree")
local programs = require("spec.parity.random.programs")

local node, kept = tree.node, tree.kept
local parts = programs.parts

local ways = {}

--- What is done to a socket below TLS.
local BELOW = {
  { 4, "destroy()" }, { 4, 'destroy(Error("own"))' }, { 2, "pause()" }, { 2, "resume()" },
  { 1, "ref()" }, { 1, "setNoDelay()" }, { 1, "isPaused()" },
  { 1, 'write("plain")' }, { 1, "end()" }, { 1, 'setTimeout(4)' },
}

local function below(m, who)
  local call = m.d:weighted(BELOW)
  return node(('%s << "%s", try %s.%s'):format(who, call:match("%a+"), who, call))
end

--- Sometimes something that happens to the socket below.
local function meddle(m, who)
  if not m.d:chance(25) then return {} end
  local line = below(m, who)
  local head = m.d:one({ "tick", "immediate", "after 3", "after 30", "once " .. (m.upper or "C1") .. " data",
    "once " .. (m.upper or "C1") .. " secure" })
  return { node(head, { line }) }
end

--- The server's half over R, as lines.
local function upper_server(m, options)
  m.upper = "S"
  local nodes = {
    kept(('let S = tls.TLSSocket(R, versioned({isServer: true, cert: pem("server"), key: keyof("server")%s}))')
      :format(options)),
    kept("P1 = S"), parts.watch(m, "S"),
  }
  local outer = m.sockets
  m.sockets = { "S", "S", table.unpack(outer) }
  parts.append(nodes, parts.block(m, "S", 3))
  parts.append(nodes, meddle(m, "R"))
  m.sockets = outer
  return nodes
end

local function upper_client(m, options)
  m.upper = "C1"
  local nodes = {
    kept(('C1 = tls.connect(versioned({socket: R1, servername: "localhost", ca: pem("ca")%s}))')
      :format(options)),
    parts.watch(m, "C1"),
    node("on C1 session (data) { kept.session = data }"),
  }
  parts.append(nodes, parts.block(m, "C1", 3))
  parts.append(nodes, meddle(m, "R1"))
  return nodes
end

local function half_open(m) return m.d:chance(30) and "{noDelay: true, allowHalfOpen: true}" or "{noDelay: true}" end

--- R and R1 are sockets of TCP, or TLS already.
local function by_sockets(m, mine, yours, serve, dial)
  local inner = { kept("watch R") }
  parts.append(inner, upper_server(m, mine))
  local head = node(("%s %s (R)"):format(serve, half_open(m)), inner)
  head.keep = true
  local nodes = { head }
  if dial == "secure" then nodes[2] = kept("offer(srv)") end
  nodes[#nodes + 1] = kept(("let R1 = %s%s)"):format(
    dial == "secure" and "secure(" or "dial(srv, ", half_open(m)))
  nodes[#nodes + 1] = kept("watch R1")
  if m.d:chance(50) then nodes[#nodes + 1] = kept("settle") end
  parts.append(nodes, upper_client(m, yours))
  return nodes
end

--- A few words in the plain, and then TLS.
local function by_starttls(m, mine, yours)
  local answer = node("once R data", { kept('R.write("go")') })
  parts.append(answer.body, upper_server(m, mine))
  local greeting = node("once R1 data", upper_client(m, yours))
  answer.keep, greeting.keep = true, true
  local head = node(("serve srv times 1 %s (R)"):format(half_open(m)), { kept("watch R +data"), answer })
  head.keep = true
  return {
    head, kept(("let R1 = dial(srv, %s)"):format(half_open(m))), kept("watch R1 +data"), greeting,
    kept('R1.write("STARTTLS")'), kept("settle"),
  }
end

local function by_pair(m, mine, yours)
  local nodes = { kept("let srv = EventEmitter(); let ends = pair(); let R = ends[1]; let R1 = ends[2]") }
  parts.append(nodes, upper_server(m, mine))
  parts.append(nodes, upper_client(m, yours))
  return nodes
end

local WAYS = {
  { 4, function(m, mine, yours) return by_sockets(m, mine, yours, "serve srv times 1", "dial") end },
  { 2, function(m, mine, yours) return by_sockets(m, mine, yours, "serve srv tls times 1", "secure") end },
  { 4, by_starttls }, { 4, by_pair },
}

--- Options as what goes behind others in a table, without those that are a server's alone.
local function more(text)
  local inner = text:match("^{(.*)}$"):gsub("pauseOnConnect: true", "none: true")
  return inner == "" and "" or ", " .. inner
end

--- The lines of such a program, up to what all have.
---@param m table see programs.lua
---@param mine string options of the server's half
---@param yours string of the client's
function ways.over(m, mine, yours)
  return m.d:weighted(WAYS)(m, more(mine), more(yours))
end

return ways
