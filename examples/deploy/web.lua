-- SPDX-License-Identifier: MIT
--
-- web.lua - a web server under systemd, which is restarted without a refused connection.
--
--     luanet examples/deploy/web.lua [PORT]
--
-- web.socket and web.service beside it are the units. systemd opens the port, starts the
-- program with it (socket activation), waits for "ready", and looks whether it is alive
-- (watchdog). `systemctl reload web` sends SIGHUP: the program starts its successor, which
-- has the same socket, and lets go of it when that one is ready. Without systemd it listens
-- on PORT, 8080 if that is left out, and `kill -HUP` does the same.
--
-- SIGTERM has it end: idle connections at once, others when they are answered, and all
-- after 20 seconds.
--
-- Shows: net.activated, process.notify, process.watchdogInterval, child.replace, drain.

package.path = arg[0]:match("^(.*/)") .. "?.lua;" .. package.path

local child = require("net.child")
local hello = require("hello")
local net = require("net")
local process = require("net.process")
local timers = require("net.timers")

local PORT = 8080
local DRAIN = 20000 -- ms

local server = hello.to(net.createServer())
local replacing = false

-- What systemd hears

local function tell(fields)
  local told, err = process.notify(fields)
  if told == nil then
    io.stderr:write("web: ", err.message, "\n")
  end
end

--- A successor is the unit's main process from here on.
local function ready()
  tell({ ready = true, mainpid = process.pid, status = "serving" })
  print("ready " .. process.pid)
  io.stdout:flush()
  if process.watchdogInterval then
    timers.setInterval(tell, process.watchdogInterval / 2, { watchdog = true }):unref()
  end
end

-- What systemd asks for

process:on("SIGHUP", function()
  if replacing or not server.listening then
    return
  end
  replacing = true
  tell({ reloading = true, status = "starting a successor" })
  local options = { servers = { web = server }, drain = DRAIN }
  child.replace(arg[0], { table.unpack(arg) }, options, function(err)
    replacing = false
    if err then
      io.stderr:write("web: ", err.message, ": ", tostring(err.cause), "\n")
      tell({ ready = true, status = "serving; a successor has failed" })
    end
  end)
end)

process:once("SIGTERM", function()
  tell({ stopping = true })
  server:drain(DRAIN)
end)

if #net.activated("web") > 0 then
  server:listen({ activated = "web" }, ready)
else
  server:listen(tonumber(arg[1] or PORT), ready)
end
