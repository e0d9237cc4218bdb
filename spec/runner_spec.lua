-- SPDX-License-Identifier: MIT

--- tools/specs.sh: spec files side by side, and what it says of those that fail, crash or
--- end in error.

local process = require("spec.support.process")

describe("make test, of several files", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  after_each(function()
    os.execute("rm -rf " .. folder)
  end)

  local function write(name, text)
    local file <close> = assert(io.open(("%s/%s_spec.lua"):format(folder, name), "w"))
    assert(file:write(text))
  end

  --- What it prints, and its exit code.
  local function run(arguments)
    return process.run("tools/specs.sh " .. (arguments or folder) .. " 2>&1")
  end

  local GOOD = [[it("is one", function() end)]]

  it("adds up what each has passed, in a line for each", function()
    write("a", GOOD)
    write("b", GOOD .. "\n" .. [[pending("is none yet")]])
    local text, code = run()
    assert.matches("a_spec.lua: 1 passed, 0 failed, 0 skipped\n", text, 1, true)
    assert.matches("b_spec.lua: 1 passed, 0 failed, 1 skipped\n", text, 1, true)
    assert.matches("\n2 passed, 0 failed, 1 skipped\n$", text)
    assert.equal(0, code)
  end)

  it("shows all of one that has failed", function()
    write("a", GOOD)
    write("b", GOOD .. [[ it("is another", function() error("that is why") end)]])
    local text, code = run()
    assert.matches("that is why", text, 1, true)
    assert.matches("\n2 passed, 1 failed, 0 skipped\n$", text)
    assert.equal(1, code)
  end)

  it("counts one that dies, and one that ends in error with good counts", function()
    write("a", [[it("ends all", function() os.exit(3) end)]])
    write("b", GOOD .. [[ setmetatable({}, { __gc = function() os.exit(99) end })]])
    write("c", GOOD)
    local text, code = run()
    assert.matches("a_spec.lua: exit code 3\n", text, 1, true)
    assert.matches("b_spec.lua: exit code 99\n", text, 1, true)
    assert.matches("\n2 passed, 2 failed, 0 skipped\n$", text)
    assert.equal(1, code)
  end)

  it("counts a file that is not there", function()
    write("a", GOOD)
    local text, code = run(folder .. " " .. folder .. "/none_spec.lua")
    assert.matches("Cannot find file or directory: %S+/none_spec.lua", text)
    assert.not_matches(" 0 failed, 0 skipped\n$", text)
    assert.equal(1, code)
  end)

  it("leaves out what a pattern names, and gives busted its options", function()
    write("tls_a", [[it("is left out", function() error("not so") end)]])
    write("b", GOOD .. [[ it("is left out #slow", function() error("not so") end)]])
    write("c", GOOD)
    local text, code = run("--exclude-pattern=tls_ --exclude-tags=slow " .. folder)
    assert.matches("\n2 passed, 0 failed, 0 skipped\n$", text)
    assert.equal(0, code)
  end)

  it("runs a single one as busted does", function()
    write("a", GOOD)
    local text, code = run(folder .. "/a_spec.lua")
    assert.matches("a_spec.lua +\n1 success / 0 failures", text, 1, true)
    assert.equal(0, code)
  end)

  it("skips what wants a Node that is not here, and says which", function()
    write("a", [[require("spec.support.node").each(function() error("not so") end)]])
    local text, code = process.run("env -u PEER_NODE20 -u PEER_NODE26 tools/specs.sh "
      .. folder .. "/a_spec.lua 2>&1")
    assert.matches("Node 20 is not here\n.*Node 26 is not here\n", text)
    assert.matches("\n0 passed, 0 failed, 2 skipped\n$", text)
    assert.equal(0, code)
  end)
end)
