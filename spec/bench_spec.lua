-- SPDX-License-Identifier: MIT

--- The bench's load generator: what it says is only worth something if it finds
--- every wrong byte. Runs it against the yardstick, which is right, and against a
--- server that is wrong on purpose (support/faulty.lua).

local process = require("spec.support.process")

local run, spawn = process.run, process.spawn

local scratch, spawned = nil, {}

local function compile(name, flags)
  local output, code = run(("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -o %s/%s bench/%s.c %s 2>&1"):format(
    os.getenv("CC") or "cc", scratch, name, name, flags or ""))
  assert.same({ "", 0 }, { output, code })
end

--- Starts a server; returns its port, or what `address` says.
local function start(command, address)
  local server = spawn(command)
  spawned[#spawned + 1] = server
  local port = server:expect("^(%d+)$")
  return address or port
end

local function bare(scenario, address)
  return start(("%s/bare %s %s"):format(scratch, scenario, address or "0"), address)
end

local function faulty(fault)
  return start(process.lua("spec/support/faulty.lua", fault))
end

--- The output and exit code of the load generator.
local function load(options, scenario, address)
  return run(("%s/load %s %s %s 2>&1"):format(scratch, options, scenario, address))
end

--- It must find nothing, and tell its figures.
local function assert_right(options, scenario, address)
  local output, code = load(options, scenario, address)
  assert.equal(0, code, output)
  assert.matches('^{"done":[1-9]', output)
end

--- It must find the fault: exit code 3, and a reason that matches.
local function assert_wrong(pattern, options, scenario, address)
  local output, code = load(options, scenario, address)
  assert.matches(pattern, output)
  assert.equal(3, code)
end

describe("the bench's load generator #slow", function()
  setup(function()
    scratch = run("mktemp -d"):gsub("%s", "")
    compile("load")
    compile("bare")
  end)

  teardown(function()
    run("rm -rf " .. scratch)
  end)

  after_each(function()
    for _, server in ipairs(spawned) do
      server:kill()
    end
    spawned = {}
  end)

  for _, scenario in ipairs { "echo", "four", "sink", "source", "connect" } do
    it("passes bare C in " .. scenario, function()
      assert_right("-c4 -t0.05", scenario, bare(scenario))
    end)
  end

  it("passes bare C on a Unix socket", function()
    assert_right("-c4 -d16 -t0.05", "echo", bare("echo", scratch .. "/bare.sock"))
  end)

  it("passes bare C beside idle connections", function()
    assert_right("-c4 -i300 -t0.05", "echo", bare("echo"))
  end)

  --- Else it would still be at that while the next server is measured.
  it("waits until the server has closed the idle connections", function()
    local output = run(([[
      '%s/bare' echo 0 >'%s/port' & server=$!
      until [ -s '%s/port' ]; do :; done
      '%s/load' -p $server -c4 -i300 -t0.05 echo "$(cat '%s/port')" >/dev/null
      [ "$(ls /proc/$server/fd | wc -l)" -lt 20 ] && echo closed
      kill $server; wait $server 2>/dev/null
    ]]):format(scratch, scratch, scratch, scratch, scratch))
    assert.equal("closed\n", output)
  end)

  it("sends exactly the messages it is told to", function()
    local output = load("-c3 -s64 -d4 -n100", "echo", bare("echo"))
    assert.matches('"done":300,"bytes":19200,', output)
  end)

  it("passes the server of these specs when it is right", function()
    assert_right("-c2 -n1000", "echo", faulty("none"))
  end)

  it("finds a byte that is changed", function()
    assert_wrong("is wrong", "-c2 -n1000", "echo", faulty("swap"))
  end)

  it("finds a byte that is lost between others", function()
    assert_wrong("is wrong", "-c2 -d16 -n1000", "echo", faulty("lose"))
  end)

  it("finds a byte that is lost and leaves it waiting", function()
    assert_wrong("bytes must be lost", "-c1 -s10000 -n1 -l0.2", "echo", faulty("lose"))
  end)

  it("finds a byte that is lost at the end of its time", function()
    assert_wrong("bytes must be lost", "-c1 -s10000 -t0.1 -l0.2", "echo", faulty("lose"))
  end)

  it("finds a byte that comes twice", function()
    assert_wrong("is wrong", "-c2 -d16 -n1000", "echo", faulty("double"))
  end)

  it("finds a connection that is closed", function()
    assert_wrong("closed a connection", "-c1 -s100 -n1000", "echo", faulty("close"))
  end)

  it("finds a server that answers what it should discard", function()
    assert_wrong("a byte came", "-c1 -t0.2", "sink", bare("echo"))
  end)

  it("finds a server that answers with the wrong stream", function()
    assert_wrong("is wrong", "-c1 -n10", "four", bare("echo"))
  end)

  it("finds that nobody listens", function()
    local _, code = load("-n1", "echo", scratch .. "/nobody.sock")
    assert.equal(2, code)
  end)
end)

describe("bare C #slow", function()
  setup(function()
    scratch = run("mktemp -d"):gsub("%s", "")
    compile("load")
    compile("bare")
  end)

  teardown(function()
    run("rm -rf " .. scratch)
  end)

  --- It once waited for ever to send to a peer that had gone, and so spent, idle,
  --- what the next measurement counted.
  it("is idle when a peer went away with an answer due", function()
    local path = scratch .. "/gone.sock"
    local output = run(([[
      '%s/bare' echo '%s' >/dev/null & server=$!
      until [ -S '%s' ]; do :; done
      '%s/load' -c8 -d64 -t60 echo '%s' & load=$!
      until [ "$(ls /proc/$server/fd | wc -l)" -gt 12 ]; do :; done
      kill -STOP $server; kill -KILL $load; wait $load 2>/dev/null; kill -CONT $server
      until [ "$(ls /proc/$server/fd | wc -l)" -lt 8 ]; do :; done
      echo dropped; kill $server; wait $server 2>/dev/null
    ]]):format(scratch, path, path, scratch, path))
    assert.equal("dropped\n", output)
  end)
end)
