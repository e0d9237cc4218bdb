-- SPDX-License-Identifier: MIT

--- net.internal.tls.sessions - a client's sessions, as a program keeps them, and what a
--- server's are known by.
--
-- A session is as good as a certificate, of which the name was checked when it began: so what
-- a program gets says for whom it is, and is not used for anybody else; and it says so where
-- nobody has checked that, or the check has failed. Nor is a good one used by who trusts others
-- than whoever began it: OpenSSL keeps that its chain was good, and asks nobody again. One whose
-- chain was bad is bad for everybody.

local context = require("net.internal.tls.context")

local M = {}

local MAGIC = "net.tls session 1\n"
local UNCHECKED = "net.tls session 0\n" -- of the same length


--- What the events and getSession give.
---@param state net.tls.State
---@param der string
---@return string
function M.wrap(state, der)
  local trust = state.authorizationError and "" or context.trust(state.context)
  return (state.unchecked and UNCHECKED or MAGIC)
    .. string.pack("<s4s4", state.host or "", trust) .. der
end

--- The session in what a program has kept, for a connection to this host by who trusts the
--- same. Others' are used only where nobody asks who the peer is.
---@param state net.tls.State
---@param blob string
---@return string? der
---@return boolean unchecked nobody knows whether its certificate is the host's
function M.unwrap(state, blob)
  local magic = blob:sub(1, #MAGIC)
  if magic ~= MAGIC and magic ~= UNCHECKED then
    return not state.rejects and blob or nil, true
  end
  local ok, name, trust, at = pcall(string.unpack, "<s4s4", blob, #MAGIC + 1)
  local is_for = ok and name == (state.host or "")
    and (trust == "" or trust == context.trust(state.context))
  return is_for and blob:sub(at) or nil, magic == UNCHECKED
end

local program

--- What a server's sessions are by, if it does not say: 32 hexadecimal digits made of the
--- program's command line. OpenSSL refuses who resumes, and has a certificate, without.
---@return string
function M.program_id()
  if not program then
    local words, hashes = {}, { 0xCBF29CE484222325, 0x84222325CBF29CE4 }
    for i = -9, arg and #arg or -10 do words[#words + 1] = arg[i] end
    for c in table.concat(words, " "):gmatch(".") do
      for i = 1, 2 do hashes[i] = (hashes[i] ~ c:byte()) * 0x100000001B3 end
    end
    program = ("%016x%016x"):format(hashes[1], hashes[2])
  end
  return program
end

return M
