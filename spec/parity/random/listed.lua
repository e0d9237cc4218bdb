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
    line = "objects in texts of errors",
    kind = "odd", wash = "%u%w+ [%[{].*$",
  },
  {
    line = "objects in texts of errors",
    kind = "odd", node = "Unknown encoding: function", lua = "Unknown encoding: %[Function",
  },
  {
    line = "names of events are strings and symbols",
    kind = "odd", node = '"listener" argument', lua = '"eventName" argument .* Received nil',
  },
  -- Fields.
  {
    line = "properties | fields, read and written in place",
    kind = "odd", program = "assigns%(", node = ".", lua = ".",
  },
  -- Defects of Node.
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
    program = '<< "%w*[dD]estroy%w*", try C%d.*\n *C%d << "connect"', node = ".", lua = ".",
  },
  {
    line = "`finish()` without a connection, and `connect()` before its",
    program = '<< "end", try C%d.*\n *C%d << "connect"', node = ".", lua = ".",
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
    kind = "odd", program = "connect%(", node = "^close%(false%)$", lua = "^close$",
  },
  {
    line = "`getTypeOfService` and `setTypeOfService` raise `EBADF`",
    kind = "odd", node = "TypeOfService EBADF", lua = "TypeOfService: ",
  },
}
