-- SPDX-License-Identifier: MIT

--- net - Node's `net` for Lua: TCP and Unix-socket servers and clients on libev.
--
--     local net = require("net")
--     net.createServer(function(socket) socket:pipe(socket) end):listen(8080)
--     net.run()
--
-- What `require("net")` finds. The core has the other modules in it, compiled: see
-- src/bundle.c. What is in the table that this returns is in lua/net/internal/public.lua.

require("net.core")
return require("net.internal.public")
