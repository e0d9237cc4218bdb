-- SPDX-License-Identifier: MIT

--- What a TLS socket of ours has to tell over a wire (spec.support.wire), whoever is at its other
--- end (spec.support.wirepeers): the same however the bytes come, each as soon as its record is
--- whole; and where they end too early, or are reset, the code of that, on that connection.
---
--- A visit in which each byte comes by itself says what is told at which record, and by that it is
--- known what all others have to tell. Of the bytes at which there is a cut those around the
--- records' borders are taken, and some between; WIRE_STEP=1 takes them all.

local assert = require("luassert")
local co = require("net.co")
local pair = require("spec.support.tlspair")
local peers = require("spec.support.wirepeers")
local tls = require("net.tls")
local wires = require("spec.support.wire")

local M = {}

local STEP = math.tointeger(os.getenv("WIRE_STEP") or 0) -- bytes; 0: 199 and those at the borders
local APPLICATION = 23 -- the type of a record
local EOF_CODE = "ERR_SSL_UNEXPECTED_EOF_WHILE_READING"
local SLOW = { up = { slow = true }, down = { slow = true } }

-- Where

--- The bytes at which a direction is to be cut, of those that have passed; and whether it is one
--- where a record ends.
local function places(way)
  local at_border, list = {}, {}
  for _, border in ipairs(way:borders()) do at_border[border] = true end
  for k = 0, way.bytes do
    local is_near = at_border[k - 1] or at_border[k] or at_border[k + 1]
    if STEP > 0 and k % STEP == 0 or STEP == 0 and (is_near or k % 199 == 0) then
      list[#list + 1] = k
    end
  end
  return list, at_border
end

--- Says at which byte it was that something has failed.
local function at_place(k, what, fn)
  local ok, err = pcall(fn)
  if not ok then
    error(("%s at byte %d: %s"):format(what, k, tostring(type(err) == "table" and err.message or err)), 0)
  end
end

-- What

local function has(lines, line)
  for _, one in ipairs(lines) do
    if one == line then return true end
  end
  return false
end

--- What is told of a visit, without "finish", which comes before or behind the peer's end as the
--- bytes come.
local function lines_of(told)
  return peers.lines(told, "finish")
end

--- How much of it is told at the first `n` records.
local function told_by(reference, n)
  local lines = {}
  for _, entry in ipairs(reference) do
    if entry.at.records <= n and entry.line ~= "finish" then lines[#lines + 1] = entry.line end
  end
  return lines
end

local function add(lines, ...)
  for _, line in ipairs({ ... }) do lines[#lines + 1] = line end
  return lines
end

--- Each line came when its record was whole, and not before.
local function assert_prompt(reference, way)
  local at_border = select(2, places(way))
  for _, entry in ipairs(reference) do
    assert.is_true(at_border[entry.at.bytes], entry.line .. " at " .. entry.at.bytes)
  end
end

--- The lines as if a reset were always told by a read: where it comes along with bytes that are
--- answered it may be the answer that meets it.
local function read_last(lines, at_once)
  if at_once and lines[#lines - 1] == "error write ECONNRESET" then
    lines[#lines - 1] = "error read ECONNRESET"
  end
  return lines
end

--- What is told behind `lines` of a socket whose handshake is over.
local function ended(lines, what, requires)
  if has(lines, "close false") then
    return lines
  elseif what == "reset" then
    return add(lines, "error read ECONNRESET", "close true")
  elseif requires then
    return add(lines, "error " .. EOF_CODE, "close true")
  end
  return add(lines, "end", "close false")
end

--- The same of a client, at any time.
local function client_ended(lines, what, requires)
  if has(lines, "secureConnect") or what == "reset" then
    return ended(lines, what, requires)
  end
  return add(lines, "end", "error Client network socket disconnected before secure TLS connection "
    .. "was established", "close true")
end

local function server_ended(lines, what, requires)
  if has(lines, "secureConnection") then
    return ended(lines, what, requires)
  end
  return add(lines, "tlsClientError " .. (what == "reset" and "read ECONNRESET" or "socket hang up"))
end

--- Calls `check(k, what, at_once)` for each way in which a direction may be cut off.
local function each_end(way, check)
  local list, at_border = places(way)
  for i, k in ipairs(list) do
    for _, what in ipairs({ "end", "reset" }) do
      for _, at_once in ipairs({ false, true }) do
        local is_taken = STEP > 0 or at_border[k] or at_once == (i % 2 == 0)
        if is_taken and not (k == 0 and what == "reset" and at_once) then -- that one is connect()'s
          at_place(k, what, function() check(k, what, at_once) end)
        end
      end
    end
  end
end

--- What is told, in its order, as an end comes behind more and more bytes of that direction; each
--- once, as signatures and tickets are not always of the same length. `visit(k)` gives the text of one
--- visit.
---@param way table of a visit that was not cut
---@param visit fun(k: integer): string
---@return string[]
function M.progress(way, visit)
  local list = {}
  for _, k in ipairs((places(way))) do
    local text = visit(k)
    if not has(list, text) then list[#list + 1] = text end
  end
  return list
end

-- A client of ours

--- Visits to a server over a wire: visit(plan, options) gives what is told, and the link; the first
--- of them, in which each byte comes by itself; and its link.
local function visits_to(peer, wire, resumes, over)
  local session
  local function where()
    local link = wire:link()
    return { records = link and #link.down:records() or 0, bytes = link and link.down.bytes or 0,
      says = link and has(link.up:records(), APPLICATION) }
  end
  local function visit(plan, options)
    wire.plan = plan or {}
    local told = peers.visit(wire.port, { peer = peer, session = session, over = over,
      requireCloseNotify = options and options.requireCloseNotify }, where)
    local link = wire:link()
    wire:cut()
    return told, link
  end
  if resumes then session = visit().session end
  local reference, link = visit(SLOW)
  assert.equal(resumes, reference.resumed)
  return visit, reference, link
end

--- The client and that server agree however the bytes come; with `over` it is a client over another
--- socket.
function M.client_agrees(name, version, resumes, over)
  local peer <close> = peers.server(name, version)
  local wire <close> = wires.open(peer.port)
  local visit, reference, slow = visits_to(peer, wire, resumes, over)
  local expected = lines_of(reference)
  assert.equal("close false", expected[#expected])
  assert_prompt(reference, slow.down)
  for _, entry in ipairs(reference) do
    if entry.line == "secureConnect" then assert.is_false(entry.at.says) end
  end
  local function agrees(plan)
    local told = visit(plan)
    assert.same(expected, lines_of(told))
    assert.equal("written", told.written)
    assert.is_true(has(peers.lines(told), "finish"))
  end
  for _, k in ipairs((places(slow.up.bytes > slow.down.bytes and slow.up or slow.down))) do
    at_place(k, "cut", function() agrees({ up = { at = k }, down = { at = k } }) end)
  end
  agrees({ up = { holds = true } })
  agrees({ down = { holds = true } })
end

--- The client tells what becomes of it where what the server sends is cut off.
function M.client_tells(name, version, resumes, over)
  local peer <close> = peers.server(name, version)
  local wire <close> = wires.open(peer.port)
  local visit, reference, slow = visits_to(peer, wire, resumes, over)
  each_end(slow.down, function(k, what, at_once)
    local requires = k % 2 == 1
    local told, link = visit({ down = { at = k, what = what, at_once = at_once } },
      { requireCloseNotify = requires })
    local lines = read_last(lines_of(told), at_once)
    assert.same(client_ended(told_by(reference, #link.down:records()), what, requires), lines)
    if not has(lines, "secureConnect") then
      assert.equal("ECONNRESET", told.written)
      assert.is_false(has(link.up:records(), APPLICATION))
    elseif not at_once then
      assert.equal("written", told.written)
    end
  end)
end

--- The same where it is what the client sends that is: the server ends, and so it hears.
function M.client_hears(name, version, resumes, over)
  local peer <close> = peers.server(name, version)
  local wire <close> = wires.open(peer.port)
  local visit, _, slow = visits_to(peer, wire, resumes, over)
  each_end(slow.up, function(k, what, at_once)
    local lines = lines_of((visit({ up = { at = k, what = what, at_once = at_once } })))
    local last = lines[#lines]
    assert.matches(has(lines, "secureConnect") and "^close %l+$" or "^close true$", last)
    assert.equal(last == "close true", lines[#lines - 1]:find("^error ") ~= nil)
  end)
end

-- A server of ours

--- What a server of ours tells of one connection at a time: `self.told`, and self.over() is called
--- when that is all.
local function listen(self, peer, options)
  local function line(text)
    table.insert(self.told, { line = text, at = self.where() })
  end
  local server = tls.createServer({ cert = pair.server.cert, key = pair.server.key,
    minVersion = peer.version, maxVersion = peer.version, requireCloseNotify = options.requireCloseNotify })
  server:on("tlsClientError", function(err)
    line("tlsClientError " .. peers.word(err))
    self.over()
  end)
  server:on("secureConnection", function(socket)
    line("secureConnection")
    peers.note(self.told, socket, { "data", "end", "error", "close" }, self.where)
    socket:on("close", function() self.over() end)
    peer:serve(socket)
  end)
  server:listen(0, "127.0.0.1")
  co.await(server, "listening")
  return server
end

--- One more visit of a client: what the server has told, what the client has said, and the link.
local function visit_of(self, plan)
  local is_over, wake = false, nil
  self.told, self.wire.plan = {}, plan or {}
  self.over = function()
    is_over = true
    if wake then wake() end
  end
  self.peer:go(self.wire.port)
  if not is_over then
    co.suspend(function(resume) wake = resume end)
  end
  local said, link = self.peer:gone(), self.wire:link()
  self.wire:cut()
  return self.told, said, link
end

--- Has `fn(visit, reference, said, link)` done with a server of ours and such clients.
local function with_server(name, version, resumes, options, fn)
  local peer <close> = peers.client(name, version, resumes)
  local self = { peer = peer }
  function self.where()
    local link = self.wire:link()
    return { records = #link.up:records(), bytes = link.up.bytes }
  end
  local server <close> = listen(self, peer, options)
  local wire <close> = wires.open(server:address().port)
  self.wire = wire
  local function visit(plan) return visit_of(self, plan) end
  if resumes then visit() end
  local reference, said, link = visit(SLOW)
  assert.matches(resumes and "resumed" or "new", said)
  fn(visit, reference, said, link)
end

--- The server and that client agree however the bytes come.
function M.server_agrees(name, version, resumes)
  with_server(name, version, resumes, {}, function(visit, reference, said, slow)
    local expected = lines_of(reference)
    assert.equal("close false", expected[#expected])
    assert_prompt(reference, slow.up)
    local function agrees(plan)
      local told, says = visit(plan)
      assert.same(expected, lines_of(told))
      assert.equal(said, says)
    end
    for _, k in ipairs((places(slow.up.bytes > slow.down.bytes and slow.up or slow.down))) do
      at_place(k, "cut", function() agrees({ up = { at = k }, down = { at = k } }) end)
    end
    agrees({ up = { holds = true } })
    agrees({ down = { holds = true } })
  end)
end

--- The server tells what becomes of it where what the client sends is cut off.
function M.server_tells(name, version, resumes)
  for _, requires in ipairs({ false, true }) do
    with_server(name, version, resumes, { requireCloseNotify = requires }, function(visit, reference, _, slow)
      each_end(slow.up, function(k, what, at_once)
        if requires and what == "reset" then return end -- that is the same
        local told, _, link = visit({ up = { at = k, what = what, at_once = at_once } })
        assert.same(server_ended(told_by(reference, #link.up:records()), what, requires),
          read_last(lines_of(told), at_once))
      end)
    end)
  end
end

return M
