-- SPDX-License-Identifier: MIT

--- net.internal.errors - Node's error objects, texts and codes.
--
-- The one place that knows the texts. `errors.codes` has a constructor for each
-- code, taking what Node's takes; C calls them by code through
-- net_error_push_code, for which the table is handed to the core once, at the
-- bottom. System errors (`connect ECONNREFUSED 127.0.0.1:80`) are made in C,
-- src/base/error.c, and only finished here.
--
-- An error is a table under `core.error_metatable`: `name`, `message`, `code`
-- and what else Node gives it. To construct one is not to raise it: many go to
-- a listener or a callback. Those that are raised go through `errors.throw`,
-- which adds `stack`, since Lua puts a position on strings only.
--
-- Texts are Node's, but for words that mean a Lua value: they say nil for null and
-- undefined, and nothing of Buffers, which are strings (spec/parity/words.lua has
-- all of it). JSON's null stays null: who read one passes `true` for `is_null`.

local core = require("net.core")
local lazy = require("net.internal.lazy")

local inspect = lazy.module("net.internal.inspect")

local RECEIVED_MAX = 28 -- units of a string shown whole in "Received …"
local RECEIVED_CUT = 25 -- units shown of a longer one
local INSPECTED_MAX = 128 -- units of an inspected value
local BIG_NUMBER = 4294967296 -- integers beyond it are grouped with "_"

local errors = {}
local codes = setmetatable({}, {
  __index = function(_, code)
    return require("net.internal.task.errors")[code]
  end,
})

errors.codes = codes

--- An error value of any kind.
---@param name string
---@param message string
---@param code? string
---@param fields? table copied into the error
---@return net.Error
function errors.new(name, message, code, fields)
  local e = { name = name, message = message, code = code }
  for key, value in pairs(fields or {}) do
    e[key] = value
  end
  return setmetatable(e, core.error_metatable)
end

--- Whether a value is an error of this library.
---@param v any
---@return boolean
function errors.is_error(v)
  return type(v) == "table" and getmetatable(v) == core.error_metatable
end

--- Raises a value; an error gets a `stack` if it has none yet.
---@param e any
---@param level? integer where the stack starts, as in `error`: 1, the default, is the caller
function errors.throw(e, level)
  if errors.is_error(e) and not rawget(e, "stack") then
    e.stack = debug.traceback(tostring(e), (level or 1) + 1)
  end
  error(e, 0)
end

--- Constructs an error by its code, and raises it.
---@param code string a key of `errors.codes`
---@param level? integer as in `errors.throw`
---@param ... any what the constructor takes
function errors.raise(code, level, ...)
  errors.throw(codes[code](...), (level or 1) + 1)
end

-- Texts

local JSON_ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t",
}

local function json_escape(c)
  return JSON_ESCAPES[c] or ("\\u%04x"):format(c:byte())
end

local function received_string(s)
  if inspect.length(s) > RECEIVED_MAX then
    s = inspect.prefix(s, RECEIVED_CUT) .. "..."
  end
  if not s:find("'", 1, true) then
    return "type string ('" .. s .. "')"
  end
  return 'type string ("' .. s:gsub('[\0-\31"\\]', json_escape) .. '")'
end

--- What "Received …" says of a value that has the wrong type.
---@param v any
---@param is_null? boolean it was JSON's null
---@return string
function errors.received(v, is_null)
  local kind = type(v)
  if kind == "nil" then
    return is_null and "null" or "nil"
  elseif v == core.json.null then
    return "null"
  elseif kind == "number" then
    return "type number (" .. inspect.number(v) .. ")"
  elseif kind == "boolean" then
    return "type boolean (" .. tostring(v) .. ")"
  elseif kind == "string" then
    return received_string(v)
  elseif kind == "function" then
    return "function " .. inspect.function_name(v)
  elseif kind == "thread" then
    return "an instance of Coroutine"
  end
  return "an instance of " .. inspect.class_name(v)
end

--- A value inside a message, as `%s` of Node's util.format shows it.
local function text(v)
  return type(v) == "string" and v or inspect.inspect(v, 0)
end

--- "a", "a or b", "a, b, or c".
local function list_text(list, word)
  local n = #list
  if n < 3 then
    return table.concat(list, " " .. word .. " ")
  end
  return table.concat(list, ", ", 1, n - 1) .. ", " .. word .. " " .. list[n]
end

--- "123_456_789"
local function grouped(digits)
  local sign, rest = digits:match("^(-?)(.*)$")
  rest = rest:reverse():gsub("...", "%0_"):reverse():gsub("^_", "")
  return sign .. rest
end

--- "property" for a name with a dot, "argument" for any other.
local function argument_word(name)
  return name:find(".", 1, true) and "property" or "argument"
end

-- ERR_INVALID_ARG_TYPE

local TYPES = {
  string = true, ["function"] = true, number = true, object = true, boolean = true,
  Function = true, Object = true, bigint = true, symbol = true,
}

--- Node's three kinds of expectation: types, classes, and other texts.
local function sort_expected(expected)
  local types, classes, others = {}, {}, {}
  for _, e in ipairs(type(expected) == "table" and expected or { expected }) do
    if TYPES[e] then
      types[#types + 1] = e:lower()
    elseif e:find("^%u%w*$") then
      classes[#classes + 1] = e
    else
      others[#others + 1] = e
    end
  end
  return types, classes, others
end

--- Beside classes an object counts as one: moves it to their end.
local function object_as_class(types, classes)
  for i = 1, #types do
    if types[i] == "object" then
      table.remove(types, i)
      classes[#classes + 1] = "Object"
      return
    end
  end
end

local function others_text(others)
  if #others > 1 then
    return "one of " .. list_text(others, "or")
  end
  return (others[1]:lower() ~= others[1] and "an " or "") .. others[1]
end

--- Whether an expectation is a whole sentence already, as those from C are.
local function is_wording(expected)
  return type(expected) == "string"
    and (expected:find("^of type ") or expected:find("^one of ") or expected:find("^an? "))
end

--- "of type string or an instance of AbortSignal"
local function expected_text(expected)
  if is_wording(expected) then
    return expected
  end
  local types, classes, others = sort_expected(expected)
  if #classes > 0 then
    object_as_class(types, classes)
  end
  local parts = {}
  if #types > 0 then
    parts[#parts + 1] = (#types > 1 and "one of type " or "of type ") .. list_text(types, "or")
  end
  if #classes > 0 then
    parts[#parts + 1] = "an instance of " .. list_text(classes, "or")
  end
  if #others > 0 then
    parts[#parts + 1] = others_text(others)
  end
  return table.concat(parts, " or ")
end

--- `expected` is one text or a list: "string" and the like, "Object",
--- "AbortSignal" (a class), or any other wording; a text such as "of type
--- string or an instance of AbortSignal" is taken as it is.
---@param name string
---@param expected string|string[]
---@param actual any
---@param is_null? boolean
---@return net.Error
function codes.ERR_INVALID_ARG_TYPE(name, expected, actual, is_null)
  local subject = name:find(" argument$") and name
    or ('"%s" %s'):format(name, argument_word(name))
  local message = ("The %s must be %s. Received %s"):format(
    subject, expected_text(expected), errors.received(actual, is_null))
  return errors.new("TypeError", message, "ERR_INVALID_ARG_TYPE")
end

-- The other codes whose text depends on more than a word

---@param name string
---@param value any
---@param reason? string "is invalid" if left out
---@return net.Error
function codes.ERR_INVALID_ARG_VALUE(name, value, reason)
  local shown = inspect.inspect(value)
  if inspect.length(shown) > INSPECTED_MAX then
    shown = inspect.prefix(shown, INSPECTED_MAX) .. "..."
  end
  local message = ("The %s '%s' %s. Received %s"):format(
    argument_word(name), name, reason or "is invalid", shown)
  return errors.new("TypeError", message, "ERR_INVALID_ARG_VALUE")
end

---@param name string
---@param range string what it must be: "an integer", ">= 0 && <= 255"
---@param value any
---@return net.Error
function codes.ERR_OUT_OF_RANGE(name, range, value)
  local shown = inspect.inspect(value)
  if type(value) == "number" and value % 1 == 0
    and (value > BIG_NUMBER or value < -BIG_NUMBER) then
    shown = grouped(shown)
  end
  local message = ('The value of "%s" is out of range. It must be %s. Received %s'):format(
    name, range, shown)
  return errors.new("RangeError", message, "ERR_OUT_OF_RANGE")
end

---@param ... string|string[] a name, or names of which one would do
---@return net.Error
function codes.ERR_MISSING_ARGS(...)
  local names = {}
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    local either = type(name) == "table" and table.concat(name, '" or "') or name
    names[i] = '"' .. either .. '"'
  end
  local message = ("The %s argument%s must be specified"):format(
    list_text(names, "and"), #names > 1 and "s" or "")
  return errors.new("TypeError", message, "ERR_MISSING_ARGS")
end

---@param name string
---@param port any
---@param allow_zero? boolean default true
---@return net.Error
function codes.ERR_SOCKET_BAD_PORT(name, port, allow_zero)
  local message = ("%s should be %s 0 and < 65536. Received %s."):format(
    name, allow_zero == false and ">" or ">=", errors.received(port))
  return errors.new("RangeError", message, "ERR_SOCKET_BAD_PORT")
end

---@param family any
---@param host string
---@param port integer
---@return net.Error
function codes.ERR_INVALID_ADDRESS_FAMILY(family, host, port)
  local message = ("Invalid address family: %s %s:%s"):format(text(family), text(host), text(port))
  local fields = { host = host, port = port }
  return errors.new("RangeError", message, "ERR_INVALID_ADDRESS_FAMILY", fields)
end

--- For an "error" event without a listener whose argument is no error.
---@param value any kept as the field `context`
---@return net.Error
function codes.ERR_UNHANDLED_ERROR(value)
  local message = "Unhandled error. (" .. inspect.inspect(value) .. ")"
  return errors.new("Error", message, "ERR_UNHANDLED_ERROR", { context = value })
end

--- The error of an aborted operation.
---@param reason? any the signal's, kept as the field `cause`
---@return net.Error
function codes.ABORT_ERR(reason)
  return errors.new("AbortError", "The operation was aborted", "ABORT_ERR", { cause = reason })
end

--- Errors without a code, as JavaScript itself raises them.
function codes.TypeError(message)
  return errors.new("TypeError", message)
end

function codes.SyntaxError(message)
  return errors.new("SyntaxError", message)
end

---@param max integer bytes
---@return net.Error
function codes.ERR_IPC_MESSAGE_TOO_LONG(max)
  return errors.new("RangeError", ("A message is longer than maxMessage, %s bytes"):format(max),
    "ERR_IPC_MESSAGE_TOO_LONG")
end

-- The rest: a name and a text, whose each %s is an argument

local SIMPLE = {
  ECONNRESET = { "Error", "socket hang up" },
  EPIPE = { "Error", "This socket has been ended by the other party" },
  ERR_CHILD_CLOSED_BEFORE_REPLY = { "Error", "Child closed before reply received" },
  ERR_CHILD_PROCESS_IPC_REQUIRED = { "Error", "Forked processes must have an IPC channel, "
    .. "missing value 'ipc' in %s" },
  ERR_CLUSTER_RELOAD = { "Error", "The workers could not be replaced: %s" },
  ERR_FILE_TOO_SHORT = { "Error", "The file ends before all that was to be sent of it" },
  ERR_ILLEGAL_CONSTRUCTOR = { "TypeError", "Illegal constructor" },
  ERR_INVALID_ADDRESS = { "Error", "Invalid socket address" },
  ERR_INVALID_FD = { "RangeError", '"fd" must be a positive integer: %s' },
  ERR_INVALID_FD_TYPE = { "TypeError", "Unsupported fd type: %s" },
  ERR_INVALID_HANDLE_TYPE = { "TypeError", "This handle type cannot be sent" },
  ERR_INVALID_IP_ADDRESS = { "TypeError", "Invalid IP address: %s" },
  ERR_INVALID_STATE = { "Error", "Invalid state: %s" },
  ERR_INVALID_SYNC_FORK_INPUT = { "TypeError",
    "Asynchronous forks do not support Buffer, TypedArray, DataView or string input: %s" },
  ERR_INVALID_THIS = { "TypeError", 'Value of "this" must be of type %s' },
  ERR_IPC_ONE_PIPE = { "Error", "Child process can have only one IPC pipe" },
  ERR_IPC_CHANNEL_CLOSED = { "Error", "Channel closed" },
  ERR_IPC_DISCONNECTED = { "Error", "IPC channel is already disconnected" },
  ERR_IP_BLOCKED = { "Error", "IP(%s) is blocked by net.BlockList" },
  ERR_PROXY_PROTOCOL_INVALID = { "Error",
    "The connection does not begin with a header of the PROXY protocol" },
  ERR_PROXY_PROTOCOL_TIMEOUT = { "Error",
    "The header of the PROXY protocol has not come within %s ms" },
  ERR_REPLACE_FAILED = { "Error", "The new process did not become ready, and this one goes on" },
  ERR_METHOD_NOT_IMPLEMENTED = { "Error", "The %s method is not implemented" },
  ERR_MULTIPLE_CALLBACK = { "Error", "Callback called multiple times" },
  ERR_SERVER_ALREADY_LISTEN = { "Error",
    "Listen method has been called more than once without closing." },
  ERR_SERVER_NOT_RUNNING = { "Error", "Server is not running." },
  ERR_SOCKET_CLOSED = { "Error", "Socket is closed" },
  ERR_SOCKET_CLOSED_BEFORE_CONNECTION = { "Error",
    "Socket closed before the connection was established" },
  ERR_SOCKET_CONNECTION_TIMEOUT = { "Error", "Socket connection timeout" },
  ERR_SOCKET_HANDLE_ADOPTED = { "Error",
    "The bound socket has already been adopted by a server or socket" },
  ERR_STREAM_ALREADY_FINISHED = { "Error", "Cannot call %s after a stream was finished" },
  ERR_STREAM_CANNOT_PIPE = { "Error", "Cannot pipe, not readable" },
  ERR_STREAM_DESTROYED = { "Error", "Cannot call %s after a stream was destroyed" },
  ERR_STREAM_NULL_VALUES = { "TypeError", "May not write nil values to stream" },
  ERR_STREAM_PREMATURE_CLOSE = { "Error", "Premature close" },
  ERR_STREAM_PUSH_AFTER_EOF = { "Error", "stream.push() after EOF" },
  ERR_STREAM_UNABLE_TO_PIPE = { "Error", "Cannot pipe to a closed or destroyed stream" },
  ERR_STREAM_UNSHIFT_AFTER_END_EVENT = { "Error", "stream.unshift() after end event" },
  ERR_STREAM_WRITE_AFTER_END = { "Error", "write after end" },
  ERR_UNKNOWN_ENCODING = { "TypeError", "Unknown encoding: %s" },
  ERR_UNKNOWN_SIGNAL = { "TypeError", "Unknown signal: %s" },
  ERR_WORKER_HANDLE_NOT_TRANSFERABLE = { "Error", "%s cannot be transferred in its current state; "
    .. "it must be a freshly created or accepted handle that has not started reading and has no "
    .. "pending writes" },
}

local function simple_constructor(code, name, message)
  if not message:find("%s", 1, true) then
    return function()
      return errors.new(name, message, code)
    end
  end
  return function(word)
    return errors.new(name, (message:gsub("%%s", { ["%s"] = text(word) })), code)
  end
end

for code, row in pairs(SIMPLE) do
  codes[code] = simple_constructor(code, row[1], row[2])
end

-- System errors

--- The number of an error given by number or by name.
local function errno_of(err)
  return type(err) == "string" and core.errnum(err) or err
end

--- `syscall CODE`, ` ADDRESS:PORT` or ` PATH`, and ` - Local (DETAILS)`. The
--- caller sets `localAddress` and `localPort` where Node has them.
---@param err integer|string negative errno, or its name
---@param syscall string
---@param address? string
---@param port? integer no field if 0, not in the text unless positive
---@param details? string the local end, as `0.0.0.0:0`
---@return net.Error
function errors.system(err, syscall, address, port, details)
  local e = core.errno_error(errno_of(err), syscall, address, port)
  if details then
    e.message = e.message .. " - Local (" .. details .. ")"
  end
  return e
end

--- The error of a failed `listen`, with its description:
--- `listen EADDRINUSE: address already in use :::80`.
---@param err integer|string negative errno, or its name
---@param address? string host or path
---@param port? integer -1 for a path, as in Node
---@return net.Error
function errors.listen(err, address, port)
  return core.errno_error(errno_of(err), "listen", address, port, true)
end

--- The error of a failed look-up: `getaddrinfo ENOTFOUND host`.
---@param err integer|string -3008 and the like, a negative errno, or its name
---@param hostname? string
---@return net.Error
function errors.lookup(err, hostname)
  local e = core.errno_error(errno_of(err), "getaddrinfo", hostname)
  e.address, e.hostname = nil, hostname
  return e
end

-- Errors about others

--- The error of an operation that a signal ended.
---@param reason? any
---@return net.Error
errors.abort = codes.ABORT_ERR

--- Several errors as one; its code is that of the first, its text empty.
---@param list net.Error[] kept, not copied
---@param message? string
---@return net.Error
function errors.aggregate(list, message)
  local first = list[1]
  local code = errors.is_error(first) and first.code or nil
  return errors.new("AggregateError", message or "", code, { errors = list })
end

core.set_error_codes(codes)

return errors
