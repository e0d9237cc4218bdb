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

-- Protocols

--- Has the program choose one; returns whether the handshake goes on.
local function choose_protocol(socket, state, callback, name, offered)
  local list = alpn.decode(offered)
  local chosen = callback({ servername = name or "", protocols = list })
  if chosen == nil then
    state.conn:alpn("") -- none is good, and the client hears so by an alert
    return true
  end
  for _, protocol in ipairs(list) do
    if protocol == chosen then
      state.conn:alpn(string.pack("s1", chosen))
      return true
    end
  end
  state_of.fail(socket, state, errors.codes.ERR_TLS_ALPN_CALLBACK_INVALID_RESULT(chosen,
    table.concat(list, ", ")))
  return false
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

--- Is the handshake of that connection still there, and waits for an answer?
local function is_asked(state, conn)
  return state.pending and state.conn == conn and conn:state() == "handshake"
end

local function go_on(state)
  if is_asked(state, state.conn) then
    state.conn:go()
  end
end

--- Ends the handshake on a tick: what listeners of 'tlsClientError' raise then is nobody's
--- answer.
local function refuse(socket, state, err)
  net_core.tick(state_of.fail, socket, state, err)
end

--- What SNICallback calls.
local function answer_once(socket, state, name)
  local answered, conn = false, state.conn
  return function(err, chosen)
    if not is_asked(state, conn) then
      return -- it took too long, or is closed
    elseif answered then
      return refuse(socket, state, errors.codes.ERR_MULTIPLE_CALLBACK())
    end
    answered = true
    if err ~= nil and err ~= false then
      return refuse(socket, state, err)
    elseif chosen ~= nil and not context.isSecureContext(chosen) then
      return refuse(socket, state, plain_error("Invalid SNI context", "TypeError"))
    elseif chosen ~= nil then
      state_of.use(state, chosen, name)
    end
    go_on(state)
  end
end

local function choose_context(socket, state, set, name)
  local callback = set.given.SNICallback
  if not callback then
    local chosen = M.find(set.contexts, name)
    if chosen then
      state_of.use(state, chosen, name)
    end
    return go_on(state)
  end
  local conn = state.conn
  local ok, err = pcall(callback, name, answer_once(socket, state, name))
  if not ok and is_asked(state, conn) then
    state_of.fail(socket, state, err or plain_error("SNICallback has failed"))
  end
end

-- Both

--- Chooses what there is to choose.
local function choose(socket, state, name, offered)
  local set = state.settings
  if set.given.ALPNCallback and offered then
    local ok, go = pcall(choose_protocol, socket, state, set.given.ALPNCallback, name, offered)
    if not state.conn:state() then
      return
    elseif not ok then
      return state_of.fail(socket, state, go or plain_error("ALPNCallback has failed"))
    elseif not go then
      return
    end
  end
  if name then
    choose_context(socket, state, set, name)
  else
    go_on(state)
  end
end

-- Listeners of the server

--- What they call, once: `use(value)` has the handshake go on.
local function callback_once(socket, state, use)
  local answered, conn = false, state.conn
  return function(err, value)
    if not is_asked(state, conn) then
      return
    elseif answered then
      return refuse(socket, state, errors.codes.ERR_MULTIPLE_CALLBACK())
    end
    answered = true
    if err ~= nil and err ~= false then
      return refuse(socket, state, err)
    end
    use(value)
  end
end

--- Asks them; one that raises refuses the client.
local function ask(socket, state, event, ...)
  local conn = state.conn
  local ok, err = pcall(state.server.emit, state.server, event, ...)
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
  state.server:emit("newSession", id, der, function()
    if is_kept or not state.pending or state.conn ~= conn then
      return
    end
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
  local name, offered, id = state.conn:hello()
  if id and state.server and core.listens(state.server, "resumeSession") then
    find_session(socket, state, id, function() choose(socket, state, name, offered) end)
  else
    choose(socket, state, name, offered)
  end
end

return M
