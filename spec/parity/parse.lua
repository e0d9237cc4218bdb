-- SPDX-License-Identifier: MIT

--- Reads scenario files: text in, a tree of plain tables out.
--
-- The only parser of the language that README.md beside this file describes.
-- interpret.lua walks the tree; runner.js gets the same tree as JSON, from
--
--     lua5.4 parse.lua FILE ...
--
-- so that Node and Lua cannot disagree about what a scenario says. A statement
-- is a table with its kind in `s`, an expression one with its kind in `k`.

local parse = {}

local LIST = {} -- metatable of the tables that JSON writes as arrays
local function list() return setmetatable({}, LIST) end

-- Words -----------------------------------------------------------------

local ESCAPES = { n = "\n", r = "\r", t = "\t", ["0"] = "\0" }
local PUNCTUATION = { "<<", "==", "!=", "<=", ">=" }

--- The text between the quotes, escapes taken out.
local function unescape(text)
  return (text:gsub("\\(.)", function(c) return ESCAPES[c] or c end))
end

--- x"61 e2" and its kind: the hex digits alone.
local function hex_digits(text)
  return (text:gsub("%s", ""):lower())
end

--- Where the string that opens at `at` closes.
local function closing_quote(text, at)
  local i = at + 1
  while text:sub(i, i) ~= '"' do
    if i > #text then return nil end
    i = i + (text:sub(i, i) == "\\" and 2 or 1)
  end
  return i
end

--- One token of `text` at `at`: its type, its value, where the next begins.
local function next_token(text, at)
  local word = text:match("^[%a_][%w_]*", at)
  if text:match('^x"', at) then
    local close = closing_quote(text, at + 1)
    return "bytes", hex_digits(text:sub(at + 2, close - 1)), close + 1
  elseif word then
    return "name", word, at + #word
  elseif text:match("^%d", at) then
    local digits = text:match("^0x%x+", at) or text:match("^%d+%.?%d*e?%d*", at)
    return "num", tonumber(digits), at + #digits
  elseif text:sub(at, at) == '"' then
    local close = closing_quote(text, at)
    return "str", unescape(text:sub(at + 1, close - 1)), close + 1
  end
  for _, two in ipairs(PUNCTUATION) do
    if text:sub(at, at + 1) == two then return "op", two, at + 2 end
  end
  return "op", text:sub(at, at), at + 1
end

--- All tokens of a scenario's text; `first` is the file's line it begins on.
local function tokens_of(text, first)
  local tokens, at, line = {}, 1, first
  while at <= #text do
    local blank = text:match("^[ \t]+", at) or text:match("^#[^\n]*", at)
    if blank then
      at = at + #blank
    elseif text:sub(at, at) == "\n" then
      tokens[#tokens + 1] = { t = "end", v = "\n", line = line }
      at, line = at + 1, line + 1
    else
      local t, v, after = next_token(text, at)
      tokens[#tokens + 1] = { t = t, v = v, line = line }
      at = after
    end
  end
  tokens[#tokens + 1] = { t = "end", v = "end of scenario", line = line }
  return tokens
end

-- A cursor over the tokens -------------------------------------------------

local cursor = {}
cursor.__index = cursor

function cursor:fail(wanted)
  local token = self.tokens[self.at]
  error(("%s:%d: %s expected near '%s'"):format(self.file, token.line, wanted, token.v), 0)
end

function cursor:peek(t, v, ahead)
  local token = self.tokens[self.at + (ahead or 0)]
  return token ~= nil and token.t == t and (v == nil or token.v == v)
end

--- The next token's value if it is of that type (and value), else nil.
function cursor:accept(t, v)
  if not self:peek(t, v) then return nil end
  self.at = self.at + 1
  return self.tokens[self.at - 1].v
end

function cursor:expect(t, v)
  local value = self:accept(t, v)
  if value == nil then self:fail(v or t) end
  return value
end

function cursor:skip_lines()
  while self:peek("end", "\n") do self.at = self.at + 1 end
end

--- Whether the statement is over: a line's end, a `;` or a `}`.
function cursor:at_end()
  return self:peek("end") or self:peek("op", ";") or self:peek("op", "}")
end

-- Expressions --------------------------------------------------------------

local expression, block, primary

--- What stands between `open` (just taken) and `close`, separated by commas.
local function items(c, close, item)
  local found = list()
  c:skip_lines()
  while not c:accept("op", close) do
    found[#found + 1] = item(c)
    c:skip_lines()
    if not c:accept("op", ",") and not c:peek("op", close) then c:fail(close) end
    c:skip_lines()
  end
  return found
end

local function pair(c)
  local key = c:accept("name") or c:expect("str")
  c:expect("op", ":")
  return { key = key, e = expression(c) }
end

--- `(a, b) { ... }`, where the parentheses may be left out.
local function fn(c)
  local params = list()
  if c:accept("op", "(") then
    params = items(c, ")", function(inner) return inner:expect("name") end)
  end
  return { k = "fn", params = params, body = block(c) }
end

local WORDS = {
  ["nil"] = function() return { k = "nil" } end,
  null = function() return { k = "null" } end,
  ["true"] = function() return { k = "value", v = true } end,
  ["false"] = function() return { k = "value", v = false } end,
  fn = fn,
  ["try"] = function(c) return { k = "try", e = expression(c) } end,
  ["not"] = function(c) return { k = "not", e = expression(c) } end,
}

local function named(c)
  local word = c:expect("name")
  if WORDS[word] then return WORDS[word](c) end
  if c:accept("op", "!") then
    return { k = "callback", who = word, label = c:accept("name") or c:expect("str") }
  end
  return { k = "name", name = word }
end

function primary(c)
  if c:peek("name") then return named(c) end
  if c:peek("num") or c:peek("str") then
    return { k = "value", v = c:accept("num") or c:accept("str") }
  elseif c:peek("bytes") then
    return { k = "bytes", hex = c:accept("bytes") }
  elseif c:accept("op", "-") then
    return { k = "op", op = "-", a = { k = "value", v = 0 }, b = primary(c) }
  elseif c:accept("op", "[") then
    return { k = "list", items = items(c, "]", expression) }
  elseif c:accept("op", "{") then
    return { k = "table", pairs = items(c, "}", pair) }
  elseif c:accept("op", "(") then
    local inner = expression(c)
    c:expect("op", ")")
    return inner
  end
  c:fail("expression")
end

--- A primary and the `.x`, `[i]` and `(...)` that follow it.
local function postfix(c)
  local e = primary(c)
  while true do
    if c:accept("op", ".") then
      e = { k = "get", o = e, name = c:expect("name") }
    elseif c:accept("op", "[") then
      e = { k = "at", o = e, i = expression(c) }
      c:expect("op", "]")
    elseif c:accept("op", "(") then
      e = { k = "call", f = e, args = items(c, ")", expression) }
    else
      return e
    end
  end
end

local LEVELS = {
  { ["or"] = true }, { ["and"] = true },
  { ["=="] = true, ["!="] = true, ["<"] = true, [">"] = true, ["<="] = true, [">="] = true },
  { ["+"] = true, ["-"] = true }, { ["*"] = true, ["%"] = true },
}

local function binary(c, level)
  if not LEVELS[level] then return postfix(c) end
  local a = binary(c, level + 1)
  local token = c.tokens[c.at]
  while LEVELS[level][token.v] and (token.t == "op" or token.t == "name") do
    c.at = c.at + 1
    a = { k = "op", op = token.v, a = a, b = binary(c, level + 1) }
    token = c.tokens[c.at]
  end
  return a
end

function expression(c) return binary(c, 1) end

-- Statements ---------------------------------------------------------------

local function event_name(c) return c:accept("str") or c:expect("name") end

local function listener(c, once)
  return { s = "on", once = once, who = c:expect("name"), event = event_name(c), fn = fn(c) }
end

--- `C.close*2`, or `all.C.close` where several objects share a log.
local function condition(c)
  local log, label = c:expect("name"), list()
  while c:accept("op", ".") do label[#label + 1] = event_name(c) end
  local times = c:accept("op", "*") and c:expect("num") or 1
  return { log = log, label = table.concat(label, "."), times = times }
end

local function until_end(c, item)
  local found = list()
  while not c:at_end() do found[#found + 1] = item(c) end
  return found
end

local function watched(c)
  local sign = c:accept("op", "+") or c:expect("op", "-")
  return { event = event_name(c), on = sign == "+" }
end

--- serve NAME [tls] [times N] [OPTIONS] [at PATH] (S) { ... }
local function serve(c)
  local st = { s = "serve", who = c:expect("name"), times = 1 }
  st.tls = c:accept("name", "tls") ~= nil
  if c:accept("name", "times") then st.times = c:expect("num") end
  if c:peek("op", "{") then st.options = primary(c) end
  if c:accept("name", "at") then st.at = c:expect("str") end
  st.fn = fn(c)
  return st
end

local function block_fn(c) return { k = "fn", params = list(), body = block(c) } end

local function branch(c)
  local st = { s = "if", e = expression(c), body = block(c) }
  if c:accept("name", "else") then st.other = block(c) end
  return st
end

local function names(c) return until_end(c, function(inner) return inner:expect("name") end) end

local STATEMENTS = {
  let = function(c)
    local name = c:expect("name")
    c:expect("op", "=")
    return { s = "let", name = name, e = expression(c) }
  end,
  on = function(c) return listener(c, false) end,
  once = function(c) return listener(c, true) end,
  serve = serve,
  watch = function(c)
    return { s = "watch", who = c:expect("name"), events = until_end(c, watched) }
  end,
  wait = function(c) return { s = "wait", next = false, conditions = until_end(c, condition) } end,
  next = function(c) return { s = "wait", next = true, conditions = until_end(c, condition) } end,
  settle = function() return { s = "settle" } end,
  ["until"] = function(c) return { s = "until", e = expression(c) } end,
  tick = function(c) return { s = "tick", fn = block_fn(c) } end,
  immediate = function(c) return { s = "immediate", fn = block_fn(c) } end,
  after = function(c) return { s = "after", ms = expression(c), fn = block_fn(c) } end,
  each = function(c)
    local name = c:expect("name")
    c:expect("name", "in")
    return { s = "each", name = name, e = expression(c), body = block(c) }
  end,
  ["if"] = branch,
  show = function(c) return { s = "show", who = c:expect("name"), names = names(c) } end,
  state = function(c) return { s = "state", who = c:expect("name") } end,
  server = function(c) return { s = "seat", seat = "server", body = block(c) } end,
  client = function(c) return { s = "seat", seat = "client", body = block(c) } end,
  uncaught = function(c) return { s = "uncaught", who = c:expect("name") } end,
  together = function(c) return { s = "together", names = names(c) } end,
  ["return"] = function(c)
    return { s = "return", e = not c:at_end() and expression(c) or { k = "nil" } }
  end,
}

--- A line that begins with no keyword: a log line, an assignment or a call.
local function plain(c)
  local e = expression(c)
  if c:accept("op", "<<") then
    local args = list()
    repeat
      c:skip_lines()
      args[#args + 1] = expression(c)
    until not c:accept("op", ",")
    return { s = "log", who = e.name, args = args }
  elseif c:accept("op", "=") then
    return { s = "set", target = e, e = expression(c) }
  end
  return { s = "expr", e = e }
end

local function statement(c)
  local token = c.tokens[c.at]
  local keyword = token.t == "name" and STATEMENTS[token.v]
  -- A variable may be called like a keyword; its uses begin like this.
  if c:peek("op", "=", 1) or c:peek("op", ".", 1) or c:peek("op", "<<", 1) then
    keyword = nil
  end
  if keyword then c.at = c.at + 1 end
  local st = (keyword or plain)(c)
  st.line = token.line
  return st
end

local function statements(c, stop)
  local body = list()
  while true do
    while c:accept("op", ";") or c:accept("end", "\n") do end
    if stop(c) then return body end
    body[#body + 1] = statement(c)
    if not c:at_end() then c:fail("end of line") end
  end
end

function block(c)
  c:expect("op", "{")
  local body = statements(c, function(inner) return inner:peek("op", "}") end)
  c:expect("op", "}")
  return body
end

-- Files --------------------------------------------------------------------

--- Takes `@word text` lines; `@expect` gathers lines until `@end`, for the version of TLS
--- and the pair that it names, if any.
local function directive(scenario, line)
  local word, text = line:match("^@(%w+)%s*(.*)$")
  if word == "expect" then
    scenario.expects[text] = list()
    return scenario.expects[text]
  elseif word ~= "end" then
    scenario.marks[word] = text
  end
end

local function add_line(scenario, line, expecting)
  if expecting and line ~= "@end" then
    expecting[#expecting + 1] = line
    line = ""
  elseif line:sub(1, 1) == "@" then
    expecting = directive(scenario, line)
    line = ""
  end
  scenario.lines[#scenario.lines + 1] = line
  return expecting
end

--- The scenarios of a file's text, not parsed yet: title, marks, lines.
local function split(text)
  local found, expecting, number, seen = list(), nil, 0, {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local title = line:match("^== (.+)$")
    if title then
      if seen[title] then error("two scenarios are called: " .. title, 0) end
      seen[title] = true
      found[#found + 1] = { title = title, marks = {}, lines = {}, first = number + 1,
        expects = {} }
    elseif #found > 0 then
      expecting = add_line(found[#found], line, expecting)
    end
  end
  return found
end

local VERSIONS = { "1.2", "1.3" }

--- What is expected of a scenario in one version of TLS: by pair, "" for all.
local function expects_in(expects, version)
  local found = {}
  for what, lines in pairs(expects) do
    if not what:find("^1%.") then found[what] = lines end
  end
  for what, lines in pairs(expects) do
    local only, pair_name = what:match("^(1%.%d) ?(.*)$")
    if only and only == version then found[pair_name] = lines end
  end
  return found
end

local function add_version(found, scenario, version)
  found[#found + 1] = {
    title = scenario.title .. (version and ", TLS " .. version or ""), version = version,
    marks = scenario.marks, body = scenario.body,
    expects = expects_in(scenario.expects, version),
  }
  found[#found].expect = found[#found].expects[""]
end

--- A scenario of TLS is one for each version that it is for.
local function by_version(scenarios)
  local found = list()
  for _, scenario in ipairs(scenarios) do
    local only = scenario.marks.tls
    for _, version in ipairs(only and VERSIONS or {}) do
      if only == "" or only == version then add_version(found, scenario, version) end
    end
    if not only then add_version(found, scenario) end
  end
  return found
end

--- Parses one scenario file.
---@param file string its path, for messages
---@param text string what it holds
---@return table[] scenarios `{title=, marks=, body=, expect=, expects=, version=}`
function parse.text(file, text)
  local found = split(text)
  for _, scenario in ipairs(found) do
    local tokens = tokens_of(table.concat(scenario.lines, "\n"), scenario.first)
    local c = setmetatable({ tokens = tokens, at = 1, file = file }, cursor)
    scenario.body = statements(c, function(inner)
      return inner:peek("end", "end of scenario")
    end)
  end
  return by_version(found)
end

--- Reads and parses one scenario file.
function parse.file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return parse.text(path:match("[^/]+$"), text)
end

-- JSON, for runner.js --------------------------------------------------------

local function quoted(s)
  return '"' .. s:gsub('[%c"\\]', function(c)
    return ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local json

local function json_table(v)
  local parts = {}
  if getmetatable(v) == LIST then
    for i, item in ipairs(v) do parts[i] = json(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in pairs(v) do parts[#parts + 1] = quoted(key) .. ":" .. json(item) end
  return "{" .. table.concat(parts, ",") .. "}"
end

function json(v)
  if type(v) == "table" then return json_table(v) end
  if type(v) == "string" then return quoted(v) end
  return tostring(v)
end

--- Writes a value as JSON; a list is one that this file made.
parse.json = json

if arg and arg[0] and arg[0]:match("parse%.lua$") then
  local files = list()
  for i, path in ipairs(arg) do files[i] = parse.file(path) end
  io.write(json(files), "\n")
end

return parse
