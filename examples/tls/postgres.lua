-- SPDX-License-Identifier: MIT
--
-- tls/postgres.lua - asks a PostgreSQL server over TLS, and prints the rows.
--
--     lua5.4 examples/tls/postgres.lua HOST[:PORT] USER CA QUERY [PARAMETER...]
--     lua5.4 examples/tls/postgres.lua db.example.org me ca.pem 'select now()'
--
-- CA is a file with the certificates to trust, or "system". A server without TLS, or without a
-- good certificate of HOST, gets no query. PGDATABASE names the database, if it is not called as
-- the user is; PGSSLCERT and PGSSLKEY are our own certificate and its key, for servers that ask
-- for one ("hostssl all all all cert" in pg_hba.conf). Port 5432, if nothing else is said.
--
-- Shows: a protocol that asks for TLS in plain text first; the client is tasks/postgres.lua.

package.path = arg[0]:match("^(.-)[^/]*$") .. "../tasks/?.lua;" .. package.path

local co = require("net.co")
local postgres = require("postgres")

local DEADLINE = 10000 -- milliseconds

local function read(path)
  local file <close>, err = io.open(path, "rb")
  return file and file:read("a") or error(err, 0)
end

local function show(result)
  for _, row in ipairs(result.rows) do
    local words = {}
    for i = 1, #result.columns do
      words[i] = row[i] == nil and "NULL" or tostring(row[i])
    end
    print(table.concat(words, "\t"))
  end
  print(result.command or "nothing")
end

--- The value, or else the error is raised as it is.
local function check(value, err)
  return value or error(err, 0)
end

local function ask(where, user, ca, ...)
  local host, port = where:match("^([^:]+):?(%d*)$")
  local cert, key = os.getenv("PGSSLCERT"), os.getenv("PGSSLKEY")
  local server = { host = host or where, port = tonumber(port) or 5432 }
  local db <close> = check(postgres.connect(server, user, os.getenv("PGDATABASE"), {
    ca = ca ~= "system" and read(ca) or nil, cert = cert and read(cert), key = key and read(key),
  }))
  show(check(db:query(...)))
end

--- An error in words: of a name with several addresses, none of which is reached, that of each.
local function describe(err)
  local words = {}
  for i, one in ipairs(type(err) == "table" and err.errors or { err }) do
    words[i] = tostring(one)
  end
  return table.concat(words, "; ")
end

if #arg < 4 then
  io.stderr:write("postgres: HOST[:PORT] USER CA QUERY [PARAMETER...]\n")
  os.exit(1)
end
local ok, err, late = pcall(co.run, co.timeout, DEADLINE, ask, ...)
if not ok or late then
  io.stderr:write("postgres: ", describe(late or err), "\n")
  os.exit(1)
end
