-- SPDX-License-Identifier: MIT
--
-- tasks/query.lua - asks a PostgreSQL server, and prints the rows.
--
--     lua5.4 examples/tasks/query.lua PORT|PATH USER QUERY [PARAMETER...]
--     lua5.4 examples/tasks/query.lua /run/postgresql/.s.PGSQL.5432 me 'select now()'
--     lua5.4 examples/tasks/query.lua 5432 me 'select $1::int + 1 as n' 41
--
-- PGDATABASE names the database, if it is not called as the user is. The server has five seconds,
-- and must trust us.
--
-- Shows: a client (tasks/postgres.lua) with a deadline; errors with fields.

package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path

local co = require("net.co")
local postgres = require("postgres")

local DEADLINE = 5000 -- milliseconds

local function show(result)
  local names = {}
  for i, column in ipairs(result.columns or {}) do
    names[i] = column.name
  end
  if #names > 0 then
    print(table.concat(names, "\t"))
  end
  for _, row in ipairs(result.rows) do
    local words = {}
    for i in ipairs(names) do
      words[i] = row[i] == nil and "NULL" or tostring(row[i])
    end
    print(table.concat(words, "\t"))
  end
  print(result.command or "nothing")
end

local function ask(where, user, ...)
  local db <close>, err = postgres.connect(tonumber(where) or where, user, os.getenv("PGDATABASE"))
  if not db then
    return nil, err
  end
  return db:query(...)
end

local result, err = co.run(co.timeout, DEADLINE, ask, ...)
if not result then
  io.stderr:write("query: ", tostring(err), "\n")
  os.exit(1)
end
show(result)
