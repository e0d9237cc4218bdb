-- SPDX-License-Identifier: MIT
--
-- tasks/postgres.lua - a client of PostgreSQL (protocol 3.0), for tasks; tasks/query.lua uses it.
--
--     local db <close> = assert(postgres.connect({ port = 5432, host = "db" }, "me", "shop"))
--     local result, err = db:query("select name, price from goods where id = $1", 7)
--     print(result.rows[1].name, result.command)
--
-- A query gives `nil, err` for what the server refuses: `err` has its fields (`code`, `message`,
-- `detail`, `position`, ...), and the connection goes on. One that is interrupted, by co.timeout
-- or a cancel, is cancelled at the server, too. NULL is nil, in rows and as a parameter.
-- Any number of tasks may use one connection: they take turns.
--
-- With tls.connect's options behind the database, as `{ ca = pem }`, the connection is encrypted,
-- and goes on only with a server that has a good certificate of its name; see tls/postgres.lua.
--
-- Not here: passwords (the server has to trust us, or our certificate), COPY.
--
-- Shows: a binary protocol by peek and receive(n), which lose nothing when they are interrupted;
-- a semaphore; clean-up that has to wait, by co.shield.

local co = require("net.co")

local PROTOCOL, CANCEL_REQUEST, SSL_REQUEST = 196608, 80877102, 80877103
local MESSAGE_MAX = 64 * 1048576 -- bytes of one message of the server
local PATIENCE = 5000 -- milliseconds for the server to give up what is cancelled

--- What the text of a value becomes, by the number of its type; else it stays text.
local converters = {
  [16] = function(text) return text == "t" end, -- bool
  [20] = tonumber, [21] = tonumber, [23] = tonumber, -- int8, int2, int4
  [700] = tonumber, [701] = tonumber, -- float4, float8
}

local error_fields = {
  S = "severity", V = "severity", C = "code", M = "message", D = "detail", H = "hint",
  P = "position", W = "where", s = "schema", t = "table", c = "column", d = "datatype",
  n = "constraint",
}

local ServerError = {
  __name = "postgres.ServerError",
  __tostring = function(err)
    return ("%s %s: %s"):format(err.severity, err.code, err.message)
  end,
}

local function message(kind, ...)
  local body = table.concat({ ... })
  return kind .. string.pack(">I4", #body + 4) .. body
end

--- The next message: its kind, a letter, and its body. Interrupted, it has taken nothing.
local function receive(socket)
  local head, err = socket:peek(5)
  if not head then
    return nil, err
  end
  local kind, length = string.unpack(">c1I4", head)
  if length < 4 or length > MESSAGE_MAX then
    return nil, ("not PostgreSQL: a message %q of %d bytes"):format(kind, length)
  end
  local whole
  whole, err = socket:receive(1 + length)
  if not whole then
    return nil, err
  end
  return kind, whole:sub(6)
end

local function parse_error(body)
  local err = setmetatable({}, ServerError)
  for field, text in body:gmatch("(%a)(%Z*)\0") do
    err[error_fields[field] or field] = text
  end
  return err
end

local function parse_columns(body)
  local columns, count, at = {}, string.unpack(">I2", body)
  for i = 1, count do
    local name, oid -- behind them the type's size and modifier, and the format
    name, oid, at = string.unpack(">z xxxx xx I4 xxxx xxxx", body, at)
    columns[i] = { name = name, type = oid }
  end
  return columns
end

--- A row: its values by number, and by the names of their columns.
local function parse_row(body, columns)
  local row, count, at = {}, string.unpack(">I2", body)
  for i = 1, count do
    local length, value
    length, at = string.unpack(">i4", body, at)
    if length >= 0 then -- -1 is NULL
      value, at = body:sub(at, at + length - 1), at + length
      local convert = converters[columns[i].type]
      if convert then
        value = convert(value)
      end
      row[i], row[columns[i].name] = value, value
    end
  end
  return row
end

--- What each message does to the answer that is collected.
local on = {}

function on.T(answer, body) answer.columns, answer.rows = parse_columns(body), {} end
function on.D(answer, body) table.insert(answer.rows, parse_row(body, answer.columns)) end
function on.C(answer, body) answer.command = body:sub(1, -2) end
function on.E(answer, body) answer.failure = answer.failure or parse_error(body) end
function on.K(answer, body) answer.pid, answer.key = string.unpack(">I4I4", body) end

function on.G(_, _, socket) -- COPY FROM STDIN would wait for us
  socket:write(message("f", "no COPY by this client\0"))
end

function on.R(answer, body, socket)
  local method = string.unpack(">I4", body)
  if method ~= 0 then
    answer.failure = "the server asks for a password, of kind " .. method
    socket:destroy()
  end
end

--- Takes all that comes until the server is ready for the next query, into `answer`, which it
--- returns, or nil and an error. Of several statements in one query the last counts.
local function collect(socket, answer)
  while true do
    local kind, body = receive(socket)
    if not kind then
      socket:destroy()
      return nil, answer.failure or body
    elseif kind == "Z" then
      return not answer.failure and answer or nil, answer.failure
    elseif on[kind] and not pcall(on[kind], answer, body, socket) then
      socket:destroy()
      return nil, ("not PostgreSQL: a message %q that has no sense"):format(kind)
    end
  end
end

--- Has the connection go on in TLS: the encrypted socket. Whatever the server has sent in plain
--- text behind its answer fails the handshake.
local function encrypt(socket, where, options)
  socket:send(string.pack(">I4I4", 8, SSL_REQUEST))
  local answer, err = socket:receive(1)
  if answer ~= "S" then
    return nil, answer == "N" and "the server has no TLS" or err or "not PostgreSQL, or an old one"
  end
  local own = { socket = socket, host = type(where) == "table" and where.host or "localhost" }
  for name, value in pairs(options) do
    own[name] = value
  end
  return require("net.tls").co.connect(own)
end

--- What `fn(socket, ...)` gives. Without a result, or interrupted, the socket is destroyed.
local function or_destroy(socket, fn, ...)
  local ok, result, err = pcall(fn, socket, ...)
  if not ok or not result then
    socket:destroy()
  end
  if not ok then
    error(result, 0)
  end
  return result, err
end

--- A connection, encrypted if there are options for TLS.
local function dial(where, options)
  local socket, err = co.connect(where)
  if not socket or not options then
    return socket, err
  end
  return or_destroy(socket, encrypt, where, options)
end

local Client = {}
Client.__index = Client

--- Has the server stop what it does, and takes what it still says to that: true.
local function abandon(db, answer)
  local line <close> = dial(db.where, db.tls)
  if line then
    line:send(string.pack(">I4I4I4I4", 16, CANCEL_REQUEST, db.pid, db.key))
    line:receive("all") -- ends when the server has done it
  end
  collect(db.socket, answer)
  return true
end

--- Sends messages, and gives what is answered.
local function exchange(db, messages)
  local _ <close> = db.turn:acquire()
  local sent, err = db.socket:send(messages)
  if not sent then
    return nil, err
  end
  local answer = { rows = {} }
  local finished, result, failure = pcall(collect, db.socket, answer)
  if not finished then -- interrupted: that goes on when the connection is as before
    if not co.shield(co.timeout, PATIENCE, abandon, db, answer) then
      db.socket:destroy()
    end
    error(result, 0)
  end
  return result, failure
end

local function bind(...)
  local values = {}
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    values[i] = value == nil and string.pack(">i4", -1) or string.pack(">s4", tostring(value))
  end
  return message("B", "\0\0", string.pack(">I2I2", 0, #values), table.concat(values), "\0\0")
end

--- Runs a query: `rows`, `columns` and `command`, or nil and an error. With parameters for $1,
--- $2, ... it is one statement; without, it may be several.
function Client:query(text, ...)
  if select("#", ...) == 0 then
    return exchange(self, message("Q", text, "\0"))
  end
  return exchange(self, message("P", "\0", text, "\0\0\0") .. bind(...) .. message("D", "P\0")
    .. message("E", "\0\0\0\0\0") .. message("S"))
end

--- Says goodbye, when the queries that wait have had their turns.
function Client:close()
  local _ <close> = self.turn:acquire()
  self.socket:send(message("X"))
  self.socket:destroySoon()
end

function Client:__close()
  self.socket:destroy()
end

local postgres = {}

--- Connects; `where` is what co.connect takes in one argument: a port, a path, or a table.
--- `options` are tls.connect's, for a connection that must be encrypted.
function postgres.connect(where, user, database, options)
  local socket, err = dial(where, options)
  if not socket then
    return nil, err
  end
  local words = { "user", user, "database", database or user, "client_encoding", "UTF8", "" }
  local body = string.pack(">I4", PROTOCOL) .. table.concat(words, "\0") .. "\0"
  socket:send(string.pack(">I4", #body + 4), body)
  local answer
  answer, err = or_destroy(socket, collect, {})
  if not answer then
    return nil, err
  end
  return setmetatable({ socket = socket, where = where, tls = options, pid = answer.pid,
    key = answer.key, turn = co.semaphore() }, Client)
end

return postgres
