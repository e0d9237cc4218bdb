-- SPDX-License-Identifier: MIT

--- Each system call fails, once and for long, in the scenes of `make torture`: here the
--- calls that are made seldom; the rest takes minutes. See docs/reliability.md.

local lua = require("spec.support.lua")

local LIFETIME = 1200 -- seconds, of some 2000 runs of small programs; each has its own limit

local ROWS = {
  ["that is made seldom"] = {
    "socket", "bind", "listen", "shutdown", "close", "getsockopt", "getsockname", "getpeername",
    "sendmsg", "sendfile", "pread", "pipe2", "open", "fcntl", "fstat", "unlink", "chmod",
    "pthread_create", "getaddrinfo", "eventfd", "epoll_create1", "epoll_ctl", "epoll_wait",
  },
  ["of a child's start or end"] = {
    "socketpair", "vfork", "fork", "dup2", "close_range", "chdir", "setuid", "read", "pidfd_open",
    "waitpid", "kill",
  },
}

describe("make torture", function()
  for what, rows in pairs(ROWS) do
    it(("finds nothing wrong where a call fails %s #slow"):format(what), function()
      local result = lua.run({ file = "tools/torture/run.lua", args = rows, lifetime = LIFETIME })
      if result.stdout:find("no Lua library to link with", 1, true) then
        return pending("no Lua library to link with")
      end
      assert.same({ code = 0, stderr = "" }, { code = result.code, stderr = result.stderr },
        result.stdout)
      for _, row in ipairs(rows) do
        assert.is_truthy(result.stdout:find("\n" .. row .. " +%d+ cases +0 failures") or
          result.stdout:find("^" .. row), row)
      end
    end)
  end

  --- How many cases of one row there are in these scenes, and what `run.lua` says.
  local function run_row(row, scenes, env)
    env.SCENES = scenes
    local result = lua.run({ file = "tools/torture/run.lua", args = { row }, env = env,
      lifetime = LIFETIME })
    if result.stdout:find("no Lua library to link with", 1, true) then
      return nil
    end
    assert.same({ code = 0, stderr = "" }, { code = result.code, stderr = result.stderr },
      result.stdout)
    return math.tointeger(tonumber(result.stdout:match("\nall +(%d+) cases"))), result.stdout
  end

  it("plays scenes over TLS where net.tls is built, and says where it is not #slow", function()
    local without = os.tmpname()
    os.remove(without)
    local core = assert(package.searchpath("net.core", package.cpath))
    assert(os.execute(("mkdir -p %s/net && ln -s $(realpath %s) %s/net/core.so"):format(
      without, core, without)))
    local fewer, said = run_row("listen", "bound tls", { LUA_CPATH = without .. "/?.so" })
    os.execute("rm -r " .. without)
    if not fewer then
      return pending("no Lua library to link with")
    end
    assert.matches("net.tls is not built, so the scenes over TLS are left out", said, 1, true)
    if pcall(require, "net.tls.core") then
      local more, all = run_row("listen", "bound tls", {})
      assert.is_true(more > fewer, all)
      assert.not_matches("left out", all)
    end
  end)

  it("hears of a handshake whose bytes cannot be sent #slow", function()
    if not pcall(require, "net.tls.core") then
      return pending("net.tls is not built")
    end
    if not run_row("send", "tls", {}) then
      return pending("no Lua library to link with")
    end
  end)
end)
