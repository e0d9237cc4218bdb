-- SPDX-License-Identifier: MIT

--- net.internal.luasocket.streams - sinks and sources of LTN12 over sockets.

local streams = { BLOCKSIZE = 2048, sinkt = {}, sourcet = {} }

--- A table that is called, and that `select` takes for the socket.
local function over(socket, fn)
  return setmetatable({
    getfd = function() return socket:getfd() end,
    dirty = function() return socket:dirty() end,
  }, { __call = function(_, ...) return fn(...) end })
end

--- choose(t) -> a function(name, ...) that calls t[name](...); without a name "default".
function streams.choose(t)
  return function(name, a, b)
    if type(name) ~= "string" then
      name, a, b = "default", name, a
    end
    local fn = t[name]
    if not fn then
      error("unknown key (" .. name .. ")", 3)
    end
    return fn(a, b)
  end
end

streams.sinkt["close-when-done"] = function(socket)
  return over(socket, function(chunk)
    if chunk then
      return socket:send(chunk)
    end
    socket:close()
    return 1
  end)
end

streams.sinkt["keep-open"] = function(socket)
  return over(socket, function(chunk)
    if chunk then
      return socket:send(chunk)
    end
    return 1
  end)
end

streams.sinkt.default = streams.sinkt["keep-open"]

streams.sourcet["by-length"] = function(socket, length)
  return over(socket, function()
    if length <= 0 then
      return nil
    end
    local chunk, err = socket:receive(math.min(streams.BLOCKSIZE, length))
    if not chunk then
      return nil, err
    end
    length = length - #chunk
    return chunk
  end)
end

streams.sourcet["until-closed"] = function(socket)
  local done = false
  return over(socket, function()
    if done then
      return nil
    end
    local chunk, err, partial = socket:receive(streams.BLOCKSIZE)
    if chunk then
      return chunk
    elseif err == "closed" then
      done = true
      socket:close()
      return partial
    end
    return nil, err
  end)
end

streams.sourcet.default = streams.sourcet["until-closed"]

streams.sink = streams.choose(streams.sinkt)
streams.source = streams.choose(streams.sourcet)

return streams
