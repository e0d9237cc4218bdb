-- SPDX-License-Identifier: MIT

--- net.internal.luasec.context - LuaSec's parameters, and the context that they make.

local sec = require("net.tls.core").open_sec()

local context = {}

--- Calls a function for a word, or for a list of them; nothing for none.
local function each(set)
  return function(made, value)
    if type(value) == "table" then
      return set(made, table.unpack(value))
    end
    return set(made, value)
  end
end

-- Who one is

local function load_key(made, one)
  local kind = type(one.password)
  if one.password and kind ~= "string" and kind ~= "function" then
    return nil, "invalid password type"
  end
  return sec.loadkey(made, one.key, one.password)
end

local function load_pair(made, one)
  local ok, err = true, nil
  if one.key then
    ok, err = load_key(made, one)
  end
  if ok and one.certificate then
    ok, err = sec.loadcert(made, one.certificate)
    if ok and one.key and not sec.checkkey(made) then
      return nil, "private key does not match public key"
    end
  end
  return ok, err
end

local function load_pairs(made, params)
  for _, one in ipairs(params.certificates or { params }) do
    local ok, err = load_pair(made, one)
    if not ok then
      return nil, err
    end
  end
  return true
end

-- Protocols

--- Names as in ALPN's extension: each behind its length.
local function packed(names)
  local parts = {}
  for i, name in ipairs(names) do
    if type(name) ~= "string" then
      return nil
    elseif #name == 0 then
      return nil, "invalid ALPN name (empty string)"
    elseif #name > 255 then
      return nil, "invalid ALPN name (length > 255)"
    end
    parts[i] = string.pack("s1", name)
  end
  if #parts == 0 then
    return nil, "invalid ALPN list (empty)"
  end
  return table.concat(parts)
end

local function unpacked(bytes)
  local names, at = {}, 1
  while at <= #bytes do
    names[#names + 1], at = string.unpack("s1", bytes, at)
  end
  return names
end

--- A function(what a client offers) -> ours, or nil, of one that has lists.
local function asking(fn)
  return function(offered)
    local names = fn(unpacked(offered))
    if type(names) == "string" then
      names = { names }
    end
    return type(names) == "table" and packed(names) or nil
  end
end

local function serve_protocols(made, alpn)
  if type(alpn) == "function" then
    return sec.setalpncb(made, asking(alpn))
  elseif type(alpn) ~= "table" then
    return nil, "invalid ALPN parameter"
  end
  local ours, err = packed(alpn)
  if not ours then
    return nil, err
  end
  return sec.setalpncb(made, function() return ours end)
end

local function offer_protocols(made, alpn)
  local names = type(alpn) == "string" and { alpn } or alpn
  if type(names) ~= "table" then
    return nil, "invalid ALPN parameter"
  end
  local bytes, err = packed(names)
  if not bytes then
    return nil, err
  end
  return sec.setalpn(made, bytes)
end

-- All of it

local function set_locations(made, params)
  return sec.locations(made, params.cafile, params.capath)
end

local function set_dh(made, fn)
  if type(fn) ~= "function" then
    return nil, "invalid DH parameter type"
  end
  sec.setdhparam(made, fn)
  return true
end

--- Parameters in LuaSec's order, and what is called for one that is given: with its value, or,
--- where there is a third, with all of them.
local STEPS = {
  { "mode", load_pairs, true },
  { "cafile", set_locations, true },
  { "capath", set_locations, true },
  { "ciphers", sec.setcipher },
  { "ciphersuites", sec.setciphersuites },
  { "verify", each(sec.setverify) },
  { "options", each(sec.setoptions) },
  { "depth", sec.setdepth },
  { "dhparam", set_dh },
  { "curve", sec.setcurve },
  { "curveslist", sec.setcurveslist },
  { "verifyext", each(sec.setverifyext) },
}

local function set_protocols(made, params)
  if not params.alpn then
    return true
  end
  return (params.mode == "server" and serve_protocols or offer_protocols)(made, params.alpn)
end

--- newcontext(params) -> context; nil and a word
function context.new(params)
  local made, err = sec.create(params.protocol)
  local ok = made
  if ok then
    ok, err = sec.setmode(made, params.mode)
  end
  for _, step in ipairs(STEPS) do
    local value = params[step[1]]
    if ok and value then
      ok, err = step[2](made, step[3] and params or value)
    end
  end
  if ok then
    ok, err = set_protocols(made, params)
  end
  if not ok then
    return nil, err
  end
  return made
end

return context
