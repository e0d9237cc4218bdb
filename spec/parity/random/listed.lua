-- SPDX-License-Identifier: MIT

--- The differences that random programs meet and that docs/differences.md lists.
--
-- A row: `line`, words of its line there; `node` and `lua`, patterns for the
-- first line in which an object's logs part; instead of them `fields`, where
-- they are lines of `show` or `state` that part in these alone, or `wash`, a
-- pattern that, taken out of both, leaves them equal; `program`, one for the
-- program's text (of an odd call: for the lines about its object), `unless`, one
-- that must not be in it; `kind`, "program" or "odd" where it is for these alone.

return {
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
}
