-- SPDX-License-Identifier: MIT

--- The bench's load generator over TLS: it finds every wrong byte, and a handshake that is
--- not what it should be. Runs it against C on libssl, which is right, and against a server
--- that is wrong on purpose (support/faulty.lua).

local certificates = require("spec.support.certificates")
local process = require("spec.support.process")

local run, spawn = process.run, process.spawn

local scratch, pem, spawned = nil, nil, {}

local function compile(name)
  local output, code = run(("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -o %s/%s bench/%s.c"
    .. " -lssl -lcrypto 2>&1"):format(os.getenv("CC") or "cc", scratch, name, name))
  assert.same({ "", 0 }, { output, code })
end

--- Starts a server; returns its port.
local function start(command)
  local server = spawn(command)
  spawned[#spawned + 1] = server
  return server:expect("^(%d+)$")
end

local function bare(scenario)
  return start(("%s/tlsbare %s 0 %s"):format(scratch, scenario, pem))
end

local function faulty(fault)
  return start(process.lua("spec/support/faulty.lua", fault, pem))
end

local function load(options, scenario, address)
  return run(("%s/tlsload %s %s %s 2>&1"):format(scratch, options, scenario, address))
end

local function assert_right(options, scenario, address)
  local output, code = load(options, scenario, address)
  assert.equal(0, code, output)
  assert.matches('^{"done":[1-9]', output)
end

local function assert_wrong(pattern, options, scenario, address)
  local output, code = load(options, scenario, address)
  assert.matches(pattern, output)
  assert.equal(3, code)
end

describe("the bench's load generator over TLS #slow", function()
  setup(function()
    scratch = run("mktemp -d"):gsub("%s", "")
    compile("tlsload")
    compile("tlsbare")
    local key = certificates.key()
    local file = certificates.write("key.pem", key)
    pem = certificates.write("server.pem", key .. certificates.openssl(
      "req -x509 -key %s -subj /CN=localhost -days 2", file))
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

  for _, scenario in ipairs { "echo", "sink", "source", "handshake" } do
    for _, version in ipairs { 2, 3 } do
      it(("passes C on libssl in %s, TLS 1.%d"):format(scenario, version), function()
        assert_right(("-c4 -t0.05 -V%d"):format(version), scenario, bare(scenario))
      end)

      it(("passes ours in %s, TLS 1.%d"):format(scenario, version), function()
        assert_right(("-c4 -t0.05 -V%d"):format(version), scenario,
          start(process.lua("bench/servers/tls.lua", scenario, "0", pem)))
      end)
    end
  end

  it("resumes each session but the first", function()
    for _, version in ipairs { 2, 3 } do
      assert_right(("-c4 -r -n20 -V%d"):format(version), "handshake", bare("handshake"))
    end
  end)

  it("holds idle connections, and tells the server's memory", function()
    local port = bare("hold")
    local output = load(("-i3 -p%d"):format(spawned[1].pid), "hold", port)
    assert.matches('^{"done":3,"before":%d+,"rss":%d+}', output)
  end)

  it("sends exactly the messages it is told to", function()
    local output = load("-c3 -s64 -n100", "echo", bare("echo"))
    assert.matches('"done":300,"bytes":19200,', output)
  end)

  it("passes the server of these specs when it is right", function()
    assert_right("-c2 -n1000", "echo", faulty("none"))
  end)

  it("finds a byte that is changed", function()
    assert_wrong("is wrong", "-c2 -n1000", "echo", faulty("swap"))
  end)

  it("finds a byte that is lost", function()
    assert_wrong("bytes must be lost", "-c1 -s10000 -n1 -l0.2", "echo", faulty("lose"))
  end)

  it("finds a byte that comes twice", function()
    assert_wrong("is wrong", "-c1 -s10000 -n1", "echo", faulty("double"))
  end)

  it("finds a connection that is closed", function()
    assert_wrong("a read: .* after 9900 bytes", "-c1 -s100 -n1000", "echo", faulty("close"))
  end)

  it("finds a server that does not resume", function()
    for _, version in ipairs { 2, 3 } do
      assert_wrong("was not resumed", ("-c1 -r -n5 -V%d"):format(version), "handshake",
        faulty("forget"))
    end
  end)

  it("finds that nobody listens", function()
    local port = bare("echo")
    spawned[1]:kill()
    assert_wrong("a handshake", "-n1", "echo", port)
  end)
end)
