-- SPDX-License-Identifier: MIT

-- process.notify and process.watchdogInterval: what a service manager hears of a program,
-- and asks of it. spec/support/notified.c is the manager.

local lua = require("spec.support.lua")
local process = require("net.process")

local HEAD = [[
local process = require("net.process")
local function notify(fields)
  local told, err = process.notify(fields)
  print(told, err)
end
]]

describe("process.notify", function()
  local program = os.tmpname()
  local is_there
  local path

  setup(function()
    local cc = os.getenv("CC") or "cc"
    is_there = os.execute(("%s -std=c11 -D_GNU_SOURCE -o %s spec/support/notified.c"):format(cc, program))
  end)

  teardown(function()
    os.remove(program)
  end)

  before_each(function()
    path = os.tmpname()
    os.remove(path)
  end)

  after_each(function()
    os.remove(path)
  end)

  --- What the script prints, and then what the manager has heard.
  local function heard(script, address, deaf)
    local file_path = os.tmpname()
    local file <close> = assert(io.open(file_path, "w"))
    file:write(HEAD, script)
    file:close()
    local args = { address or path, "--", lua.command, file_path }
    if deaf then
      table.insert(args, 2, "deaf")
    end
    local result = lua.run({ program = program, args = args })
    os.remove(file_path)
    assert.same({ 0, "" }, { result.code, result.stderr })
    return result.stdout
  end

  --- What the script prints where NOTIFY_SOCKET is this, and nobody listens.
  local function alone(script, address)
    local result = lua.run({ script = HEAD .. script, env = { NOTIFY_SOCKET = address } })
    assert.same({ 0, "" }, { result.code, result.stderr })
    return result.stdout
  end

  it("has a stand-in for systemd", function()
    assert.is_true(is_there)
  end)

  it("sends the lines in their order, in one datagram", function()
    assert.equal("true\tnil\nREADY=1\n", heard("notify({ ready = true })"))
    os.remove(path)
    local out = heard([[notify({ mainpid = 77, watchdog = true, status = "so, so = é", stopping = true,
      reloading = true, ready = true })]])
    assert.equal("true\tnil\nREADY=1|RELOADING=1|MONOTONIC_USEC=TIME|STOPPING=1|STATUS=so, so = é|"
      .. "WATCHDOG=1|MAINPID=77\n", (out:gsub("USEC=%d+", "USEC=TIME")))
  end)

  it("says of a reload when it began, by the monotonic clock", function()
    local out = heard([[
      local core = require("net.core")
      print(core.monotonic_usec())
      notify({ reloading = true })
      print(core.monotonic_usec())]])
    local before, after, between = out:match("^(%d+)\ntrue\tnil\n(%d+)\nRELOADING=1|MONOTONIC_USEC=(%d+)\n$")
    assert.is_true(tonumber(before) <= tonumber(between) and tonumber(between) <= tonumber(after))
  end)

  it("sends to an abstract name, and to one with a zero behind it that is not there", function()
    local name = "@net-spec-" .. path:match("%w+$")
    assert.equal("true\tnil\nSTOPPING=1\n", heard("notify({ stopping = true })", name))
  end)

  it("tells again and again, and leaves nothing open", function()
    local out = heard([[
      local function open_ones()
        local n = 0
        for _ in require("lfs").dir("/proc/self/fd") do n = n + 1 end
        return n
      end
      for i = 1, 5 do assert(process.notify({ status = tostring(i) })) end
      local before = open_ones()
      for _ = 1, 3 do assert(process.notify({ watchdog = true })) end
      print(open_ones() - before)]])
    assert.equal("0\nSTATUS=1\nSTATUS=2\nSTATUS=3\nSTATUS=4\nSTATUS=5\nWATCHDOG=1\nWATCHDOG=1\nWATCHDOG=1\n", out)
  end)

  it("keeps the variables for what the program starts", function()
    local out = heard([[
      process.notify({ ready = true })
      print(os.getenv("NOTIFY_SOCKET") ~= nil)]])
    assert.equal("true\nREADY=1\n", out)
  end)

  it("is false where there is nobody to tell, and where there is nothing to say", function()
    assert.is_false((process.notify({ ready = true })))
    assert.equal("false\tnil\nfalse\tnil\n", heard("notify({}) notify({ ready = false, watchdog = false })"))
  end)

  it("says why it could not tell", function()
    for address, code in pairs({
      [path] = "ENOENT", ["/"] = "EINVAL", ["@"] = "EINVAL", ["relative"] = "EINVAL", [""] = "EINVAL",
      ["vsock:2:1234"] = "EINVAL", ["/" .. ("x"):rep(120)] = "EINVAL", ["@net-nobody"] = "ECONNREFUSED",
    }) do
      local out = alone([[
        local told, err = process.notify({ ready = true })
        print(told, err.code, err.syscall, err.address == os.getenv("NOTIFY_SOCKET"))]], address)
      assert.equal(("nil\t%s\tnotify\ttrue\n"):format(code), out, address)
    end
  end)

  it("says that the manager is behind, and does not wait for it", function()
    local out = heard([[
      local told, err
      repeat told, err = process.notify({ watchdog = true }) until not told
      print(told, err)]], nil, true)
    assert.equal("nil\tError: notify EAGAIN " .. path .. "\n", out)
  end)

  it("says that no descriptor is left", function()
    local result = lua.run({ env = { NOTIFY_SOCKET = path }, program = "sh", args = { "-c",
      "ulimit -n 40; exec \"$0\" \"$@\"", lua.command, "-e", [[
        local process = require("net.process")
        process.notify({})
        local files = {}
        repeat files[#files + 1] = io.open("/dev/null") until #files > 38 or not io.open("/dev/null")
        while io.open("/dev/null") do end
        print(process.notify({ ready = true }))]] } })
    assert.same({ "nil\tError: notify EMFILE " .. path .. "\n", "" }, { result.stdout, result.stderr })
  end)

  it("raises for what it cannot say, and then says nothing", function()
    local out = heard([[
      for _, fields in ipairs({
        { other = true, ready = true }, { true }, { ready = 1 }, { ready = "1" }, { watchdog = {} },
        { status = 5, ready = true }, { status = "two\nlines", ready = true }, { status = "\0" },
        { mainpid = "1" }, { mainpid = 1.5 }, { mainpid = 0 }, { mainpid = -1 }, { mainpid = 2 ^ 31 },
        { mainpid = 0/0, ready = true }, false, 7, "ready",
      }) do
        local ok, err = pcall(process.notify, fields)
        print(ok, err.code, err.message:match("fields%.?%w*"))
      end
      print(select(2, pcall(process.notify)).code)]])
    local expected = {}
    for code, names in ("VALUE fields; TYPE fields; TYPE fields.ready; TYPE fields.ready; TYPE fields.watchdog; "
      .. "TYPE fields.status; VALUE fields.status; VALUE fields.status; TYPE fields.mainpid; "
      .. "RANGE fields.mainpid; RANGE fields.mainpid; RANGE fields.mainpid; RANGE fields.mainpid; "
      .. "RANGE fields.mainpid; TYPE fields; TYPE fields; TYPE fields; "):gmatch("(%u+) ([%w.]+); ") do
      local full = code == "RANGE" and "ERR_OUT_OF_RANGE" or "ERR_INVALID_ARG_" .. code
      expected[#expected + 1] = ("false\t%s\t%s\n"):format(full, names)
    end
    assert.equal(table.concat(expected) .. "ERR_INVALID_ARG_TYPE\n", out)
  end)
end)

describe("process.watchdogInterval", function()
  local function interval(usec, pid)
    local result = lua.run({ script = [[
      local process = require("net.process")
      print(process.watchdogInterval, math.type(process.watchdogInterval))
      print(pcall(function() process.watchdogInterval = 1 end))
    ]], env = { WATCHDOG_USEC = usec, WATCHDOG_PID = pid } })
    assert.equal("", result.stderr)
    assert.matches("\nfalse\t.*only a getter", result.stdout)
    return result.stdout:match("^[^\n]+")
  end

  it("is in milliseconds, and nil where nobody watches", function()
    assert.equal("30000\tinteger", interval("30000000"))
    assert.equal("1\tinteger", interval("1500"))
    assert.equal("1\tinteger", interval("1"))
    assert.is_nil(process.watchdogInterval)
  end)

  it("is nil where another process is watched", function()
    assert.equal("nil\tnil", interval("30000000", "1"))
    assert.equal("nil\tnil", interval("30000000", ""))
  end)

  it("is there where this process is watched", function()
    local result = lua.run({ program = "sh", args = { "-c",
      'WATCHDOG_USEC=2000000 WATCHDOG_PID=$$ exec "$0" "$@"', lua.command, "-e",
      [[print(require("net.process").watchdogInterval)]] } })
    assert.same({ "2000\n", "" }, { result.stdout, result.stderr })
  end)

  it("is nil for what is no time", function()
    for _, usec in ipairs({ "", "0", "x", "-5", "1e6", " 5", "99999999999999999999999" }) do
      assert.equal("nil\tnil", interval(usec), usec)
    end
  end)
end)
