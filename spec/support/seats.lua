-- SPDX-License-Identifier: MIT

--- Two processes in each pair of seats: a parent and a child, or a primary and a worker of a
--- cluster, both written in JavaScript and in Lua. Two Nodes show what they say, and then one
--- of the two, and both, are of this library.
---
---     seats.define({ {
---       "does what it says",
---       parent_js = "...", parent_lua = "...",    -- or primary_js, primary_lua
---       child_js = "...", child_lua = "...",
---       P = { "exit 0 nil" }, C = {},             -- what the two say
---       node = { P = { ... } },                   -- where one that is a Node differs
---     } })
---
--- Both programs have `say(...)`, `tells(name)`, which gives a listener that says its name and
--- its arguments, and `serve(fn)`: fn(server, socket) for one connection. A parent has `kid`,
--- and a primary `fork([env])`, of which the end is told. `stop()` tells the other side that it
--- has stopped, and stops: it answers nothing from then on.
---
--- "exit" and "close" of a child stand last: a Node reads a channel once a turn, so that the end
--- of a child that is quick may come before that of its channel. What a primary says is sorted.

local assert = require("luassert")
local busted = require("busted")
local child = require("net.child")
local children = require("spec.support.children")
local lfs = require("lfs")
local net_process = require("net.process")
local node = require("spec.support.node")
local within = require("spec.support").within

local LUANET = lfs.currentdir() .. "/bin/luanet"

local M = {}

--- `who` is the letter in front of its lines.
local PRELUDE_JS = [[
  const net = require("net"), fs = require("fs");
  const word = (v) => v === null || v === undefined ? "nil" : v instanceof Error ? v.code ?? v.message : String(v);
  const say = (...words) => fs.writeSync(1, [who, ...words.map(word)].join(" ") + "\n");
  const tells = (name) => (...words) => say(name, ...words);
  const serve = (fn) => {
    const server = net.createServer({ pauseOnConnect: true }, (socket) => fn(server, socket));
    server.listen(0, "127.0.0.1", () => {
      net.connect(server.address().port, "127.0.0.1").resume().on("error", () => {});
    });
  };
  const stop = () => process.send("stopped", () => {}) && process.kill(process.pid, "SIGSTOP");
  // Where a Node stays for ever: it leaves when it has done all that it still has to do.
  const leave = (turns = 20) => turns ? setImmediate(leave, turns - 1) : process.exit(0);
  const orphaned = (was) => process.ppid === was ? setImmediate(orphaned, was) : leave();
]]
local PRELUDE_LUA = [[
  local net, process = require("net"), require("net.process")
  local core, timers = require("net.core"), require("net.timers")
  local function say(...)
    local words = table.pack(who, ...)
    for i = 1, words.n do
      words[i] = type(words[i]) == "table" and words[i].code or tostring(words[i])
    end
    io.stdout:write(table.concat(words, " "), "\n")
    io.stdout:flush()
  end
  local function tells(name) return function(...) say(name, ...) end end
  local function result(name) return function(err) say(name, err) end end
  local function serve(fn)
    local server
    server = net.createServer({ pauseOnConnect = true }, function(socket) fn(server, socket) end)
    server:listen(0, "127.0.0.1", function()
      net.connect(server:address().port, "127.0.0.1"):resume():on("error", function() end)
    end)
  end
  local function stop()
    process.send("stopped", function() end)
    process.kill(process.pid, "SIGSTOP")
  end
  local function parent() return tonumber(io.open("/proc/self/stat"):read("a"):match("%) %a (%d+)")) end
]]

local HEADS = {
  parent_js = 'const who = "P";' .. PRELUDE_JS .. [[
    const [, , file, execPath] = process.argv;
    const kid = require("child_process").fork(file, [], { execPath, execArgv: [] });
    for (const event of ["disconnect", "exit", "close"]) kid.on(event, tells(event));
  ]],
  parent_lua = 'local who = "P"' .. PRELUDE_LUA .. [[
    local kid = require("net.child").fork(arg[1], {}, { execPath = arg[2] })
    for _, event in ipairs({ "disconnect", "exit", "close" }) do kid:on(event, tells(event)) end
  ]],
  primary_js = 'const who = "P";' .. PRELUDE_JS .. [[
    const [, , file, execPath] = process.argv;
    const cluster = require("cluster");
    process.execPath = execPath;
    cluster.setupPrimary({ exec: file, args: [], execArgv: [] });
    const fork = (env) => {
      const w = cluster.fork(env);
      for (const event of ["disconnect", "exit"])
        w.on(event, (...words) => say(w.id, event, ...words, w.exitedAfterDisconnect));
      return w;
    };
  ]],
  primary_lua = 'local who = "P"' .. PRELUDE_LUA .. [[
    local cluster = require("net.cluster")
    cluster.setupPrimary({ exec = arg[1], args = {}, execPath = arg[2] })
    local function fork(env)
      local w = cluster.fork(env)
      for _, event in ipairs({ "disconnect", "exit" }) do
        w:on(event, function(...)
          local words = table.pack(...)
          words[words.n + 1] = w.exitedAfterDisconnect
          say(w.id, event, table.unpack(words, 1, words.n + 1))
        end)
      end
      return w
    end
  ]],
  child_js = 'const who = "C";' .. PRELUDE_JS .. [[
    process.on("disconnect", tells("disconnect"));
    process.on("exit", tells("exit"));
    require("cluster").worker?.on("disconnect", tells("worker disconnect"));
  ]],
  child_lua = 'local who = "C"' .. PRELUDE_LUA .. [[
    process:on("disconnect", tells("disconnect"))
    process:on("exit", tells("exit"))
    local cluster = require("net.cluster")
    if cluster.worker then cluster.worker:on("disconnect", tells("worker disconnect")) end
  ]],
}

local function write(t, name, text)
  local path = t.tmpdir() .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

--- Runs the two in a group of their own, until nobody of them has the standard output any more.
---@return table lines of "P" and of "C"
local function run(t, case, parent, kid, binary)
  local above = case.parent_js and "parent" or "primary"
  local script = write(t, "parent." .. parent, HEADS[above .. "_" .. parent] .. case[above .. "_" .. parent])
  local file = write(t, "child." .. kid, HEADS["child_" .. kid] .. case["child_" .. kid])
  local env = net_process.env
  env.LUA_PATH, env.LUA_CPATH = package.path, package.cpath
  local program = parent == "js" and binary or LUANET
  local args = { script, file, kid == "js" and binary or LUANET }
  local top = child.spawn(program, args, { detached = true, env = env })
  t.finally(function() pcall(net_process.kill, -top.pid, "SIGKILL") end)
  local out, err = children.gather(top.stdout), children.gather(top.stderr)
  t.run()
  assert.equal("", err.text)
  local lines, last = { P = {}, C = {} }, {}
  for who, line in out.text:gmatch("(%u) ([^\n]*)\n") do
    local is_last = who == "P" and (line:find("^exit") or line:find("^close"))
    table.insert(is_last and last or lines[who], line)
  end
  table.move(last, 1, #last, #lines.P + 1, lines.P)
  if above == "primary" then
    table.sort(lines.P)
  end
  return lines
end

local SEATS = {
  { "js", "js", "as parent and child" }, { "js", "lua", "as parent" }, { "lua", "js", "as child" },
}

local function define_one(name, case)
  local function compare(t, parent, kid, binary)
    local lines, of_node = run(t, case, parent, kid, binary), case.node or {}
    assert.same(parent == "js" and of_node.P or case.P, lines.P)
    assert.same(kid == "js" and of_node.C or case.C, lines.C)
  end
  node.each(function(binary, node_name)
    for _, seats in ipairs(SEATS) do
      busted.it(("%s: %s %s"):format(name, node_name, seats[3]), within(function(t)
        compare(t, seats[1], seats[2], binary)
      end))
    end
  end)
  busted.it(name .. ": this library as both", within(function(t) compare(t, "lua", "lua") end))
end

--- Defines what `it` would, for each case and each pair of seats.
---@param cases table[] the name of each stands at 1
function M.define(cases)
  for _, case in ipairs(cases) do
    define_one(case[1], case)
  end
end

return M
