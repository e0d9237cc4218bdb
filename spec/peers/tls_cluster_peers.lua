-- SPDX-License-Identifier: MIT

--- TLS servers in clusters of this library and of Node: all workers of one port have the keys of
--- the first one's tickets, whoever they are.

local cluster = require("spec.support.cluster")
local co = require("net.co")
local node = require("spec.support.node")
local pair = require("spec.support.tlspair")
local process = require("spec.support.process")
local tls = require("net.tls")
local within = require("spec.support").within

local LUA_WORKER = [[
local tls = require("net.tls")
local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end
local server = tls.createServer({ cert = read(arg[1]), key = read(arg[2]), sessionIdContext = "one" }, function(socket)
  socket:finish(("lua %s"):format(socket:isSessionReused()))
end)
server:listen(0, "127.0.0.1")
]]

local NODE_WORKER = [[
const [, , cert, key] = process.argv, fs = require("fs"), tls = require("tls");
tls.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key), sessionIdContext: "one" }, (socket) =>
  socket.end("node " + socket.isSessionReused())).listen(0, "127.0.0.1");
]]

local LUA_PRIMARY = [[
local ready, count = 0, #arg // 2
cluster.schedulingPolicy = cluster[os.getenv("SPEC_POLICY")]
cluster:on("listening", function(_, address)
  ready = ready + 1
  if ready == count then say("port", address.port) end
end)
local fork
local function go_on(i)
  cluster.setupPrimary({ execPath = arg[2 * i - 1], exec = arg[2 * i],
    args = { os.getenv("SPEC_CERT"), os.getenv("SPEC_KEY") } })
  local worker = cluster.fork()
  if i < count then worker:on("listening", function() go_on(i + 1) end) end
end
go_on(1)
process:on("SIGTERM", function() cluster.disconnect() end)
]]

local NODE_PRIMARY = [[
const cluster = require("cluster"), [, , ...list] = process.argv, count = list.length / 2;
if (process.env.SPEC_POLICY === "SCHED_NONE") cluster.schedulingPolicy = cluster.SCHED_NONE;
let ready = 0;
cluster.on("listening", (_, address) => {
  if (++ready === count) console.log("port " + address.port);
});
function goOn(i) {
  process.execPath = list[2 * i];
  cluster.setupPrimary({ exec: list[2 * i + 1], execArgv: [],
    args: [process.env.SPEC_CERT, process.env.SPEC_KEY] });
  const worker = cluster.fork();
  if (i + 1 < count) worker.on("listening", () => goOn(i + 1));
}
goOn(0);
process.on("SIGTERM", () => cluster.disconnect());
]]

--- What clients, one after the other, are told, each with the session of the one before.
local function visit(port, times)
  local told, session = {}, nil
  for i = 1, times do
    local socket <close> = assert(tls.co.connect({ port = port, host = "localhost", ca = pair.ca.cert,
      session = session }))
    socket:on("session", function(blob) session = blob end)
    told[i] = socket:receive("all")
  end
  return told
end

--- Who has answered, in order, and whether all but the first have resumed.
local function answers(primary, policy, workers)
  local p = process.spawn(("env SPEC_POLICY=%s SPEC_LUANET=%s SPEC_CERT=%s SPEC_KEY=%s %s %s"):format(
    policy, cluster.luanet, pair.server.path, pair.server.key_path, primary, table.concat(workers, " ")))
  local port = math.tointeger(tonumber((p:expect("^port (%d+)$"))))
  local told
  co.run(function() told = visit(port, 6) end)
  p:signal("TERM")
  local rest, code = p:finish()
  assert.equal(0, code, rest)
  local who = {}
  for i, text in ipairs(told) do
    local name, reused = text:match("^(%w+) (%w+)$")
    assert.equal(tostring(i > 1), reused)
    who[name] = true
  end
  return who
end

describe("The TLS servers of a cluster share the keys of their tickets:", function()
  node.each(function(binary, name)
    for _, policy in ipairs({ "SCHED_RR", "SCHED_NONE" }) do
      for seat, mixed in pairs({ ["Lua's workers"] = { "lua" }, ["Node's workers"] = { "node" },
        ["both"] = { "node", "lua" }, ["both, Lua's first"] = { "lua", "node" } }) do
        for _, primary in ipairs({ "lua", "node" }) do
          it(("a primary of %s, %s of %s, %s"):format(primary, seat, name, policy), within(function(t)
            local kinds = { lua = cluster.luanet .. " " .. cluster.script(t, LUA_WORKER),
              node = binary .. " " .. node.script(t, NODE_WORKER) }
            local workers = { kinds[mixed[1]], kinds[mixed[2] or mixed[1]] }
            local start = primary == "lua" and cluster.luanet .. " " .. cluster.script(t, LUA_PRIMARY)
              or node.command(binary, node.script(t, NODE_PRIMARY))
            local who = answers(start, policy, workers)
            if policy == "SCHED_RR" then
              for _, kind in ipairs(mixed) do assert.is_true(who[kind]) end
            end
          end))
        end
      end
    end
  end)
end)
