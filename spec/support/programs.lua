-- SPDX-License-Identifier: MIT

--- For specs that run the programs of a folder of examples/ as a person runs them, beside programs
--- of others, all of which end with the spec.
---
---     local programs = require("spec.support.programs").of("examples/tls/")
---     local p, port = programs.start("https_server", cert, key, 0)
---     programs.curl("https://localhost:" .. port)
---     programs.interrupt(p)

local busted = require("busted")
local daemons = require("spec.support.daemons")
local process = require("spec.support.process")

local quote, run = process.quote, process.run

local M = {}

--- A command line of these words, both streams in one.
function M.words(program, ...)
  local list = { program }
  for i = 1, select("#", ...) do
    list[#list + 1] = quote((select(i, ...)))
  end
  return table.concat(list, " ") .. " 2>&1"
end

function M.curl(...)
  return run(M.words("curl -sS --max-time 30", ...))
end

--- Runs a Python program to its end; its words are sys.argv.
function M.python(text, ...)
  return run(M.words("python3 -", ...) .. " <<'end'\n" .. text .. "\nend")
end

--- Has an example end by SIGINT: the rest of its output. It must exit with 0.
function M.interrupt(p)
  p:signal("INT")
  local rest, code = p:finish()
  assert(code == 0, rest)
  return rest
end

--- A `describe` that is skipped where one of the programs is not here.
function M.with(programs, name, define)
  busted.describe(name, function()
    for _, program in ipairs(programs) do
      if not daemons.has(program) then
        return busted.pending("no " .. program .. " here", function() end)
      end
    end
    define()
  end)
end

--- Those of a folder. To be called where a spec's file may say `after_each`.
function M.of(folder)
  local self, spawned, running = setmetatable({}, { __index = M }), {}, {}

  --- The command that runs one.
  function self.example(name, ...)
    return process.lua(folder .. name .. ".lua", ...)
  end

  --- Starts a command.
  function self.spawn(command)
    local p = process.spawn(command)
    spawned[#spawned + 1] = p
    return p
  end

  --- Starts one that listens; returns it and the port.
  function self.start(name, ...)
    local p = self.spawn(self.example(name, ...))
    return p, math.tointeger(tonumber((p:expect("^listening on .*:(%d+)$"))))
  end

  --- Runs one to its end: what it printed, both streams in one, and its exit code.
  function self.run(name, ...)
    return run(self.example(name, ...) .. " 2>&1 </dev/null")
  end

  --- A server of spec.support.daemons.
  function self.daemon(name, ...)
    local server = daemons[name](...)
    table.insert(running, server)
    return server
  end

  busted.after_each(function()
    for _, p in ipairs(spawned) do
      p:kill()
    end
    for _, server in ipairs(running) do
      server:stop("INT")
    end
    spawned, running = {}, {}
  end)
  return self
end

return M
