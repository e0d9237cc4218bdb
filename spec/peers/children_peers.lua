-- SPDX-License-Identifier: MIT

--- The traces of a child's life, in each pair of seats: a Node parent with a Node child shows
--- what they are, and then one of the two, and both, are of this library.

local child = require("net.child")
local children = require("spec.support.children")
local net = require("net")
local node = require("spec.support.node")
local process = require("net.process")
local timers = require("net.timers")
local within = require("spec.support").within

--- Each: a parent in JavaScript and in Lua, which have `kid` and `log`; a child in both; what
--- the parent tells, and what the child prints. `node` is the trace where Node has a defect.
local TRACES = {
  {
    "a child that answers nothing",
    js = 'kid.send("hi", (err) => log("sent", err))',
    lua = function(kid, log) kid:send("hi", function(err) log("sent", err) end) end,
    child_js = 'process.once("message", () => {})',
    child_lua = 'process:once("message", function() end)',
    trace = { "spawn", "sent nil", "disconnect", "exit 0 nil", "close 0 nil" },
  },
  {
    "a parent that disconnects",
    js = 'kid.send("m"); kid.stdout.once("data", () => kid.disconnect())',
    lua = function(kid)
      kid:send("m")
      kid.stdout:once("data", function() kid:disconnect() end)
    end,
    child_js = [[process.on("message", (m) => console.log("message", m));
      process.on("exit", () => console.log("exit"))]],
    child_lua = [[process:on("message", function(m) print("message " .. m) end)
      process:on("exit", function() print("exit") end)]],
    trace = { "spawn", "disconnect", "exit 0 nil", "close 0 nil" },
    node = { "spawn", "disconnect", "exit 0 nil" },
    out = "message m\nexit\n",
  },
  {
    "a child that disconnects",
    js = "", lua = function() end,
    child_js = [[process.on("disconnect", () => console.log("disconnect"));
      process.disconnect();
      console.log(process.connected);
      process.send("x", (e) => console.log("callback", e.code));
      process.send("y")]],
    child_lua = [[process:on("disconnect", function() print("disconnect") end)
      process.disconnect()
      print(process.connected)
      process.send("x", function(e) print("callback " .. e.code) end)
      process.send("y")]],
    trace = { "spawn", "disconnect", "exit 1 nil", "close 1 nil" },
    out = "false\ndisconnect\ncallback ERR_IPC_CHANNEL_CLOSED\n",
  },
  {
    "a child that sends, and ends at once",
    js = "", lua = function() end,
    child_js = 'process.send("a"); process.exit(5)',
    child_lua = 'process.send("a") process.exit(5)',
    trace = { "spawn", "message a", "disconnect", "exit 5 nil", "close 5 nil" },
  },
  {
    "a child that sends much, and comes to its end",
    js = "", lua = function() end,
    child_js = [[for (let i = 1; i <= 3; i++)
        process.send("x".repeat(200000), (err) => console.log("sent", i, err));
      process.on("exit", () => console.log("exit"))]],
    child_lua = [[for i = 1, 3 do
        process.send(("x"):rep(200000), function() print(("sent %d null"):format(i)) end)
      end
      process:on("exit", function() print("exit") end)]],
    trace = { "spawn", "message 200000", "message 200000", "message 200000", "disconnect",
      "exit 0 nil", "close 0 nil" },
    out = "sent 1 null\nsent 2 null\nsent 3 null\nexit\n",
  },
  {
    "a child that is killed",
    js = 'kid.once("message", () => kid.kill("SIGKILL"))',
    lua = function(kid) kid:once("message", function() kid:kill("SIGKILL") end) end,
    child_js = 'process.on("message", () => {}); process.send("up")',
    child_lua = 'process:on("message", function() end) process.send("up")',
    trace = { "spawn", "message up", "disconnect", "exit nil SIGKILL", "close nil SIGKILL" },
  },
  {
    "messages that are sent before the child is there, and then the end",
    js = "kid.send(1); kid.send(2); kid.send(3); kid.disconnect()",
    lua = function(kid)
      for i = 1, 3 do kid:send(i) end
      kid:disconnect()
    end,
    child_js = [[process.on("message", (m) => console.log("message", m));
      process.on("disconnect", () => console.log("disconnect"))]],
    child_lua = [[process:on("message", function(m) print("message " .. m) end)
      process:on("disconnect", function() print("disconnect") end)]],
    trace = { "spawn", "disconnect", "exit 0 nil", "close 0 nil" },
    node = { "spawn", "disconnect", "exit 0 nil" },
    out = "message 1\nmessage 2\nmessage 3\ndisconnect\n",
  },
  {
    "values of each kind, there and back",
    js = [==[kid.on("message", () => kid.disconnect());
      kid.send({ s: "é\u2028\"\\\n", n: [1, 2.5, -1e21, true, false, null, [], {}],
        deep: { a: { b: [[1]] } } })]==],
    lua = function(kid)
      kid:on("message", function() kid:disconnect() end)
      kid:send({ s = "é\u{2028}\"\\\n",
        n = { 1, 2.5, -1e21, true, false, child.null, child.array({}), {} }, deep = { a = { b = { { 1 } } } } })
    end,
    child_js = 'process.once("message", (m) => process.send(JSON.stringify([m.s, m.n, m.deep])))',
    child_lua = [[local child = require("net.child")
      local json = require("net.core").json
      process:once("message", function(m) process.send(json.encode({ m.s, m.n, m.deep })) end)]],
    trace = { "spawn",
      [==[message ["é]==] .. "\u{2028}" .. [==[\"\\\n",[1,2.5,-1e+21,true,false,null,[],{}],{"a":{"b":[[1]]}}]]==],
      "disconnect", "exit 0 nil", "close 0 nil" },
    node = { "spawn",
      [==[message ["é]==] .. "\u{2028}" .. [==[\"\\\n",[1,2.5,-1e+21,true,false,null,[],{}],{"a":{"b":[[1]]}}]]==],
      "disconnect", "exit 0 nil" },
  },
  {
    "a program that is not there",
    missing = true,
    js = 'kid.send("x", (err) => log("sent", err))',
    lua = function(kid, log) kid:send("x", function(err) log("sent", err) end) end,
    trace = { "error spawn /nonexistent ENOENT", "sent write EPIPE", "disconnect", "close -2 nil" },
  },
}

local PARENT = [[
const [, , file, execPath] = process.argv;
const lines = [];
const word = (v) => v === null || v === undefined ? "nil" : v instanceof Error ? v.message :
  typeof v === "string" && v.length > 1000 ? String(v.length) : String(v);
const log = (name, ...values) => lines.push([name, ...values.map(word)].join(" "));
const kid = require("child_process").fork(file, [], { silent: true, ...(execPath && { execPath, execArgv: [] }) });
for (const event of ["spawn", "disconnect", "exit", "close"])
  kid.on(event, (...values) => log(event, ...values));
kid.on("message", (m) => log("message", m));
kid.on("error", (err) => log("error", err));
let out = "";
kid.stdout?.on("data", (data) => { out += data; });
process.on("exit", () => console.log(JSON.stringify({ lines, out })));
]]

local function write(t, name, text)
  local path = t.tmpdir() .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

local HEAD = 'local process = require("net.process")\nio.stdout:setvbuf("no")\n'

local ENDS = { disconnect = 1, exit = 2, close = 3 }

--- A Node reads a channel once a turn, so that the end of a child that is quick may come before
--- that of its channel: the last events in the order that they have otherwise.
local function in_order(lines)
  local function rank(line) return ENDS[line:match("^%l+")] or 0 end
  local last = #lines
  while last > 0 and rank(lines[last]) > 0 do last = last - 1 end
  local ends = table.move(lines, last + 1, #lines, 1, {})
  table.sort(ends, function(a, b) return rank(a) < rank(b) end)
  return table.move(ends, 1, #ends, last + 1, lines)
end

--- What a parent in Node says of a child.
local function node_parent(t, binary, trace, file, exec_path)
  local script = write(t, "parent.js", PARENT .. trace.js)
  local parent = child.spawn(binary, { "--no-warnings", script, file, exec_path })
  local out, err = children.gather(parent.stdout), children.gather(parent.stderr)
  t.run()
  assert.equal("", err.text)
  local result = require("net.core").json.decode(out.text)
  return in_order(result.lines), result.out
end

--- What a parent of this library says.
local function lua_parent(t, trace, file, exec_path)
  local lines = {}
  local function log(name, ...)
    local words = table.pack(name, ...)
    for i = 1, words.n do
      local v = words[i]
      words[i] = type(v) == "table" and v.message or type(v) == "string" and #v > 1000 and #v or tostring(v)
    end
    lines[#lines + 1] = table.concat(words, " ")
  end
  local kid = child.fork(file, {}, { silent = true, execPath = exec_path })
  for _, event in ipairs({ "spawn", "disconnect", "exit", "close" }) do
    kid:on(event, function(...) log(event, ...) end)
  end
  kid:on("message", function(m) log("message", m) end)
  kid:on("error", function(err) log("error", err) end)
  local out = children.gather(kid.stdout)
  trace.lua(kid, log)
  t.run()
  return lines, out.text
end

describe("The trace of", function()
  local launcher, was = nil, process.execPath

  setup(function()
    local here <close> = io.popen("pwd")
    launcher = here:read("l") .. "/bin/luanet"
    process.execPath = launcher
  end)

  teardown(function() process.execPath = was end)

  for _, trace in ipairs(TRACES) do
    local function compare(lines, out, expected)
      assert.same(expected, lines)
      assert.equal(trace.out or "", out)
    end
    node.each(function(binary, name)
      it(("%s: %s as parent and child"):format(trace[1], name), within(function(t)
        local file = write(t, "child.js", trace.child_js or "")
        local lines, out = node_parent(t, binary, trace, file, trace.missing and "/nonexistent")
        compare(lines, out, trace.node or trace.trace)
      end))

      it(("%s: %s as parent"):format(trace[1], name), within(function(t)
        local file = write(t, "child.lua", HEAD .. (trace.child_lua or ""))
        local lines, out = node_parent(t, binary, trace, file, trace.missing and "/nonexistent" or launcher)
        compare(lines, out, trace.node or trace.trace)
      end))

      it(("%s: %s as child"):format(trace[1], name), within(function(t)
        local file = write(t, "child.js", trace.child_js or "")
        local lines, out = lua_parent(t, trace, file, trace.missing and "/nonexistent" or binary)
        compare(lines, out, trace.trace)
      end))
    end)

    it(trace[1] .. ": this library as both", within(function(t)
      local file = write(t, "child.lua", HEAD .. (trace.child_lua or ""))
      local lines, out = lua_parent(t, trace, file, trace.missing and "/nonexistent" or nil)
      compare(lines, out, trace.trace)
    end))
  end
end)

--- Processes without a channel: the same calls of spawn in both.
local SPAWNED = {
  {
    "a child that is killed by kill()", "sleep", { "60" }, {},
    js = "kid.kill()", lua = function(kid) kid:kill() end,
    trace = { "spawn", "exit nil SIGTERM", "close nil SIGTERM" },
  },
  {
    "a child that has its time", "sleep", { "60" }, { timeout = 50, killSignal = "SIGKILL" },
    js = "", lua = function() end,
    trace = { "spawn", "exit nil SIGKILL", "close nil SIGKILL" },
  },
  {
    "a child whose signal aborts", "sleep", { "60" }, {}, abort = true,
    js = "setTimeout(() => controller.abort(), 20)",
    lua = function(_, controller) timers.setTimeout(function() controller:abort() end, 20) end,
    trace = { "spawn", "error The operation was aborted", "exit nil SIGTERM", "close nil SIGTERM" },
  },
  {
    "a file that may not be run", "/etc/passwd", {}, {},
    js = "", lua = function() end,
    trace = { "error spawn /etc/passwd EACCES", "close -13 nil" },
  },
  {
    "a directory that is not there", "true", {}, { cwd = "/nonexistent" },
    js = "", lua = function() end,
    trace = { "error spawn true ENOENT", "close -2 nil" },
  },
}

describe("The trace without a channel of", function()
  local json = require("net.core").json

  for _, case in ipairs(SPAWNED) do
    node.each(function(binary, name)
      it(case[1] .. ": " .. name, within(function(t)
        local options = {}
        for key, value in pairs(case[4]) do options[key] = value end
        local script = write(t, "parent.js", ([[
          const controller = new AbortController();
          const kid = require("child_process").spawn(%s, %s, { ...%s, ...(%s && { signal: controller.signal }) });
          const lines = [];
          const word = (v) => v === null ? "nil" : String(v);
          for (const event of ["spawn", "exit", "close"])
            kid.on(event, (...values) => lines.push([event, ...values.map(word)].join(" ")));
          kid.on("error", (err) => lines.push("error " + err.message));
          process.on("exit", () => console.log(JSON.stringify(lines)));
          %s
        ]]):format(json.encode(case[2]), json.encode(child.array(case[3])), json.encode(options),
          tostring(case.abort or false), case.js))
        local parent = child.spawn(binary, { "--no-warnings", script })
        local out = children.gather(parent.stdout)
        t.run()
        assert.same(case.trace, json.decode(out.text))
      end))
    end)

    it(case[1] .. ": this library", within(function(t)
      local controller, options, lines = net.abort.AbortController(), {}, {}
      for key, value in pairs(case[4]) do options[key] = value end
      options.signal = case.abort and controller.signal or nil
      local kid = child.spawn(case[2], case[3], options)
      for _, event in ipairs({ "spawn", "exit", "close" }) do
        kid:on(event, function(...)
          local words = table.pack(event, ...)
          for i = 1, words.n do words[i] = tostring(words[i]) end
          lines[#lines + 1] = table.concat(words, " ")
        end)
      end
      kid:on("error", function(err) lines[#lines + 1] = "error " .. err.message end)
      case.lua(kid, controller)
      t.run()
      assert.same(case.trace, lines)
    end))
  end
end)
