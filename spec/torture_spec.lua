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
end)
