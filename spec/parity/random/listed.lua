-- SPDX-License-Identifier: MIT

--- The differences that random programs meet and that docs/differences.md lists.
--
-- A row: `line`, words of its line there; `node` and `lua`, patterns for the
-- first line in which an object's logs part; instead of them `fields`, where
-- they are lines of `show` or `state` that part in these alone, or `wash`, a
-- pattern that, taken out of both, leaves them equal; `prefix`, the side
-- ("node", "lua") whose text the other's begins with; `program`, one for the
-- program's text (of an odd call: for the lines about its object); `object`, one
-- for the object's name; `said`, one for Node's log (of an odd call: for a line of
-- its object there); `anywhere`, one for all of it; `told`, that callbacks and closes
-- are as many on both sides, or a peer was gone.
--
-- A row with an `edit` (edits.lua) is for programs: what is left of one without
-- the row's reason must be as in Node, or be listed itself. One without is for
-- odd calls, of which each is on its own.

local edits = require("spec.parity.random.edits")

local rows = {}

local function add(list) table.move(list, 1, #list, #rows + 1, rows) end

--- The same row for each of several words, which stand for WORD in `program` and
--- in `without`, from which its edit is made.
local function for_each(words, row)
  for word in words:gmatch("%S+") do
    local own = {}
    for key, v in pairs(row) do own[key] = v end
    own.program = row.program:gsub("WORD", (word:gsub("%-", "%%%%-")))
    own.edit = edits.without((row.without:gsub("WORD", word)))
    rows[#rows + 1] = own
  end
end

-- Programs ------------------------------------------------------------------------

-- A connect of a socket that the program has made, and that of one that was closed.
local CONNECT = "^if (C%d)%.pending and not %1%.connecting$"
local RECONNECT = "once (C%d) close\nimmediate\nif %1%.pending and not %1%.connecting$"
local RECONNECTS = "once (C%d) close {\n *immediate {\n *if %1%.pending and not %1%.connecting"

--- An encoding behind data.
local ENCODED = '(<< "%l+", try %u%d?%.%l+%([^!]-), "[%w-]+"'

add({
  -- When small writes leave, as the other end of the same program sees it.
  {
    line = "Small writes of one turn to one socket leave in one system call",
    node = ".", lua = ".", told = true, edit = edits.eager,
  },
  -- Lengths.
  {
    line = "lengths of text in UTF-16 units",
    program = "[eE]ncoding", node = ".", lua = ".",
    edit = edits.all(edits.without("%.setEncoding%("), edits.instead('encoding: "%w+"', "none: true")),
  },
  {
    line = "lengths of text in UTF-16 units",
    program = '"\195\169t\195\169"', node = ".", lua = ".",
    edit = edits.instead('"\195\169t\195\169"', '"ete"'),
  },
  {
    line = "lengths of text in UTF-16 units",
    program = ENCODED, node = ".", lua = ".", edit = edits.instead(ENCODED, "%1"),
  },
  {
    line = "| `Buffer`, `Uint8Array`, string | a Lua string, which is bytes",
    program = "setDefaultEncoding", node = ".", lua = ".",
    edit = edits.without("%.setDefaultEncoding%("),
  },
})

add({
  {
    line = "An empty write to a connection that is gone succeeds",
    program = '%.%l+%(""', node = ".", lua = ".", said = "write E%u+;",
    edit = edits.instead('(%.%l+%()""', '%1"a"'),
  },
  {
    line = "so Node treats strings, and counts Buffers of any length",
    program = 'x"', fields = "bytesWritten", said = "errored=<Error: write E",
    edit = edits.blind("bytesWritten"),
  },
  {
    line = "so Node treats strings, and counts Buffers of any length",
    program = '"pipe"', fields = "bytesWritten", said = "errored=<Error: write E",
    edit = edits.blind("bytesWritten"),
  },
  {
    line = "so Node treats strings, and counts Buffers of any length",
    program = 'x"', node = "^  .*bytesWritten=", lua = "^  ", said = "errored=<Error: write E",
    edit = edits.blind("bytesWritten"),
  },
  {
    line = "so Node treats strings, and counts Buffers of any length",
    program = '"pipe"', node = "^  .*bytesWritten=", lua = "^  ", said = "errored=<Error: write E",
    edit = edits.blind("bytesWritten"),
  },
})

-- What a socket has been through before the program connects it.
for_each("write end destroy destroySoon resetAndDestroy unshift", {
  line = "`connect()` on a socket that was closed keeps what the old connection has left",
  program = '\n *let (C%d) = net.Socket.*%1 << "WORD", try.*settle\nif %1%.pending and not',
  node = ".", lua = ".", without = CONNECT,
})

-- Node's reading, finishing and closing stop behind a listener of these that raises.
for_each("connect ready pause readable end finish prefinish", {
  line = "Nor does a listener that raises keep the socket from what comes next",
  program = "%f[%w]on%w* %u%d? WORD {.*raise%(", node = ".", lua = ".",
  said = "uncaught%(<Error[^:]*: own", without = "%f[%w]on%w* %u%d? WORD\n.*raise%(",
})

-- An end that Node keeps from an attempt that failed.
for_each("end destroySoon", {
  line = "an end that was asked for, by `end()` or `destroySoon()`",
  program = 'once (C%d) close {\n *immediate {\n *if %1.pending.*\n *%1 << "WORD", try',
  node = ".", lua = ".", without = RECONNECT,
})

add({
  {
    line = "A write to a socket without a connection fails on the tick",
    program = '"write", try C%d.write.*\n *C%d << "connect"', node = ".", lua = ".",
    edit = edits.settled(CONNECT),
  },
  {
    line = "an error of a socket with a `signal` is lost",
    program = "signal: abort", object = "^uncaught$", node = ".", lua = ".",
    edit = edits.instead("signal: abort.signal", "none: true"),
  },
  {
    line = "an error of a socket with a `signal` is lost",
    program = "signal: abort", object = "^all$", node = ".", lua = "^uncaught%.",
    edit = edits.instead("signal: abort.signal", "none: true"),
  },
  {
    line = "a socket whose `signal` is aborted already",
    program = "signal: abort.*abort%.abort%(", node = "^connectionAttempt%(", lua = ".",
    edit = edits.instead("signal: abort.signal", "none: true"),
  },
  {
    line = "a socket whose `signal` is aborted already",
    program = "signal: abort.*abort%.abort%(", node = "^close%(", lua = ".",
    edit = edits.instead("signal: abort.signal", "none: true"),
  },
  {
    line = "a socket whose `signal` is aborted already",
    program = "signal: abort.*\nabort%.abort%(.*\nif (C%d)%.pending and not %1%.connecting",
    node = ".", lua = ".", edit = edits.instead("signal: abort.signal", "none: true"),
  },
  {
    line = "`connect()` on a socket that was closed keeps what the old connection has left",
    program = RECONNECTS, fields = "readableDidRead bytesRead bytesWritten",
    edit = edits.blind("readableDidRead", "bytesRead", "bytesWritten"),
  },
  {
    line = "`connect()` on a socket that was closed keeps what the old connection has left",
    program = RECONNECTS .. ".*%.cork", node = ".", lua = ".", edit = edits.without("%.cork%("),
  },
  {
    line = "`connect()` on a socket that was closed keeps what the old connection has left",
    program = "%.cork.*" .. RECONNECTS, node = ".", lua = ".", edit = edits.without("%.cork%("),
  },
  {
    line = "`connect()` on a socket that was closed keeps what the old connection has left",
    program = RECONNECTS, fields = "readableLength", edit = edits.blind("readableLength"),
  },
  {
    line = "`connect()` on a socket that was closed keeps what the old connection has left",
    program = RECONNECTS, node = ".", lua = ".", edit = edits.without(RECONNECT),
  },
  {
    line = "`connect()` in the same tick as `destroy()`",
    program = '<< "%w*[dD]estroy%w*", try %u%d.*\n *%u%d+ << "connect"', node = ".", lua = ".",
    edit = edits.settled(CONNECT),
  },
  {
    line = "`connect()` in the same tick as `destroy()`",
    program = '<< "unshift", try %u%d.*\n *%u%d+ << "connect"', node = ".", lua = ".",
    said = "ERR_STREAM_UNSHIFT_AFTER_END_EVENT", edit = edits.settled(CONNECT),
  },
  {
    line = "`finish()` without a connection, and `connect()` before its",
    program = '<< "end", try C%d.*\n *C%d << "connect"', node = ".", lua = ".",
    edit = edits.settled(CONNECT),
  },
  {
    line = "`resetAndDestroy()` after `end()`, while the FIN waits to be sent",
    program = "resetAndDestroy", said = "reset EINVAL", node = ".", lua = ".",
    edit = edits.without("%.resetAndDestroy%("),
  },
  {
    line = "`resetAndDestroy()` after `end()`, while the FIN waits to be sent",
    program = '(%u%d?) << "end", try.*%1 << "resetAndDestroy"', node = ".", lua = ".",
    edit = edits.without("%.resetAndDestroy%("),
  },
  {
    line = "which then fails with `ERR_MULTIPLE_CALLBACK`",
    program = RECONNECTS, said = "ERR_MULTIPLE_CALLBACK", node = ".", lua = ".",
    edit = edits.without(RECONNECT),
  },
  {
    line = "is told by `timeout`, and never comes",
    program = RECONNECTS, node = ".", lua = "^timeout", edit = edits.without(RECONNECT),
  },
  {
    line = "a `localAddress` that was read",
    program = "state", fields = "localAddress localPort localFamily",
    edit = edits.blind("localAddress", "localPort", "localFamily"),
  },
  {
    line = "a `localAddress` that was read",
    program = "state", node = ".", lua = "^  .*localAddress=",
    edit = edits.blind("localAddress", "localPort", "localFamily"),
  },
  {
    line = "In a ring of pipes other numbers of bytes have gone round",
    program = '(%u%d) << "pipe", try %1%.pipe%(%1%)', fields = "bytesRead bytesWritten",
    edit = edits.blind("bytesRead", "bytesWritten"),
  },
  {
    line = "a socket whose peer has ended accepts writes",
    program = 'removeAllListeners%("end"%)', node = "^write", lua = "ended by the other party",
    edit = edits.without('%.removeAllListeners%("end"'),
  },
  {
    line = "a socket whose peer has ended accepts writes",
    program = 'removeAllListeners%("end"%)', node = "WRITE_AFTER_END", lua = "ended by the other party",
    edit = edits.without('%.removeAllListeners%("end"'),
  },
})

-- A pipe whose own listeners the program takes away: behind it, or in what it has
-- asked for before.
local function taken_from_pipe(event, line)
  local takes = ('removeAllListeners%%("%s"'):format(event)
  for _, program in ipairs({ '"pipe", try.*' .. takes, takes .. '.*"pipe", try' }) do
    rows[#rows + 1] = {
      line = line, program = program, node = ".", lua = ".", edit = edits.without("%." .. takes),
    }
  end
end

taken_from_pipe("data", "and one without its listeners for `\"data\"` is no longer piped")
taken_from_pipe("end", "nor one without those for `\"end\"` ends what it is piped to")

-- Odd calls -----------------------------------------------------------------------

add({
  -- Lengths.
  {
    line = "lengths of text in UTF-16 units",
    program = "ncoding", fields = "readableLength",
  },
  {
    line = "lengths of text in UTF-16 units",
    program = '%([^\n]*, "[%w-]+"', fields = "writableLength bufferSize writableNeedDrain",
  },
  {
    line = "lengths of text in UTF-16 units",
    program = '%([^\n]*, "%w+"', node = "^%w+: false$", lua = "^%w+: true$",
  },
  {
    line = "lengths of text in UTF-16 units",
    program = '"\195\169t\195\169"', fields = "writableLength bufferSize bytesWritten writableNeedDrain",
  },
  {
    line = "Small writes of one turn to one socket leave in one system call",
    program = "rep%(", node = "^data%(.* bytes", lua = "^data%(.* bytes",
  },
  {
    line = "| `Buffer`, `Uint8Array`, string | a Lua string, which is bytes",
    program = 'setDefaultEncoding.*write%(x"', node = ".", lua = ".",
  },
  {
    line = "lengths of text in UTF-16 units",
    program = '"\195\169t\195\169"', node = "^%w+: true$", lua = "^%w+: false$",
  },
  -- What V8 says, and how values are shown.
  {
    line = "What V8 says of a value that no check of Node's has caught",
    node = "<TypeError: ", lua = "<TypeError %[ERR_INVALID_ARG_",
  },
  {
    line = "What V8 says of a value that no check of Node's has caught",
    node = "<TypeError: ", lua = "attempt to",
  },
  {
    line = "What V8 says of a value that no check of Node's has caught",
    node = "uncaught%(<TypeError: %w", lua = "%(no more%)",
  },
  {
    line = "`listen({port = nil})` is `listen({})`",
    program = "port: nil", node = "^listen: %w+$", lua = "ERR_INVALID_ARG_VALUE",
  },
  {
    line = "objects in texts of errors",
    wash = "%u%w+ [%[{].*$",
  },
  {
    line = "objects in texts of errors",
    node = "Unknown encoding: function", lua = "Unknown encoding: %[Function",
  },
  {
    line = "names of events are strings and symbols",
    node = ".", lua = '"eventName" argument .* Received nil',
  },
  {
    line = "names of events are strings and symbols",
    program = "%.emit%([%[{%d]", node = "^emit: true$", lua = "^emit: false$",
  },
  -- Fields.
  {
    line = "properties | fields, read and written in place",
    program = "assigns%(", node = "^%l%w+: true$", lua = "^%l%w+: false$",
  },
  {
    line = "properties | fields, read and written in place",
    program = "assigns%(",
    fields = "allowHalfOpen timeout connecting bytesRead readable readableFlowing maxConnections listening",
  },
  -- Emitters, and what is taken for options.
  {
    line = "any table is an emitter when it is first used as one",
    program = "events%.", lua = ".",
    node = "must be an instance of EventEmitter or EventTarget",
  },
  {
    line = "`listenerCount`, `listeners` and `eventNames` show",
    program = "eventNames", node = "^eventNames", lua = "^eventNames",
  },
  {
    line = "an object of this library or an emitter as a table of options",
    node = ".", lua = 'must be of type object[%l ]*. Received an instance of',
  },
  {
    line = "`{}` is an empty list as well",
    program = "fromJSON%({}", node = "ERR_INVALID_ARG_TYPE", lua = "fromJSON",
  },
  -- Defects of Node.
  {
    line = "`setTimeout` stores a value before it refuses it",
    program = "setTimeout%(", node = "^timeout", lua = ".",
  },
  {
    line = "`setTimeout` stores a value before it refuses it",
    said = "setTimeout: raises", node = ".", lua = "^timeout",
  },
  {
    line = "an error of a socket with a `signal` is lost",
    program = "signal: abort", node = "%(no more%)", lua = "^uncaught%(<",
  },
  {
    line = "an error of a socket with a `signal` is lost",
    program = "signal: abort", node = "^uncaught%(<Error: own", lua = "^uncaught%(<AbortError",
  },
  {
    line = "`resetAndDestroy()` after `end()`, while the FIN waits to be sent",
    node = "reset EINVAL", lua = ".",
  },
  {
    line = '`destroy()` inside of `"connectionAttempt"` crashes the process',
    program = "connectionAttempt", node = "reading 'connect'", lua = "%(no more%)",
  },
  {
    line = "a `connect` that raises, and a listener that raises during it",
    said = "connect: raises", node = ".", lua = ".",
  },
  {
    line = "a socket whose `signal` is aborted already",
    node = "^close%(", lua = "^resume$", anywhere = "uncaught: uncaught%(<AbortError",
  },
  {
    line = "`net.connect` that raises, for a port that is none or another option, leaves",
    object = "^uncaught$", anywhere = "onnect%w*: raises", node = "AbortError",
    lua = "%(no more%)",
  },
  {
    line = "`net.connect` that raises, for a port that is none or another option, leaves",
    object = "^uncaught$", anywhere = "onnect%w*: raises", node = "AbortError",
    lua = "attempt to call",
  },
  {
    line = "`getTypeOfService` and `setTypeOfService` raise `EBADF`",
    node = "TypeOfService EBADF", lua = "TypeOfService: ",
  },
  {
    line = "What `write` holds back, `bytesWritten` counts by what is sent",
    program = '%([^\n]*, "hex"', fields = "bytesWritten",
  },
  {
    line = "| `Buffer`, `Uint8Array`, string | a Lua string, which is bytes",
    program = 'write%(x".*setDefaultEncoding', fields = "bytesWritten writableLength bufferSize",
  },
  {
    line = "Where Node tells a missing argument from `undefined`",
    program = "unshift%(nil", node = "^unshift: true$", lua = "^unshift: false$",
  },
  {
    line = "what `rawListeners` gives for a listener that `once` has added",
    program = "rawListeners", node = "^rawListeners: %[fn", lua = "^rawListeners: %[{",
  },
  {
    line = "lengths of text in UTF-16 units",
    program = "ncoding.*read%(%d", prefix = "lua", node = "^read: ", lua = "^read: ",
  },
})

add(require("spec.parity.random.tlslisted"))

return rows
