-- SPDX-License-Identifier: MIT

--- net.internal.socket.options - the options of `net.Socket`: how each is checked and applied.
--
-- In a file of their own, not in net.internal.options: that one is loaded with the
-- library, and these with the first socket that a program makes. The order is Node's,
-- which checks a mark under another name than it was given by, and looks at the
-- descriptor amid the others. Types, units and defaults are in lua/net/meta.lua. What
-- decides whether the socket has a descriptor (fd, handle), and its signal, is
-- socket.lua's.

local core = require("net.core")
local truthy = require("net.internal.options").truthy
local validate = require("net.internal.validate")

local errors = require("net.internal.lazy").module("net.internal.errors")

local stream = core.stream

local socket_options = {}

-- Checks

local UNSUPPORTED = { "objectMode", "readableObjectMode", "writableObjectMode" }

--- Raises for what a byte stream cannot be.
local function check_modes(options)
  for _, name in ipairs(UNSUPPORTED) do
    if truthy(options[name]) then
      errors.raise("ERR_INVALID_ARG_VALUE", 4, "options." .. name, options[name],
        "is not supported")
    end
  end
end

local function check_encoding(name)
  if not (type(name) == "string" and core.encodingName(name)) then
    errors.raise("ERR_UNKNOWN_ENCODING", 4, name)
  end
end

local function check_block_list(v)
  if truthy(v) and not core.blocklist.is(v) then
    errors.raise("ERR_INVALID_ARG_TYPE", 4, "options.blockList", "an net.BlockList", v)
  end
end

--- The mark for one side: that for both wins.
local function mark_of(options, name)
  if options.highWaterMark ~= nil then
    return options.highWaterMark, "options.readableHighWaterMark"
  end
  return options[name], "options." .. name
end

local function check_marks(options)
  for _, side in ipairs { "readableHighWaterMark", "writableHighWaterMark" } do
    local mark, name = mark_of(options, side)
    if mark ~= nil then
      validate.high_water_mark(mark, name)
    end
  end
end

--- What Node checks before it looks at the descriptor.
local function check_options(options)
  check_modes(options)
  if options.keepAliveInitialDelay ~= nil then
    validate.number(options.keepAliveInitialDelay, "options.keepAliveInitialDelay")
  end
  check_marks(options)
  if truthy(options.encoding) then
    check_encoding(options.encoding)
  end
  if options.defaultEncoding ~= nil then
    check_encoding(options.defaultEncoding)
  end
  if truthy(options.signal) then
    validate.signal(options.signal, "signal")
  end
end

local FD_TYPES = { tcp = "TCP", unix = "PIPE", pipe = "PIPE" }

--- The checks of an open descriptor.
local function check_fd(fd)
  validate.int32(fd, "fd", 0)
  local kind = core.stream.fd_type(math.tointeger(fd))
  if kind ~= FD_TYPES.tcp and kind ~= FD_TYPES.unix then
    errors.raise("ERR_INVALID_FD_TYPE", 5, kind)
  end
end

--- All checks of the constructor, in Node's order; nothing is done before.
function socket_options.check(options, bound)
  check_options(options)
  if bound then
    bound:fd() -- raises if it is gone
  elseif options.fd ~= nil then
    check_fd(options.fd)
  end
  if options.typeOfService ~= nil then
    validate.int32(options.typeOfService, "options.typeOfService", 0, 255)
  end
  check_block_list(options.blockList)
end

-- What becomes of them

local function apply_onread(socket, onread)
  if type(onread) ~= "table" or type(onread.callback) ~= "function" then
    return
  end
  local size = onread.buffer
  if type(size) == "function" or math.type(size) and size >= 1 then
    stream.onread(socket, size, onread.callback)
  end
end

--- Applies those that hold whether or not there is a descriptor.
function socket_options.apply(socket, options)
  stream.options(socket, {
    read_hwm = mark_of(options, "readableHighWaterMark"),
    write_hwm = mark_of(options, "writableHighWaterMark"),
    half_open = truthy(options.allowHalfOpen),
    no_read = options.readable == false,
    no_write = options.writable == false,
    encoding = options.defaultEncoding,
  })
  if truthy(options.encoding) then
    socket:setEncoding(options.encoding)
    stream.encoding(socket, options.encoding) -- is shown as it was given
  end
  if truthy(options.noDelay) then
    socket:setNoDelay(true)
  end
  if truthy(options.keepAlive) then
    socket:setKeepAlive(true, math.max(options.keepAliveInitialDelay or 0, 0))
  end
  if options.typeOfService then
    socket:setTypeOfService(options.typeOfService)
  end
  socket.blockList = truthy(options.blockList) and options.blockList or nil
  apply_onread(socket, options.onread)
end

return socket_options
