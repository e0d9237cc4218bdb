-- SPDX-License-Identifier: MIT

--- net.cluster - the cores of a machine for one server: a primary, and its workers.
--
--     local cluster = require("net.cluster")
--     if cluster.isPrimary then
--       for _ = 1, 4 do cluster.fork() end
--     else
--       net.createServer(serve):listen(8000)
--     end
--
-- The same script runs in all of them. What a worker listens on, the primary opens; see
-- lua/net/internal/cluster/primary.lua and worker.lua, which are the two seats.

local core = require("net.core")
local events = require("net.events")

local cluster = setmetatable({}, events.EventEmitter.extend())

local seat = core.cluster -- in a worker: lua/net/internal/cluster/worker.lua
cluster.isWorker, cluster.isPrimary = seat ~= nil, seat == nil

if seat then
  cluster.worker = seat.worker
else
  require("net.internal.cluster.primary").extend(cluster)
end

return cluster
