-- SPDX-License-Identifier: MIT

--- layers.lua SRC OBJECT... - checks who calls whom in the C sources, by `make check-layers`.
--
-- A folder of src/ is a room, or has rooms in it, and TABLE says which rooms a room may
-- use: those right below it, and what they may use. Two things are looked at: the includes
-- of the sources, hence types, macros and inline functions, and the symbols that each
-- object file of `make` wants from another. A function pointer that is handed down is
-- neither, and so is how a lower room calls an upper one. README.md and docs/internals.md
-- show this table; spec/layers_spec.lua compares them.
--
-- Files may not call each other in a circle, but for one: CYCLE, the machine of a stream.

local TABLE = {
  base = {},
  loop = { "base" },
  events = { "loop" },
  address = { "loop" },
  connect = { "loop" },
  stream = { "events", "connect" },
  socket = { "stream" },
  server = { "stream", "address" },
  task = { "stream" },
  luasocket = { "task" },
  process = { "socket", "server" },
  -- A library of its own, which knows the seam alone, with a roof of its own: src/tls/*.c.
  ["tls/base"] = {},
  ["tls/certificate"] = { "tls/base" },
  ["tls/context"] = { "tls/base" },
  ["tls/connection"] = { "tls/context", "tls/certificate" },
  ["tls/luasec"] = { "tls/base" },
}

local CYCLE = { "finish", "pump", "readable", "request", "stream", "writable" }

--- A header that stands outside of the rooms, and counts as the lowest of them.
local SEAM = "net_capi.h"

local layers = { table = TABLE }

--- Every room that `room` may use: `reach[other]` is true. Fails for a table with a circle.
local function reach(room, path)
  local seen = {}
  path = path .. " -> " .. room
  assert(not path:find("> " .. room .. " ", 1, true), "the table has a circle:" .. path)
  for _, lower in ipairs(assert(TABLE[room], "no such room: " .. room)) do
    seen[lower] = true
    for further in pairs(reach(lower, path)) do seen[further] = true end
  end
  return seen
end

local allowed = {}
for room in pairs(TABLE) do
  allowed[room] = reach(room, "")
  allowed[room][room] = true
end

--- The room of "loop/x.c" or "build/obj/loop/x.o"; nil for what stands above all of them.
local function room_of(path)
  return path:gsub("^.*obj/", ""):match("^([%w_/]+)/[%w_]+%.%w+$")
end

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read("a"):gmatch("[^\n]+")
end

--- May a file of `room`, nil for the roof, use one of room `other`? What stands in a folder
--- of rooms is their roof.
local function may(room, other)
  if room == nil or other == nil then return room == nil end
  if allowed[room] then return allowed[room][other] == true end
  return other:sub(1, #room + 1) == room .. "/"
end

--- What is wrong with the includes: every header of ours is named with its folder, and
--- is of a room that may be used.
local function check_includes(src, problems)
  for line in lines_of(("cd '%s' && grep -rn '#include \"' --include=*.[ch] ."):format(src)) do
    local path, number, name = line:match('^%./([^:]+):(%d+):.*"(.-)"')
    local room, other = room_of(path), name:match("^([%w_/]+)/[%w_]+%.h$")
    local is_own = room == nil and name:find("^[%w_]+%.h$") -- the roof's own header
    if not other and name ~= SEAM and not is_own then
      problems[#problems + 1] = ("%s:%s: \"%s\" is not folder/file.h"):format(path, number, name)
    elseif other and not may(room, other) then
      problems[#problems + 1] = ("%s:%s: %s may not include %s"):format(path, number, room, name)
    end
  end
end

--- Who defines each symbol, and who wants it: from `nm`, by object.
local function read_symbols(objects, problems)
  local defined, wanted = {}, {}
  for line in lines_of("nm -P -g -A " .. table.concat(objects, " ")) do
    local object, symbol, kind = line:match("^(.-%.o): (%S+) (%a)")
    if kind == "U" then
      wanted[#wanted + 1] = { object, symbol }
    elseif defined[symbol] then
      problems[#problems + 1] = ("%s is defined in %s and in %s"):format(symbol,
        defined[symbol], object)
    else
      defined[symbol] = object
    end
  end
  return defined, wanted
end

--- What is wrong with the symbols; returns who calls whom: graph[object][object].
local function check_symbols(objects, problems)
  local defined, wanted = read_symbols(objects, problems)
  local graph = {}
  for _, want in ipairs(wanted) do
    local object, symbol = want[1], want[2]
    local from = defined[symbol]
    if from and from ~= object then
      graph[object] = graph[object] or {}
      graph[object][from] = true
      if not may(room_of(object), room_of(from)) then
        problems[#problems + 1] = ("%s may not use %s of %s"):format(object, symbol, from)
      end
    end
  end
  return graph
end

--- Every node that can be reached from `start`.
local function reachable(graph, start)
  local seen, stack = {}, { start }
  while #stack > 0 do
    for to in pairs(graph[table.remove(stack)] or {}) do
      if not seen[to] then
        seen[to] = true
        stack[#stack + 1] = to
      end
    end
  end
  return seen
end

--- The circles: lists of the names of the files that reach each other.
local function circles(graph)
  local found, done, reached = {}, {}, {}
  for node in pairs(graph) do reached[node] = reachable(graph, node) end
  for node in pairs(graph) do
    if reached[node][node] and not done[node] then
      local circle = {}
      for other in pairs(reached[node]) do
        if reached[other] and reached[other][node] then
          done[other] = true
          circle[#circle + 1] = other:match("([%w_]+)%.o$")
        end
      end
      table.sort(circle)
      found[#found + 1] = circle
    end
  end
  return found
end

local function check_circles(graph, problems)
  local expected, found = table.concat(CYCLE, " "), circles(graph)
  for _, circle in ipairs(found) do
    local names = table.concat(circle, " ")
    if names ~= expected then
      problems[#problems + 1] = "these files call each other in a circle: " .. names
    end
  end
  return #found
end

--- The sentences about what is wrong, and one that sums up.
---@param src string folder of the sources
---@param objects string[] all object files but that of the bundled Lua modules
---@return string[] problems
---@return string summary
function layers.check(src, objects)
  local problems = {}
  check_includes(src, problems)
  local count = check_circles(check_symbols(objects, problems), problems)
  local rooms = 0
  for _ in pairs(TABLE) do rooms = rooms + 1 end
  return problems, ("layers: %d rooms, %d problems, %d circles of files"):format(rooms,
    #problems, count)
end

if arg and arg[0] and arg[0]:find("layers%.lua$") then
  local problems, summary = layers.check(arg[1], table.move(arg, 2, #arg, 1, {}))
  for _, problem in ipairs(problems) do print(problem) end
  print(summary)
  os.exit(#problems == 0)
end

return layers
