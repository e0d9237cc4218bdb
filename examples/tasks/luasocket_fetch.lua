-- SPDX-License-Identifier: MIT
--
-- tasks/luasocket_fetch.lua - LuaSocket's own socket.http, fetching many pages at once.
--
--     lua5.4 examples/tasks/luasocket_fetch.lua URL...
--
-- Prints a line for each, in the order of the arguments: status, bytes and URL, or what
-- went wrong. A library that was written for LuaSocket is not changed: it gets
-- net.luasocket as its `socket`, and is called in tasks.
--
-- Needs LuaSocket's modules in Lua (Debian: lua-socket).
-- Shows: net.luasocket, group with a limit, timeout around what knows nothing of it.

local co = require("net.co")

package.loaded.socket = require("net.luasocket")
local http = require("socket.http")

local AT_ONCE = 20
local DEADLINE = 10000 -- milliseconds for each

co.run(function(...)
  local results = {}
  local urls = { ... }
  co.group({ limit = AT_ONCE }, function(group)
    for i, url in ipairs(urls) do
      group:spawn(function()
        local body, status = co.timeout(DEADLINE, http.request, url)
        results[i] = body and ("%d %d"):format(status, #body) or tostring(status)
      end)
    end
  end)
  for i, url in ipairs(urls) do
    print(results[i], url)
  end
end, ...)
