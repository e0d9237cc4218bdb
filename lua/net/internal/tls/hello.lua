-- SPDX-License-Identifier: MIT

--- net.internal.tls.hello - what a server's program is asked amid a handshake: which context
--- for a client's name, which of its protocols, which session, which status; and to keep a
--- session.
--
-- The handshake stands still meanwhile, so an answer may come late; the handshake's time
-- limit goes on. No answer is good twice.

local core = require("net.tls.core")
local net_core = require("net.core")
local alpn = require("net.internal.tls.alpn")
local context = require("net.internal.tls.context")
local lazy = require("net.internal.lazy")
local state_of = require("net.internal.tls.state")

local errors = lazy.module("net.internal.errors")

local M = {}

local function plain_error(message, name)
  return errors.new(name or "Error", message)
end

--- Is the handshake of that connection still there, and waits for an answer?
local function is_asked(state, conn)
  return state.pending and state.conn == conn and conn:state() == "handshake"
end

--- Ends the handshake on a tick: what listeners of 'tlsClientError' raise then is nobody's
--- answer.
local function refuse(socket, state, err)
  net_core.tick(state_of.fail, socket, state, err)
end

--- What a program calls with its answer, once: `use(value)` has the handshake go on. Where that
--- raises, for want of memory, the client is refused, and not the caller told, who may be anybody.
local function callback_once(socket, state, use)
  local answered, conn = false, state.conn
  return function(err, value)
    if not is_asked(state, conn) then
      return -- it took too long, or is closed
    elseif answered then
      return refuse(socket, state, errors.codes.ERR_MULTIPLE_CALLBACK())
    end
    answered = true
    if err ~= nil and err ~= false then
      return refuse(socket, state, err)
    end
    local _ <close> = state
    local ok, problem = pcall(use, value)
    if not ok and is_asked(state, conn) then
      refuse(socket, state, problem)
    end
  end
end

-- Protocols

--- Has the program choose one: whether there is one, and what is wrong with the choice.
local function choose_protocol(state, callback, name, offered)
  local list = alpn.decode(offered)
  local chosen = callback({ servername = name or false, protocols = list })
  if chosen == nil then
    return false
  end
  for _, protocol in ipairs(list) do
    if protocol == chosen then
      state.conn:alpn(string.pack("s1", chosen))
      return true
    end
  end
  return true, errors.codes.ERR_TLS_ALPN_CALLBACK_INVALID_RESULT(chosen, table.concat(list, ", "))
end

--- The same, where there is a choice, and goes on.
local function with_protocol(socket, state, name, offered, continue)
  local callback, conn = state.settings.given.ALPNCallback, state.conn
  if not callback or not offered then
    return continue()
  end
  local ok, is_chosen, err = pcall(choose_protocol, state, callback, name, offered)
  if not is_asked(state, conn) then
    return
  elseif not ok then
    return refuse(socket, state, is_chosen or plain_error("ALPNCallback has failed"))
  elseif err then
    return refuse(socket, state, err)
  elseif not is_chosen then
    conn:alpn("") -- none is good: the client hears so by an alert, and nobody is asked any more
    return conn:go()
  end
  continue()
end

-- Names

--- The context for a name among those that were added: the last that matches.
---@param contexts table[] {pattern =, context =}
---@param name string
---@return net.tls.SecureContext?
function M.find(contexts, name)
  name = name:lower()
  for i = #contexts, 1, -1 do
    if name:find(contexts[i].pattern) then
      return contexts[i].context
    end
  end
end

--- A name with `*` for a run of what is no dot, as a pattern of Lua's.
---@param name string
---@return string
function M.pattern(name)
  local text = name:lower():gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", "[^.]*")
  return "^" .. text .. "$"
end

--- Has the program choose the context for a name, and goes on.
local function with_context(socket, state, name, continue)
  local set, conn = state.settings, state.conn
  local callback = set.given.SNICallback
  local chosen = name and not callback and M.find(set.contexts, name)
  if chosen then
    state_of.use(state, chosen, name)
  end
  if not name or not callback then
    return continue()
  end
  local ok, err = pcall(callback, name, callback_once(socket, state, function(own)
    if own ~= nil and not context.isSecureContext(own) then
      return refuse(socket, state, plain_error("Invalid SNI context", "TypeError"))
    elseif own ~= nil then
      state_of.use(state, own, name)
    end
    continue()
  end))
  if not ok and is_asked(state, conn) then
    state_of.fail(socket, state, err or plain_error("SNICallback has failed"))
  end
end

-- Both

--- Chooses what there is to choose, in the order of OpenSSL: in TLS 1.3 the protocol comes first.
local function choose(socket, state, name, offered, is_13)
  local function go_on()
    if is_asked(state, state.conn) then
      state.conn:go()
    end
  end
  local function protocol(continue)
    with_protocol(socket, state, name, offered, continue)
  end
  local function context_of_name(continue)
    with_context(socket, state, name, continue)
  end
  if is_13 then
    protocol(function() context_of_name(go_on) end)
  else
    context_of_name(function() protocol(go_on) end)
  end
end

-- Listeners of the server

--- Asks them; one that raises refuses the client.
local function ask(socket, state, event, ...)
  local conn = state.conn
  local ok, err = pcall(state.asked.emit, state.asked, event, ...)
  if not ok and is_asked(state, conn) then
    state_of.fail(socket, state, err or plain_error("a listener of '" .. event .. "' has failed"))
  end
end

--- Asks for the session of an id.
local function find_session(socket, state, id, continue)
  ask(socket, state, "resumeSession", id, callback_once(socket, state, function(der)
    if type(der) == "string" then
      state.conn:found(der)
    end
    continue()
  end))
end

--- Has the listeners of 'newSession' keep a session: in TLS 1.2 the handshake's last word,
--- `say`, waits until they have.
---@param state net.tls.State
---@param id string
---@param der string
---@param say fun()
function M.keep(state, id, der, say)
  local is_kept, conn = false, state.conn
  state.holds = (state.holds or 0) + 1
  state.asked:emit("newSession", id, der, function()
    if is_kept or not state.pending or state.conn ~= conn then
      return
    end
    local _ <close> = state
    is_kept = true
    state.holds = state.holds - 1
    if state.held and state.holds == 0 then
      state.held = nil
      say()
    end
  end)
end

local STATUS_MAX = 65527 -- bytes: what has room in TLS 1.3's message

--- What is wrong with what a program says of the certificate's status.
local function status_error(bytes)
  if bytes and type(bytes) ~= "string" then
    return errors.new("TypeError", "OCSP response must be a string", "ERR_INVALID_ARG_TYPE")
  elseif bytes and #bytes > STATUS_MAX then
    return errors.codes.ERR_OUT_OF_RANGE("OCSP response's length", "<= " .. STATUS_MAX, #bytes)
  end
end

--- A client wants to have the status of the server's certificate.
---@param socket net.tls.TLSSocket
---@param state net.tls.State
function M.status(socket, state)
  local cert, issuer = state.conn:own()
  ask(socket, state, "OCSPRequest", cert, issuer, callback_once(socket, state, function(bytes)
    local err = status_error(bytes)
    if err then
      return refuse(socket, state, err)
    end
    state.conn:status(bytes or "")
  end))
end

--- A client has said what it wants.
---@param socket net.tls.TLSSocket
---@param state net.tls.State
function M.answer(socket, state)
  local name, offered, id, is_13 = state.conn:hello()
  state.name = name
  local function go_on()
    choose(socket, state, name, offered, is_13)
  end
  if id and state.asked and core.listens(state.asked, "resumeSession") then
    find_session(socket, state, id, go_on)
  else
    go_on()
  end
end

return M
