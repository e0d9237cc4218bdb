-- SPDX-License-Identifier: MIT

--- The rows of listed.lua that are about TLS: what random programs of it meet, and
--- docs/differences.md lists. All have an edit.

local edits = require("spec.parity.random.edits")

local rows = {}

local function add(list) table.move(list, 1, #list, #rows + 1, rows) end

--- Takes away all for which a chain is refused, or a certificate is asked for.
local GOOD_CHAINS = edits.all(
  edits.instead('rejectUnauthorized: false, ca: pem%("other"%)', "none: true"),
  edits.instead('ca: pem%("other"%)', "none: true"),
  edits.instead('cert: pem%("stranger"%), key: keyof%("stranger"%)', "none: true"),
  edits.instead('cert: pem%("lone"%), key: keyof%("lone"%)', "none: true"),
  edits.instead("requestCert: true", "none: true"))

for word in ("UNABLE_TO_ SELF_SIGNED UNKNOWN_CA CERTIFICATE_REQUIRED DID_NOT_RETURN"):gmatch("%S+") do
  add({ {
    line = "a client's chain is judged behind the handshake: no alert",
    program = "@tls", node = ".", lua = word, edit = GOOD_CHAINS,
  } })
end

--- What a program writes, before the handshake is over or later.
local NO_WRITES = edits.all(edits.without('<< "write", try'), edits.without('<< "end", try'),
  edits.without('<< "destroySoon", try'))

--- An end with nothing to send is one with something.
local NO_EMPTY_END = edits.all(edits.instead('(<< "end", try [%w.]*)%(%)', '%1("a")'),
  edits.instead('(<< "end", try [%w.]*)%((%w+!")', '%1("a", %2'))

--- Nothing else happens amid the handshake of two halves of a pair.
local QUIET_PAIR = edits.all(edits.settled("^C1 = tls%.connect"), edits.settled("^watch C1"))

add({
  {
    line = "What one half writes is told to the other soon",
    program = "@tls.*= pair%(%)", node = ".", lua = ".", edit = QUIET_PAIR,
  },
  {
    line = "`secureConnecting` of a server's `TLSSocket` that belongs to no tls.Server",
    program = "@tls.*tls.TLSSocket%(R", object = "^[SP]", fields = "secureConnecting",
    edit = edits.blind("secureConnecting"),
  },
  {
    line = "`secureConnecting` of a server's `TLSSocket` that belongs to no tls.Server",
    program = "@tls.*tls.TLSSocket%(R.*not [SP]1?%.secureConnecting", object = "^[SP]", node = ".", lua = ".",
    edit = edits.instead(" and not [SP]1?%.secureConnecting", ""),
  },
  {
    line = "a client's chain is judged behind the handshake: no alert",
    program = "@tls.*requestCert", node = ".", lua = ".", said = "CERTIFICATE_REQUIRED", edit = GOOD_CHAINS,
  },
  {
    line = "nor does a server's `highWaterMark` reach its TLS sockets",
    program = "serve [^\n]*tls[^\n]*highWaterMark", node = ".", lua = ".", object = "^[SP]",
    edit = edits.instead("(serve [^\n]*)highWaterMark: %d+", "%1none: true"),
  },
  {
    line = "in TLS 1.3 what a server sends waits until `newSession` is done",
    program = "@tls 1.3.*on srv newSession", node = ".", lua = ".", edit = edits.without("^on srv newSession"),
  },
  {
    line = "`timeout` of a server's TLS socket is that of its handshake",
    program = "@tls", object = "^[SP]", fields = "timeout", edit = edits.blind("timeout"),
  },
  {
    line = "`resetAndDestroy()` of a TLS socket raises `ERR_INVALID_HANDLE_TYPE`",
    program = "@tls.*resetAndDestroy", node = ".", lua = ".", said = "INVALID_HANDLE_TYPE",
    edit = edits.without("%.resetAndDestroy%("),
  },
  {
    line = "takes the options of a stream, as `encoding`",
    program = '@tls.*encoding: "', node = ".", lua = ".", edit = edits.instead('encoding: "%w+"', "none: true"),
  },
  {
    line = "a raising `checkServerIdentity` leaves a connection that is in use",
    program = "@tls.*checkServerIdentity: fn%(%) { raise", node = ".", lua = ".",
    edit = edits.instead("checkServerIdentity: fn%(%) { raise", "checkServerIdentity: fn() { return "),
  },
  {
    line = "an empty write before the handshake is over calls back when it is",
    program = '@tls.*%.%l+%(""', node = ".", lua = ".", edit = edits.instead('(%.%l+%()""', '%1"a"'),
  },
  {
    line = "`end()` with nothing written before the handshake is over ends the connection",
    program = '@tls.*<< "end", try', node = ".", lua = ".",
    edit = NO_EMPTY_END,
  },
  {
    line = "`end()` with nothing written before the handshake is over ends the connection",
    program = '@tls.*<< "destroySoon", try', node = ".", lua = ".",
    edit = edits.without('<< "destroySoon", try'),
  },
  {
    line = "a server with `allowHalfOpen` does not hear of a client that goes amid the handshake",
    program = "@tls.*serve [^\n]*allowHalfOpen: true", node = ".", lua = "tlsClientError",
    edit = edits.instead("(serve [^\n]*)allowHalfOpen: true", "%1none: true"),
  },
  {
    line = "a listener of `secureConnect` or `session` that raises has the socket end",
    program = "@tls.*once C%d sec%w+ {.*raise%(", node = ".", lua = ".", said = "uncaught%(<Error[^:]*: own",
    edit = edits.without("once C%d sec%w+\n.*raise%("),
  },
  {
    line = "a listener of `secureConnect` or `session` that raises has the socket end",
    program = "@tls.*once C%d session {.*raise%(", node = ".", lua = ".", said = "uncaught%(<Error[^:]*: own",
    edit = edits.without("once C%d session\n.*raise%("),
  },
  {
    line = "at `tlsClientError` the socket is destroyed",
    program = "@tls", object = "^srv$", node = "^close", lua = "^tlsClientError",
    edit = edits.settled("^if srv%.listening"),
  },
  {
    line = "what is written to a socket over which TLS is goes among the records",
    program = '@tls.*R1? << "write"', node = ".", lua = ".", edit = edits.without('R1? << "write", try'),
  },
  {
    line = "what is written to a socket over which TLS is goes among the records",
    program = '@tls.*R1? << "end"', node = ".", lua = ".", edit = edits.without('R1? << "end", try'),
  },
  {
    line = "TLS over a socket that is destroyed, or whose end has come, is destroyed without an error",
    program = '@tls.*R1? << "destroy"', node = ".", lua = ".", edit = edits.without('R1? << "destroy", try'),
  },
  {
    line = "TLS over a socket that is destroyed, or whose end has come, is destroyed without an error",
    program = '@tls.*tls.TLSSocket%(R', object = "^C", node = ".", lua = "Client network socket disconnected",
    edit = edits.without('S << "%w*[dD]estroy%w*", try'),
  },
  {
    line = "the other socket is destroyed with the `\"close\"` of that",
    program = "@tls.*let R1 = dial", object = "^R", node = ".", lua = "^c[ol]",
    edit = edits.without('^C1 << "destroy", try'),
  },
  {
    line = "what `unshift()` puts back in the call that makes a TLS socket",
    program = "@tls.*unshift", node = "^unshift", lua = "^data", edit = edits.without('<< "unshift", try'),
  },
  {
    line = "Small writes of one turn to one socket leave in one system call",
    program = "@tls", node = "^write: false$", lua = "^write: true$", said = "error%(<Error: write E",
    edit = NO_WRITES,
  },
  {
    line = "a socket below that is destroyed with an error has the TLS socket emit `error`",
    program = '@tls.*R1? << "destroy", try R1?%.destroy%(Error', node = ".", lua = ".",
    edit = edits.without('R1? << "destroy", try'),
  },
  {
    line = "`drain` comes before the callback of the first",
    program = "@tls", node = "^%l+ callback", lua = "^drain", edit = NO_WRITES,
  },
  {
    line = "`drain` comes before the callback of the first",
    program = "@tls", node = "^drain", lua = "^%l+ callback", edit = NO_WRITES,
  },
  {
    line = "what has arrived with the end of the handshake is told behind what early writes",
    program = "@tls", node = "^data%(", lua = "^drain", edit = NO_WRITES,
  },
  {
    line = "what has arrived with the end of the handshake is told behind what early writes",
    program = "@tls", node = "^data%(", lua = "^%l+ callback %d+$", edit = NO_WRITES,
  },
  {
    line = "what has arrived with the end of the handshake is told behind what early writes",
    program = "@tls", node = "^data%(", lua = "^finish$", edit = NO_WRITES,
  },
  {
    line = "`finish` behind a last write comes one turn later",
    program = "@tls", node = ".", lua = "^finish$", edit = NO_WRITES,
  },
  {
    line = "`finish` behind a last write comes one turn later",
    program = "@tls", node = ".", lua = "^end callback", edit = NO_WRITES,
  },
  {
    line = "listeners of `resumeSession`, that answer twice",
    program = "@tls.*cb%(null, null%); cb%(null, null%)", object = "^C", node = ".", lua = "^end",
    edit = edits.instead("; cb%(null, null%)", ""),
  },
  {
    line = "listeners of `resumeSession`, that answer twice",
    program = "@tls.*on srv resumeSession.*on srv resumeSession", object = "^C", node = ".", lua = "^end",
    edit = edits.without("^on srv resumeSession"),
  },
  {
    line = "What V8 says of a value that no check of Node's has caught",
    program = '@tls.*"pipe", try', node = "pipe: raises <TypeError: Cannot read", lua = ".",
    edit = edits.without('<< "pipe", try'),
  },
  {
    line = "`net.duplexPair` is Node's `stream.duplexPair`, of sockets",
    program = "@tls.*= pair%(%)", object = "^R", node = "no method", lua = ".", edit = edits.without('R1? << "set'),
  },
  {
    line = "After the other half was destroyed a write fails",
    program = "@tls.*= pair%(%)", node = ".", lua = "write EPIPE", edit = edits.without('P1 << "write", try'),
  },
  {
    line = "writes of one turn are a record each",
    program = "@tls.*%+readable", node = ".", lua = ".", edit = edits.instead(" %+readable", ""),
  },
  {
    line = "What V8 says of a value that no check of Node's has caught",
    program = "@tls.*exportKeyingMaterial", node = "exportKeyingMaterial: raises <TypeError: Cannot read", lua = ".",
    edit = edits.without("exportKeyingMaterial"),
  },
  {
    line = "what was written before `destroy()` in `secureConnect` fails with `write EBADF`",
    program = "@tls", object = "^[CSP]", fields = "errored", edit = edits.blind("errored"),
  },
  {
    line = "whose client goes amid the handshake has ended and finished",
    program = "@tls.*tls.TLSSocket%(R", object = "^[SP]", node = "finish", lua = "^close%(false%)",
    edit = edits.all(edits.instead('cert: pem%("named"%), key: keyof%("named"%)', "none: true"),
      edits.without('<< "destroy", try'), edits.without('<< "end", try'),
      edits.without('<< "destroySoon", try')),
  },
  {
    line = "a client that goes while `SNICallback` or a listener of `resumeSession` is asked",
    program = "@tls.*SNICallback", node = ".", lua = ".", object = "^srv$",
    edit = edits.instead("SNICallback: ", "none: "),
  },
})

--- Of what was written before a handshake that fails, in Node's words or in ours.
for word in ("EPROTO EBADF ECANCELED ALTNAME_INVALID"):gmatch("%S+") do
  add({
    {
      line = "what was written before a handshake that fails fails with `write EPROTO …`",
      program = "@tls", node = word, lua = ".", edit = NO_WRITES,
    },
    {
      line = "what was written before a handshake that fails fails with `write EPROTO …`",
      program = "@tls", node = ".", lua = "callback %d+%(<", said = word, edit = NO_WRITES,
    },
  })
end
add({
  {
    line = "what was written before a handshake that fails fails with `write EPROTO …`",
    program = "@tls", node = "^error%(<", lua = "callback %d+%(<", edit = NO_WRITES,
  },
})

return rows
