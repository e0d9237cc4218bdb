-- SPDX-License-Identifier: MIT

--- net.internal.luasec.connection - LuaSec's connections: TLS under an object of net.luasocket.
--
-- One has the descriptor of the socket that it was made of, and moves its bytes through a
-- connection of OpenSSL's, `engine` in its state. All else, buffers, limits and waiting, is as
-- net.luasocket has it.

local core = require("net.core")
local Class = require("net.internal.luasocket.class")
local wait = require("net.internal.luasocket.wait")
local words = require("net.internal.luasocket.words")
local sec = require("net.tls.core").open_sec()

local plain = core.open_luasocket()
local EAGAIN = plain.errors.EAGAIN

--- What a call says whose time is over.
local TIMEOUT_WORDS = { [wait.READS] = "wantread", [wait.WRITES] = "wantwrite" }

local VIA = {
  timeout_words = TIMEOUT_WORDS,
  recv = function(socket, most)
    return sec.recv(plain.state(socket).engine, plain.fd(socket), most)
  end,
  send = function(socket, data, i, j)
    return sec.send(plain.state(socket).engine, plain.fd(socket), data, i, j)
  end,
}

local class = Class.bare("SSL:Connection")
local common = class:client_methods()
local methods = { class = "SSL:Connection" }

for _, name in ipairs { "receive", "send", "getstats", "setstats", "settimeout", "getfd" } do
  methods[name] = common[name]
end

local function close(socket)
  local state = plain.state(socket)
  if not (state and state.engine) then -- a finalizer is called with anything
    return
  end
  sec.close(state.engine, plain.fd(socket))
  plain.close(socket)
  state.is_closed = true -- last, as it may want memory
end

--- close(): tells the peer, if that needs no waiting
function methods:close()
  class:check(self, "any", "close")
  close(self)
end

--- dirty() -> has it bytes that were read and nobody has received?
function methods:dirty()
  local state = class:check(self, "any", "dirty")
  return plain.size(self) > 0 or sec.pending(state.engine)
end

local function failure(socket, err)
  if type(err) == "string" then
    return err
  end
  return plain.fd(socket) < 0 and "closed" or words.of(err)
end

--- dohandshake() -> true; false and a word
function methods:dohandshake()
  local state = class:check(self, "any", "dohandshake")
  local limit = wait.limit(state.block, state.total)
  wait.be_fair(limit)
  while true do
    local ok, err, news = sec.handshake(state.engine, plain.fd(self))
    if ok then
      return true
    elseif err ~= EAGAIN then
      return false, failure(self, err)
    end
    local in_time
    in_time, err = wait.ready(self, news, limit, "do the handshake with")
    if not in_time then
      return false, err and words.of(err) or TIMEOUT_WORDS[news]
    end
  end
end

--- info([field]) -> the cipher and protocol as a table, or one of its fields
function methods:info(field)
  local state = class:check(self, "any", "info")
  local text, bits, algbits, protocol, compression = sec.info(state.engine)
  if not text then
    return nil, bits
  end
  local info = {
    cipher = text:match("^(%S+)"),
    protocol = protocol,
    bits = bits,
    algbits = algbits,
    key = text:match("%sKx=(%S+)"),
    authentication = text:match("%sAu=(%S+)"),
    encryption = text:match("%sEnc=(%S+)"),
    mac = text:match("%sMac=(%S+)"),
    export = text:find("%sexport%s*$") ~= nil,
    compression = compression,
  }
  if field ~= nil then
    return info[field]
  end
  return info
end

--- getpeercertificate([n]) -> the n-th certificate that the peer has sent, 1 is its own
function methods:getpeercertificate(n)
  local state = class:check(self, "any", "getpeercertificate")
  return sec.certificate(state.engine, n and words.integer(n, 1, "getpeercertificate"))
end

--- sni(name), of a client; sni({name = context}[, strict]), of a server
function methods:sni(names, strict)
  local engine = class:check(self, "any", "sni").engine
  if not sec.isserver(engine) then
    return sec.sni(engine, words.text(names, 1, "sni"))
  end
  for _, context in pairs(words.typed(names, "table", 1, "sni")) do
    if not sec.iscontext(context) then
      words.bad_argument(1, "sni", "SSL:Context expected, got " .. type(context))
    end
  end
  sec.sni(engine, names, strict)
end

--- exportkeyingmaterial(label, n[, context]) -> n bytes that only both ends know
function methods:exportkeyingmaterial(label, n, context)
  local engine = class:check(self, "any", "exportkeyingmaterial").engine
  label = words.text(label, 1, "exportkeyingmaterial")
  n = words.integer(n, 2, "exportkeyingmaterial")
  context = context ~= nil and words.text(context, 3, "exportkeyingmaterial") or nil
  return sec.keyingmaterial(engine, label, n, context)
end

--- What the engine is asked for without arguments: the method, and who answers.
for name, fn in pairs {
  want = sec.want,
  getsniname = sec.servername,
  getalpn = sec.alpn,
  getfinished = sec.finished,
  getpeerfinished = sec.peerfinished,
  getpeerchain = sec.chain,
  getpeerverification = sec.verification,
} do
  methods[name] = function(self)
    return fn(class:check(self, "any", name).engine)
  end
end

class.metatables.client = {
  __index = methods,
  __name = "SSL:Connection",
  __close = close,
  __gc = function(socket)
    close(socket)
    plain.gc(socket)
  end,
  __tostring = function(socket)
    local ending = plain.state(socket).is_closed and " (closed)" or ""
    return ("SSL connection: %p%s"):format(socket, ending)
  end,
}

--- The descriptor goes from a socket, ours or another's that has setfd, to the connection; nil
--- and a word if the system refuses it, then it is back.
local function move(from, to)
  local fd = from:getfd()
  from:setfd(-1)
  local ok, err = plain.set_fd(to, fd)
  if not ok then
    from:setfd(fd)
    return nil, words.of(err)
  end
  return true
end

--- wrap(socket, context|params) -> connection; nil and a word
local function wrap(socket, params)
  local context, err = params
  if type(params) == "table" then
    context, err = require("net.internal.luasec.context").new(params)
    if not context then
      return nil, err
    end
  end
  local engine
  engine, err = sec.connection(context)
  if not engine then
    return nil, err
  end
  local before = plain.state(socket)
  local made = class:new("client", (before or {}).family)
  local state = plain.state(made)
  state.engine = engine
  state.via = VIA
  local ok
  ok, err = move(socket, made)
  if not ok then
    return nil, err
  end
  if before and plain.size(socket) > 0 then -- is the peer's, and was read with a line, perhaps
    sec.feed(engine, plain.take(socket))
  end
  return made
end

return { wrap = wrap }
