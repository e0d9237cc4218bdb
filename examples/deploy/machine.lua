-- SPDX-License-Identifier: MIT
--
-- machine.lua - one of several machines behind a balancer: a server on all of its cores.
--
--     luanet examples/deploy/machine.lua PORT [WORKERS]
--
-- haproxy.cfg beside it is the balancer. `kill -HUP` of the primary replaces its workers, one
-- after the other, while the port stays open. SIGTERM has the machine end; before that the
-- balancer is to send it nothing new, see haproxy.cfg.
--
-- The balancer tells whose a connection is, before its first byte (the PROXY protocol), so the
-- client is greeted by its own address. Nobody else gets an answer; to look at a machine without
-- a balancer:
--
--     curl --haproxy-protocol http://10.0.0.1:8000/
--
-- The port has to be closed to strangers, as who can reach it can say that it is anybody.
--
-- Shows: net.cluster, `respawn`, `reload`, `disconnect` with a drain, `proxyProtocol`.

package.path = arg[0]:match("^(.*/)") .. "?.lua;" .. package.path

local cluster = require("net.cluster")
local hello = require("hello")
local net = require("net")
local process = require("net.process")

local DRAIN = 20000 -- ms

local port, workers = tonumber(arg[1]), tonumber(arg[2] or 4)

if cluster.isWorker then
  hello.to(net.createServer({ proxyProtocol = true })):listen(port)
  return
end

io.stdout:setvbuf("line")
cluster.setupPrimary({ respawn = true })

local listening, ending, reloading = 0, false, false

cluster:on("listening", function(_, address)
  listening = listening + 1
  if listening == workers then
    process.notify({ ready = true })
    print("listening on port " .. address.port)
  end
end)

cluster:on("giveup", function()
  process.exit(1) -- whoever has started us knows what to do
end)

process:on("SIGHUP", function()
  if reloading or ending then
    return
  end
  reloading = true
  cluster.reload({ drain = DRAIN }, function(err)
    reloading = false
    print(err and "not reloaded: " .. err.message or "reloaded")
  end)
end)

process:on("SIGTERM", function()
  if not ending then
    ending = true
    process.notify({ stopping = true })
    cluster.disconnect({ drain = DRAIN })
  end
end)

for _ = 1, workers do
  cluster.fork()
end
