-- SPDX-License-Identifier: MIT

--- The differences that random programs meet and that docs/differences.md lists.
--
-- A row: `line`, words of its line there; `node` and `lua`, patterns for the
-- first line in which an object's logs part; instead of them `fields`, where
-- they are lines of `show` or `state` that part in these alone, or `wash`, a
-- pattern that, taken out of both, leaves them equal; `prefix`, the side
-- ("node", "lua") whose text the other's begins with; `program`, one for the
-- program's text (of an odd call: for the lines about its object), `unless`, one
-- that must not be in it; `kind`, "program" or "odd" where it is for these alone.

local rows = {}

-- A connection is begun amid a program, and data is sent to one that is there.
local ACCEPTED = "serve srv.*\n +if P1 {.*\n}\n.*settle\n.*let C2 = .*%.%a+%("

--- The same row for each of several words, which stand for WORD in its pattern `program`.
local function for_each(words, row)
  for word in words:gmatch("%S+") do
    local own = {}
    for key, v in pairs(row) do own[key] = v end
    own.program = row.program:gsub("WORD", word)
    rows[#rows + 1] = own
  end
end

-- Node's reading, finishing and closing stop behind a listener of these that raises.
for_each("connect ready pause readable end finish prefinish", {
  line = "Nor does a listener that raises keep the socket from what comes next",
  kind = "program", program = "%f[%w]on%w* %u%d? WORD {[^}]*raise%(", node = ".", lua = ".",
})

-- A text's units and the bytes it becomes, where the mark lies between them.
for_each("utf16le ucs2", {
  line = "lengths of text in UTF-16 units",
  program = '%([^\n]*, "WORD"', node = "^%w+: true$", lua = "^%w+: false$",
})

-- Text that has not reached the mark in Node, which reads on.
for_each("utf16le ucs2", {
  line = "lengths of text in UTF-16 units",
  kind = "program", program = 'setEncoding%("WORD"%)', node = "^readable$", lua = "^close%(",
})

-- An end that Node keeps from an attempt that failed.
for_each("end destroySoon", {
  line = "an end that was asked for, by `end()` or `destroySoon()`",
  kind = "program", node = ".", lua = ".",
  program = 'once (C%d) close {\n *immediate {\n *if %1.pending.*\n *%1 << "WORD", try',
})

local others = {
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
  -- When small writes leave, as the other end of the same program sees it.
  {
    line = "Small writes of one turn to one socket leave in one system call",
    kind = "program", fields = "bytesRead readableLength",
  },
  {
    line = "Small writes of one turn to one socket leave in one system call",
    kind = "program", node = "bytesWritten=.*write EPIPE", lua = "bytesWritten=.*write EPIPE",
  },
  {
    line = "Small writes of one turn to one socket leave in one system call",
    kind = "program", program = "write%(", node = "^error%(<Error: read ECONNRESET", lua = "^end$",
  },
  {
    line = "Node's second write fails with `EPIPE`, here both succeed",
    kind = "program", node = "EPIPE", lua = ".", program = "destroy",
  },
  {
    line = "here `write` returns true, and the error is there at the end of the turn",
    kind = "program", program = "[dD]estroy", node = "^write: false$", lua = "^write: true$",
  },
  {
    line = "A write to a socket without a connection fails on the tick",
    program = '"write", try C%d.write.*\n *C%d << "connect"', node = ".", lua = ".",
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
    kind = "odd", node = "uncaught%(<TypeError: %w", lua = "%(no more%)",
  },
  {
    line = "`listen({port = nil})` is `listen({})`",
    kind = "odd", program = "port: nil", node = "^listen: %w+$", lua = "ERR_INVALID_ARG_VALUE",
  },
  {
    line = "objects in texts of errors",
    kind = "odd", wash = "%u%w+ [%[{].*$",
  },
  {
    line = "objects in texts of errors",
    kind = "odd", node = "Unknown encoding: function", lua = "Unknown encoding: %[Function",
  },
  {
    line = "names of events are strings and symbols",
    kind = "odd", node = ".", lua = '"eventName" argument .* Received nil',
  },
  -- Fields.
  {
    line = "properties | fields, read and written in place",
    kind = "odd", program = "assigns%(", node = ".", lua = ".",
  },
  -- Emitters, and what is taken for options.
  {
    line = "any table is an emitter when it is first used as one",
    kind = "odd", program = "events%.", lua = ".",
    node = "must be an instance of EventEmitter or EventTarget",
  },
  {
    line = "`listenerCount`, `listeners` and `eventNames` show",
    kind = "odd", program = "eventNames", node = "^eventNames", lua = "^eventNames",
  },
  {
    line = "an object of this library or an emitter as a table of options",
    kind = "odd", node = ".", lua = 'must be of type object. Received an instance of',
  },
  {
    line = "`{}` is an empty list as well",
    kind = "odd", program = "fromJSON%({}", node = "ERR_INVALID_ARG_TYPE", lua = "fromJSON",
  },
  -- Defects of Node.
  {
    line = "`connect()` on an open socket runs",
    kind = "odd", program = "dial%(srv.*connect%(", node = ".", lua = ".",
  },
  {
    line = "`setTimeout` stores a value before it refuses it",
    kind = "odd", program = "setTimeout%(", node = "^timeout", lua = ".",
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
    line = "`connect()` on a socket that was closed keeps what the old connection has left",
    program = "once C%d close {\n *immediate {\n *if C%d.pending and not C%d.connecting",
    fields = "bytesWritten bytesRead readableLength readableDidRead writableCorked writableLength " ..
      "connecting pending readyState destroyed closed readable localAddress localPort localFamily",
  },
  {
    line = "`connect()` in the same tick as `destroy()`",
    program = '<< "%w*[dD]estroy%w*", try %u%d.*\n *%u%d+ << "connect"', node = ".", lua = ".",
  },
  {
    line = "`finish()` without a connection, and `connect()` before its",
    program = '<< "end", try C%d.*\n *C%d << "connect"', node = ".", lua = ".",
  },
  {
    line = "`resetAndDestroy()` after `end()`, while the FIN waits to be sent",
    node = "reset EINVAL", lua = ".",
  },
  {
    line = "`resetAndDestroy()` after `end()`, while the FIN waits to be sent",
    kind = "program", node = "^unpipe%(", lua = "^resetAndDestroy: ",
    program = 'try (%u%d?)%.pipe%(%1.*(%u%d) << "end", try.*%2 << "resetAndDestroy", try',
  },
  {
    line = "`resetAndDestroy()` after `end()`, while the FIN waits to be sent",
    kind = "program", node = "%(no more%)", lua = "^uncaught%(<Error: read ECONNRESET",
    program = '(%u%d) << "end", try[^\n]*\n *%1 << "resetAndDestroy", try',
  },
  {
    line = "`resetAndDestroy()` after `end()`, while the FIN waits to be sent",
    kind = "program", node = "^unpipe%(", lua = "^ready$",
    program = 'tick {\n *(%u%d) << "resetAndDestroy", try.*%1 << "end", try.*%1%.pipe%(%1%)',
  },
  {
    line = "which then fails with `ERR_MULTIPLE_CALLBACK`",
    program = "once C%d close {\n *immediate {\n *if C%d.pending",
    node = "ERR_MULTIPLE_CALLBACK", lua = ".",
  },
  {
    line = '`destroy()` inside of `"connectionAttempt"` crashes the process',
    program = "connectionAttempt", node = "reading 'connect'", lua = "%(no more%)",
  },
  {
    line = "a `connect` that raises, and a listener that raises during it",
    kind = "odd", program = "connect%(", node = "^close%(%l+%)$", lua = "^close$",
  },
  {
    line = "a `connect` that raises, and a listener that raises during it",
    kind = "odd", program = "connect%(", node = "^close%(%l+%)$", lua = "^%(no more%)$",
  },
  {
    line = "a `localAddress` that was read",
    fields = "localAddress localPort localFamily",
  },
  {
    line = "a `localAddress` that was read",
    program = "state", node = "^  unchanged$", lua = '^  localAddress="[%d.]+" localPort=PORT localFamily="IPv4"$',
  },
  {
    line = "`getTypeOfService` and `setTypeOfService` raise `EBADF`",
    kind = "odd", node = "TypeOfService EBADF", lua = "TypeOfService: ",
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
    kind = "odd", program = "unshift%(nil", node = "^unshift: true$", lua = "^unshift: false$",
  },
  {
    line = "what `rawListeners` gives for a listener that `once` has added",
    kind = "odd", program = "rawListeners", node = "^rawListeners: %[fn", lua = "^rawListeners: %[{",
  },
  {
    line = "a `connect` that raises, and a listener that raises during it",
    kind = "odd", program = '%.connect%([^\n]*\n[^\n]*"write", try',
    node = "^write: true$", lua = "^write: false$",
  },
  {
    line = "a `connect` that raises, and a listener that raises during it",
    kind = "odd", program = '%.connect%([^\n]*\n[^\n]*"end", try',
    node = "^close%(false%)$", lua = "<Error %[ERR_SOCKET_CLOSED%]",
  },
  {
    line = "a write to it fails by the old one's `\"close\"`",
    kind = "odd", program = '%.destroy%(.*"connect", try', node = "ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
    lua = ".",
  },
  {
    line = "is told by `timeout`, and never comes",
    kind = "program", node = ".", lua = "^timeout",
    program = 'once (C%d) close {\n *immediate {\n *if %1.pending',
  },
  {
    line = "and one without its listeners for `\"data\"` is no longer piped",
    kind = "program", node = ".", lua = ".",
    program = '(%u%d?) << "pipe".*%1 << "removeAllListeners", try %1.removeAllListeners%("data"',
  },
  -- When small writes leave, once more.
  {
    line = "Two small writes come as one chunk",
    kind = "program", prefix = "node", node = "^data%(", lua = "^data%(",
  },
  {
    line = "Node's second write fails with `EPIPE`, here both succeed",
    kind = "program", program = '(%u%d?) << "pipe", try %1%.pipe%(%1', node = "^unpipe%(", lua = "^finish$",
  },
  {
    line = "so ends instead of failing with `read ECONNRESET`",
    kind = "program", program = "pipe%(", node = "^unpipe%(", lua = "^end$",
  },
  {
    line = "where Node's, which has sent already, fails with `read ECONNRESET`",
    kind = "program", program = "[dD]estroy", node = "<Error: read ECONNRESET", lua = "<Error: write E%u+;",
  },
  {
    line = "here `write` returns true, and the error is there at the end of the turn",
    kind = "program", program = "pipe%(", node = "^pause$", lua = "^unpipe%(",
  },
  {
    line = "a socket whose peer has ended accepts writes",
    kind = "program", program = 'removeAllListeners%("end"%)', node = "^write", lua = "ended by the other party",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", node = "^data%(", lua = "^write: ",
    program = "serve srv.*\n  C1 << .*\n}\n.*settle\n.*let C2 = .*P1%.write%(",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", program = ACCEPTED, prefix = "lua", node = "^data%(", lua = "^data%(",
  },
  {
    line = "lengths of text in UTF-16 units",
    program = "ncoding.*read%(%d", prefix = "lua", node = "^read: ", lua = "^read: ",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", program = ACCEPTED, node = "^end: ", lua = "^write: ",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", program = ACCEPTED, node = "^readable$", lua = "^%l+: ",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", program = ACCEPTED, node = "^data%(", lua = "^%l+: ",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", program = ACCEPTED, node = "^data%(", lua = "^pipe%(",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", program = ACCEPTED, node = "^close%(", lua = "^destroy: ",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", program = ACCEPTED, node = "^  %a+=", lua = "^  %a+=",
  },
  {
    line = "a connection begun in that turn is accepted before the data is read",
    kind = "program", fields = "listening",
    program = "serve srv times 2 .*S data {.*show srv listening.*settle\n.*let C2 = .*%.write%(",
  },
}

return table.move(others, 1, #others, #rows + 1, rows)
