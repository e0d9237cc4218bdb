-- SPDX-License-Identifier: MIT
--
-- chat.lua - a chat room: what one person types, all others read.
--
--     lua5.4 examples/chat.lua [PORT [HOST]]
--     nc localhost 8008            # in some other terminals
--
-- Commands: /name NAME, /who, /quit. The defaults are port 8008 of all
-- addresses; port 0 takes a free one. Ctrl-C says good bye to everybody.
--
-- Shows: state of one's own on a socket, lines of limited length, text in
-- UTF-8, and what to do about people who do not read: they are dropped before
-- their unread messages eat the server's memory.

local net = require("net")
local process = require("net.process")

io.stdout:setvbuf("line")

local MAX_LINE = 1024 -- bytes
local MAX_UNREAD = 256 * 1024 -- bytes queued for one person

local port, host = ...
local people = {} -- sockets, in the order in which they came
local guests = 0 -- how many there have been

local function say(person, text)
  if person.writable then
    person:write(text .. "\n")
    if person.writableLength > MAX_UNREAD then
      person:destroy("too slow")
    end
  end
end

--- Says something to all but one. Somebody who is dropped meanwhile leaves
--- `people` later, in 'close': the list stays as it is during the loop.
local function tell_others(person, text)
  for _, other in ipairs(people) do
    if other ~= person then
      say(other, text)
    end
  end
end

local function find_person(name)
  for _, person in ipairs(people) do
    if person.name == name then
      return person
    end
  end
end

local commands = {}

function commands.name(person, name)
  if not name:find("^[%w_-]+$") or #name > 20 then
    say(person, "* a name is up to 20 letters, digits, _ and -")
  elseif find_person(name) then
    say(person, "* there is a " .. name .. " already")
  else
    tell_others(person, ("* %s is now %s"):format(person.name, name))
    person.name = name
    say(person, "* you are " .. name)
  end
end

function commands.who(person)
  local names = {}
  for i, other in ipairs(people) do
    names[i] = other.name
  end
  say(person, "* here are: " .. table.concat(names, ", "))
end

function commands.quit(person)
  person:finish("* good bye\n")
end

local function obey(person, line)
  local command, rest = line:match("^/(%a+)%s*(.-)%s*$")
  if not command then
    tell_others(person, ("%s: %s"):format(person.name, line))
  elseif commands[command] then
    commands[command](person, rest)
  else
    say(person, "* no such command: /" .. command)
  end
end

--- Cuts what arrives into lines; what has no end yet waits in `person.rest`.
local function receive(person, text)
  text = person.rest .. text
  local start, stop = 1, text:find("\n", 1, true)
  while stop do
    local line = text:sub(start, stop - 1):gsub("%c", "")
    if line ~= "" and person.writable then
      obey(person, line)
    end
    start = stop + 1
    stop = text:find("\n", start, true)
  end
  person.rest = text:sub(start)
  if #person.rest > MAX_LINE then
    person:destroy("a line without end")
  end
end

local function leave(person, reason)
  for i, other in ipairs(people) do
    if other == person then
      table.remove(people, i)
      break
    end
  end
  tell_others(person, ("* %s left%s"):format(person.name, reason))
  print(("%s left%s, %d here"):format(person.name, reason, #people))
end

local server = net.createServer({ noDelay = true }, function(person)
  local reason = ""
  guests = guests + 1
  person.name, person.rest = "guest" .. guests, "" -- fields of our own
  people[#people + 1] = person
  print(("%s came, %d here"):format(person.name, #people))

  person:setEncoding("utf8") -- a character is never cut in two
  person:on("data", function(text)
    receive(person, text)
  end)
  person:on("error", function(err)
    reason = (" (%s)"):format(type(err) == "string" and err or err.message)
  end)
  person:on("close", function()
    leave(person, reason)
  end)
  say(person, "* welcome, " .. person.name .. "; commands: /name NAME, /who, /quit")
  tell_others(person, ("* %s came"):format(person.name))
end)

server:on("error", function(err)
  io.stderr:write("chat: ", tostring(err), "\n")
  os.exit(1)
end)

server:listen({ port = port or 8008, host = host }, function()
  local bound = server:address()
  print(((bound.family == "IPv6") and "listening on [%s]:%d" or "listening on %s:%d"):format(
    bound.address, bound.port))
end)

process:once("SIGINT", function()
  print("closing")
  server:close()
  for _, person in ipairs(people) do
    say(person, "* the server closes, good bye")
    person:destroySoon()
  end
end)

net.run()
