-- SPDX-License-Identifier: MIT

--- README's tables: what a reader wants to know, in one unit, and less is better.
--
-- Microseconds of the server's CPU time wherever there are any; how that compares to C in
-- the same round, and our targets, are in results.md. Proxies have a table of their own,
-- as others are beside them.

local report = require("report")

local firstpage = {}

local SERVERS = {
  { "net", "net" }, { "bare", "bare C" }, { "node", "Node" }, { "luv", "luv" },
  { "cqueues", "cqueues" }, { "copas", "copas" },
}
local PROXIES = {
  { "net", "net" }, { "copy", "C, copying" }, { "splice", "C, splice" },
  { "haproxy", "HAProxy" }, { "node", "Node" }, { "luv", "luv" },
}
local TASKS = {
  { "tasks", "net, tasks" }, { "net", "net, callbacks" }, { "cqueues", "cqueues" },
  { "copas", "copas" },
}
local TLS = {
  { "tls", "net" }, { "libssl", "C on libssl" }, { "tls-node", "Node" }, { "nginx", "nginx" },
  { "tls-haproxy", "HAProxy" },
}
local PROCESSES = { { "net", "net" }, { "node", "Node" } }
local VERSIONS = { "net", "node", "luv", "cqueues", "copas", "haproxy", "nginx", "libssl", "bare" }

--- Kinds that are no CPU time.
local UNITS = { memory = "KiB", start = "ms" }

--- Parts of others, or variants: results.md has them.
local function is_detail(result)
  return result.key:find("^json%-") ~= nil or result.key:find("^cluster%-least") ~= nil
end

local function is_task(result)
  return result.key:find("^task%-") ~= nil
end

local function is_process(result)
  return result.kind == "work" and not is_task(result) and not is_detail(result)
end

local function is_tls(result)
  return result.key:find("^tls%-") ~= nil
end

local function is_of_memory(result)
  return UNITS[result.kind] ~= nil and not is_task(result) and not is_tls(result)
end

local function is_proxy(result)
  return result.key:find("^proxy") ~= nil
end

local function is_server(result)
  return not (result.kind == "work" or is_proxy(result) or is_task(result) or is_tls(result)
    or UNITS[result.kind])
end

--- Three digits, or two behind the point.
local function number(value)
  return value and (value < 9.995 and "%.2f" or value < 99.95 and "%.1f" or "%.0f"):format(value)
    or ""
end

--- What a row is of. It links to its chart.
local function label(result)
  local says_echo = result.kind ~= "over" or is_task(result)
  local name = (says_echo and "" or "echo, ") .. result.name
  local unit = UNITS[result.kind] or result.per == "KiB" and "each 64 KiB"
  return ("[%s](docs/bench/%s.svg)%s"):format(name, result.key, unit and ", " .. unit or "")
end

local function row(result, columns)
  local values, out = {}, { label(result) }
  for _, r in ipairs(result.rows) do
    values[r.who] = UNITS[result.kind] and r.value and r.value.median
      or report.micros(r.cost, result.per)
  end
  for i, column in ipairs(columns) do
    out[i + 1] = number(values[column[1]])
  end
  return out
end

local function markdown(head, columns, results, wanted)
  local rows = { { head } }
  for i, column in ipairs(columns) do
    rows[1][i + 1] = column[2]
  end
  for _, result in ipairs(results.scenarios) do
    if wanted(result) then
      rows[#rows + 1] = row(result, columns)
    end
  end
  return #rows > 1 and report.markdown_table(rows) or nil
end

--- A first figure in words, for who does not read tables; none without an echo.
local function in_words(results)
  for _, result in ipairs(results.scenarios) do
    local ours, said = nil, {}
    for _, r in ipairs(result.key == "echo" and result.rows or {}) do
      local micros = number(report.micros(r.cost, result.per))
      ours = r.who == "net" and micros or ours
      for _, column in ipairs(SERVERS) do
        said[#said + 1] = r.cost and r.who ~= "net" and column[1] == r.who
          and ("%s in %s"):format(micros, column[2]) or nil
      end
    end
    if ours then
      return ("To echo a small message takes %s µs; %s.\n\n"):format(ours,
        table.concat(said, ", "))
    end
  end
  return ""
end

--- The tables and what is to be said of them, as Markdown.
function firstpage.text(results)
  local parts = {}
  for _, part in ipairs {
    markdown("µs", SERVERS, results, is_server) or "",
    markdown("as a proxy, µs", PROXIES, results, is_proxy) or "",
    markdown("over TLS, µs", TLS, results, is_tls) or "",
    markdown("besides CPU time", SERVERS, results, is_of_memory) or "",
    markdown("in coroutines, µs", TASKS, results, is_task) or "",
    markdown("between processes, µs", PROCESSES, results, is_process) or "",
    report.conditions(results.about),
    "<sub>" .. report.versions(results.about, VERSIONS) .. "</sub>",
  } do
    parts[#parts + 1] = part ~= "" and part or nil
  end
  return in_words(results) .. table.concat(parts, "\n\n")
end

local FROM, TO = "<!-- bench -->\n", "<!-- end of bench -->"

--- Puts it between its marks in a file.
function firstpage.write(path, results)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  local _, from = text:find(FROM, 1, true)
  local to = text:find(TO, 1, true)
  report.write_file(path, text:sub(1, from) .. firstpage.text(results) .. "\n" .. text:sub(to))
end

return firstpage
