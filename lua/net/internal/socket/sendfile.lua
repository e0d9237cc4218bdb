-- SPDX-License-Identifier: MIT

--- net.internal.socket.sendfile - socket:sendFile: arguments, and what is told of a file that
--- cannot be sent. The bytes are src/stream/sendfile.c's.

local core = require("net.core")
local errors = require("net.internal.errors")
local validate = require("net.internal.validate")

local stream = core.stream
local methods = core.Socket.methods

--- Raises unless it is a path or a number of a descriptor; returns it.
local function check_file(file)
  if type(file) == "string" then
    if file:find("\0", 1, true) then
      errors.raise("ERR_INVALID_ARG_VALUE", 3, "file", file, "must be a string without null bytes")
    end
    return file
  elseif type(file) ~= "number" then
    errors.raise("ERR_INVALID_ARG_TYPE", 3, "file", { "string", "number" }, file)
  end
  return (validate.int32(file, "file", 0))
end

--- Folds the forms with fewer arguments: the callback is the first function.
local function fold(offset, length, callback)
  if type(offset) == "function" then
    return nil, nil, offset
  elseif type(length) == "function" then
    return offset, nil, length
  end
  return offset, length, callback
end

--- The error for what `stream.sendfile` said; `path` names the file in it.
local function failure(err, syscall, file)
  local e = core.errname(err) == "ENODATA" and errors.codes.ERR_FILE_TOO_SHORT()
    or errors.system(err, syscall)
  e.path = type(file) == "string" and file or nil
  return e
end

--- Sends a file, or a part of it, in its turn among the writes.
---
---     socket:sendFile(file [, offset [, length]] [, callback])
---
---@param file string|integer
---@param offset? integer
---@param length? integer
---@param callback? fun(err?: net.Error)
---@return boolean
function methods:sendFile(file, offset, length, callback)
  if not stream.is(self) then
    errors.raise("ERR_INVALID_THIS", 2, "Socket")
  end
  offset, length, callback = fold(offset, length, callback)
  file = check_file(file)
  offset = offset == nil and 0 or validate.integer(offset, "offset", 0)
  length = length ~= nil and validate.integer(length, "length", 0) or nil
  if callback ~= nil then
    validate.func(callback, "callback")
  end
  local fits, err, syscall = stream.sendfile(self, file, offset, length, callback)
  if fits ~= nil then
    return fits
  end
  err = failure(err, syscall, file)
  if callback then
    core.tick(callback, err)
    return not self.writableNeedDrain
  end
  self:destroy(err)
  return false
end
