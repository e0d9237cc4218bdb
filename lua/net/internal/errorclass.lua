-- SPDX-License-Identifier: MIT

--- net.internal.errorclass - `net.Error`: errors that a program makes.
--
-- They are of one kind with those of this library, for `destroy(err)`, the `reason`
-- of a signal, or to be raised. As in JavaScript, one knows where it was made; those
-- of the library only know where they were raised, as most never are (net.errors).

local core = require("net.core")
local errors = require("net.internal.errors")
local validate = require("net.internal.validate")

local USER = 3 -- where a stack starts: who called net.Error

local function text(value, name, default)
  return value == nil and default or validate.string(value, name)
end

local function check_code(code)
  if code ~= nil and type(code) ~= "string" and type(code) ~= "number" then
    errors.raise("ERR_INVALID_ARG_TYPE", USER, "options.code", { "string", "number" }, code)
  end
end

--- The fields of an error with this text, in a new table.
local function fields_of(message, options)
  local fields = {}
  for key, value in next, options do
    fields[key] = value
  end
  fields.message, fields.name = message, text(options.name, "options.name", "Error")
  check_code(options.code)
  return fields
end

--- An error with the fields of `options`, or with a text and those.
---@param message? string|table
---@param options? table
---@return net.Error
local function create(message, options)
  if type(message) == "table" then
    options = validate.object(message, "options")
    message = text(options.message, "options.message", "")
  else
    message = text(message, "message", "")
    options = options == nil and {} or validate.object(options, "options")
  end
  local e = setmetatable(fields_of(message, options), core.error_metatable)
  e.stack = debug.traceback(tostring(e), USER)
  return e
end

return {
  Error = setmetatable({ isError = errors.is_error }, {
    __name = "class Error",
    __call = function(_, ...)
      local e = create(...)
      return e -- no tail call, which would hide the level that the stack starts at
    end,
  }),
}
