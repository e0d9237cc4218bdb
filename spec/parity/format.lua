-- SPDX-License-Identifier: MIT

--- How values are written in the logs: the Lua half of what runner.js does.
--
-- Both sides must write the same text for what counts as the same
-- value, and nothing that differs from run to run: ports and temporary paths
-- become names. Functions take the world of the running scenario first.

local net = require("net")

local format = {}

--- The first port the system may give out by itself; smaller ones show as they are.
local FIRST_EPHEMERAL = 10000

local ERROR_FIELDS = {
  "code", "errno", "syscall", "address", "port", "localAddress",
  "localPort", "hostname", "host", "errors", "cause", "context",
  "library", "reason",
}

local PORT_FIELDS = { port = true, localPort = true, remotePort = true }

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

--- The metatable of what `try` caught: `{error = value}`.
format.Raised = {}

--- FNV-1a of `bytes`, every `step`th, going on from `hash`.
function format.fnv(bytes, hash, step)
  for i = 1, #bytes, step or 1 do
    hash = ((hash ~ bytes:byte(i)) * 16777619) & 0xffffffff
  end
  return hash
end

--- What begins each such hash.
format.FNV_START = 2166136261

local function escaped(bytes)
  return (bytes:gsub('["\\%c\127-\255]', function(c)
    return ESCAPES[c] or ("\\x%02x"):format(c:byte())
  end))
end

local function quoted(bytes)
  if #bytes <= 300 then return '"' .. escaped(bytes) .. '"' end
  local step = math.max(1, #bytes // 4096)
  local sum = format.fnv(bytes, format.FNV_START, step)
  return ('"%s..."(%d bytes, %08x)'):format(escaped(bytes:sub(1, 16)), #bytes, sum)
end

local function number(w, v, key)
  if v ~= v then return "nan" end
  if v == math.huge or v == -math.huge then return v > 0 and "inf" or "-inf" end
  local whole = math.tointeger(v)
  if whole and w.ports[whole] then return "$" .. w.ports[whole] end
  if whole and PORT_FIELDS[key] and whole >= FIRST_EPHEMERAL and whole < 65536 then
    return "PORT"
  end
  return whole and ("%d"):format(whole) or ("%.14g"):format(v)
end

local function error_text(w, e)
  local text, fields = tostring(e), {}
  for _, name in ipairs(ERROR_FIELDS) do
    local v = e[name]
    if name == "code" and (type(v) ~= "string" or text:find("[" .. v .. "]", 1, true)) then
      v = nil
    end
    if v ~= nil then
      local shown = name == "code" and v or format.value(w, v, name)
      fields[#fields + 1] = name .. "=" .. shown
    end
  end
  if #fields > 0 then text = text .. "; " .. table.concat(fields, " ") end
  return "<" .. text .. ">"
end

local function list_text(w, v)
  local parts = {}
  for i = 1, #v do parts[i] = format.value(w, v[i]) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local function table_text(w, v)
  if #v > 0 then return list_text(w, v) end
  local parts = {}
  for key, item in pairs(v) do
    parts[#parts + 1] = { tostring(key), format.value(w, item, key) }
  end
  table.sort(parts, function(a, b) return a[1] < b[1] end)
  for i, part in ipairs(parts) do parts[i] = part[1] .. ": " .. part[2] end
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- The class of one of our objects, or nil.
function format.class(v)
  if net.isServer(v) then return "Server" end
  if net.isSocket(v) and v.encrypted then return "TLSSocket" end
  if net.isSocket(v) then return "Socket" end
  if net.BlockList and net.BlockList.isBlockList(v) then return "BlockList" end
  if net.SocketAddress and net.SocketAddress.isSocketAddress(v) then return "SocketAddress" end
  local meta = getmetatable(v)
  if type(meta) ~= "table" or type(v) == "string" then return nil end
  if type(v) == "userdata" then return meta.__name and meta.__name:match("%w+$") or "userdata" end
  return type(v.on) == "function" and "EventEmitter" or nil
end

local function is_error(v)
  return getmetatable(v) ~= nil and type(v.name) == "string" and type(v.message) == "string"
end

--- How a value is written in a log.
---@param w table the world
---@param v any
---@param key? string the field it came from
---@return string
function format.value(w, v, key)
  local t = type(v)
  if t == "number" then return number(w, v, key) end
  if t == "string" then return quoted(v) end
  if t == "function" then return "fn" end
  if t ~= "table" and t ~= "userdata" then return tostring(v) end
  if getmetatable(v) == format.Raised then return "raises " .. format.value(w, v.error) end
  if w.names[v] then return w.names[v] end
  if t == "table" and is_error(v) then return error_text(w, v) end
  local class = format.class(v)
  if class then return "<" .. class .. ">" end
  return table_text(w, v)
end

--- Arguments as a list, trailing nils dropped.
function format.arguments(w, args)
  local n = args.n
  while n > 0 and args[n] == nil do n = n - 1 end
  local parts = {}
  for i = 1, n do parts[i] = format.value(w, args[i]) end
  return table.concat(parts, ", ")
end

local function plain_gsub(text, what, by)
  return (text:gsub(what:gsub("%p", "%%%0"), (by:gsub("%%", "%%%%"))))
end

--- Takes what differs from run to run out of a finished log line.
function format.normal(w, line)
  line = plain_gsub(line, w.tmp, "$TMP"):gsub("~~+", "~")
  return (line:gsub(":(%d%d%d%d%d)%f[^%w_]", function(digits)
    local port = tonumber(digits)
    if w.ports[port] then return ":$" .. w.ports[port] end
    if port >= FIRST_EPHEMERAL and port < 65536 then return ":PORT" end
  end))
end

return format
