-- SPDX-License-Identifier: MIT

--- Servers of others, for spec/peers: each on a port that was free and a Unix socket in a folder
--- of its own, and ended, by its process, when the spec stops it.
---
---     local redis = daemons.redis()
---     redis.port, redis.path
---     redis:stop()

local busted = require("busted")
local process = require("spec.support.process")
local sockets = require("spec.support.sockets")

local quote, run = process.quote, process.run

local M = {}

local POSTGRES = run([[for dir in $(echo "$PATH" | tr : ' ') /usr/lib/postgresql/*/bin \
    /usr/libexec/postgresql*; do
  [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && echo "$dir" && break
done]]):gsub("\n", "")

--- Whether a program is here.
---@param name string
function M.has(name)
  if name == "postgres" then
    return POSTGRES ~= ""
  end
  return os.execute("command -v " .. name .. " >/dev/null 2>&1") == true
end

--- For `describe`: the specs of `fn`, or where that program is not here a pending one.
---@param program string
---@param fn fun()
function M.with(program, fn)
  return function()
    if not M.has(program) then
      return busted.pending("no " .. program .. " here", function() end)
    end
    fn()
  end
end

local Daemon = {}
Daemon.__index = Daemon

--- Ends it and all that it has started, and removes its folder.
---@param signal? string without SIG; TERM if left out
function Daemon:stop(signal)
  if self.process.pipe then
    os.execute(("kill -%s -%d 2>/dev/null"):format(signal or "TERM", self.process.pid))
    self.process:finish()
  end
  run("rm -rf " .. quote(self.folder))
end

function Daemon:__close()
  self:stop("INT")
end

--- Starts a server and waits until it says so; with another port if that was taken meanwhile.
---@param ready string pattern of a line
---@param command fun(folder: string, port: integer): string for the shell
---@param path string of its Unix socket, in the folder; %d is the port
local function start(ready, command, path)
  local why
  for _ = 1, 3 do
    local daemon = setmetatable({ port = sockets.free_port() }, Daemon)
    daemon.folder = run("mktemp -d"):gsub("\n", "")
    run("chmod 755 " .. daemon.folder)
    daemon.path = daemon.folder .. "/" .. path:format(daemon.port)
    daemon.process = process.spawn(command(daemon.folder, daemon.port))
    local ok, err = pcall(daemon.process.expect, daemon.process, ready)
    if ok then
      return daemon
    end
    why = err
    daemon:stop()
  end
  error(why, 2)
end

function M.redis()
  return start("[Rr]eady to accept connections", function(folder, port)
    return ("redis-server --bind 127.0.0.1 --port %d --unixsocket %s/redis.sock --dir %s "
      .. "--save '' --daemonize no"):format(port, folder, folder)
  end, "redis.sock")
end

--- Writes files into a folder, by their names.
local function write(folder, files)
  for name, text in pairs(files or {}) do
    local file <close> = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
  end
end

--- The user "postgres", of whom nobody asks a password. The server refuses to run as root.
--- `files` are put into its folder, before it starts with `more` arguments, of which %s is that
--- folder.
---@param files? table<string, string>
---@param more? string
function M.postgres(files, more)
  local as = run("id -u") == "0\n" and "su postgres -s /bin/sh -c " or "sh -c "
  return start("ready to accept connections", function(folder, port)
    write(folder, files)
    run(("chmod 600 %s/* 2>/dev/null"):format(folder))
    if as:find("^su") then
      run("chown -R postgres " .. folder)
    end
    local log, code = run(as .. quote(("cd %s && %s/initdb -D data -A trust -U postgres "
      .. "--no-sync -E UTF8 --locale=C 2>&1"):format(folder, POSTGRES)))
    assert(code == 0, log)
    return as .. quote(("cd %s && exec %s/postgres -F -D data -h 127.0.0.1 -p %d -k %s %s"):format(
      folder, POSTGRES, port, folder, (more or ""):gsub("%%s", folder)))
  end, ".s.PGSQL.%d")
end

--- A web server over the files in its folder's "www"; `extra` is more of the configuration of
--- the server, `http` of what is around it.
---@param extra? string
---@param http? string
function M.nginx(extra, http)
  return start("start worker process", function(folder, port)
    run(("mkdir %s/www"):format(folder))
    local file <close> = assert(io.open(folder .. "/nginx.conf", "w"))
    file:write(([[
      daemon off; pid nginx.pid; error_log stderr notice; worker_processes 1;
      events {}
      http {
        access_log off;
        client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
        uwsgi_temp_path t4; scgi_temp_path t5;
        %s
        server { listen 127.0.0.1:%d; listen unix:%s/nginx.sock; root www; %s }
      }]]):format(http or "", port, folder, extra or ""))
    return ("nginx -p %s -c nginx.conf -e stderr"):format(folder)
  end, "nginx.sock")
end

--- What HAProxy is to do: listen as `bind` says, and pass on by `server`.
---@param t table of `within`
---@param bind string
---@param server string
---@return string path of its configuration
function M.haproxy_cfg(t, bind, server)
  local path = t.tmpname(".cfg")
  local file <close> = assert(io.open(path, "w"))
  file:write(([[
global
  log stdout format raw local0
defaults
  mode tcp
  log global
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen front
  bind %s
  server one %s
]]):format(bind, server))
  return path
end

--- A proxy for HTTP.
function M.tinyproxy()
  return start("Accepting connections", function(folder, port)
    local file <close> = assert(io.open(folder .. "/tinyproxy.conf", "w"))
    file:write(("Port %d\nListen 127.0.0.1\nMaxClients 100\nLogLevel Info\n"):format(port))
    return ("tinyproxy -d -c %s/tinyproxy.conf"):format(folder)
  end, "none")
end

return M
