// SPDX-License-Identifier: MIT

'use strict';
// Runs the scenarios under Node: what interpret.lua and runner.lua do for our
// module. README.md describes the language; parse.lua reads it and hands the
// tree over as JSON. Keep the two interpreters alike, function by function.
//
//     node runner.js [--out DIR] [--only WORDS] [--seat server|client] [THEME ...]
//     node runner.js --batch FILE
//
// Without --out the logs go to stdout, as do those of a batch, which is a file of
// scenarios anywhere, as JSON: each when it ends, so that a crash leaves those
// before it. With a seat only that side of scenarios of TLS is run: see tls.lua.
// LUA names the interpreter to parse the others with.

const net = require('net');
const tls = require('tls');
const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const os = require('os');
const path = require('path');
const stream = require('stream');
const events = require('events');
const { spawn, execFileSync } = require('child_process');

// Longer than any scenario takes, even on a busy machine.
const GUARD_MS = Number(process.env.PARITY_GUARD || 15000);

// The first port Linux gives out by itself; smaller ones are printed as they are.
const FIRST_EPHEMERAL = 10000;

const WATCHED = ['lookup', 'connectionAttempt', 'connectionAttemptFailed',
  'connectionAttemptTimeout', 'connect', 'ready', 'end', 'drain', 'finish', 'pipe', 'unpipe',
  'pause', 'resume', 'timeout', 'error', 'close', 'listening', 'connection', 'drop'];

const STATE = ['connecting', 'pending', 'readyState', 'destroyed', 'closed', 'readable',
  'writable', 'readableEnded', 'writableEnded', 'writableFinished', 'readableFlowing',
  'bufferSize', 'bytesRead', 'bytesWritten', 'timeout', 'errored', 'readableAborted',
  'readableDidRead', 'readableLength', 'readableEncoding', 'readableObjectMode',
  'writableLength', 'writableCorked', 'writableNeedDrain', 'writableObjectMode',
  'allowHalfOpen', 'localAddress', 'localPort', 'localFamily',
  'autoSelectFamilyAttemptedAddresses'];

const ERROR_FIELDS = ['code', 'errno', 'syscall', 'address', 'port', 'localAddress',
  'localPort', 'hostname', 'host', 'errors', 'cause', 'context', 'library', 'reason'];

const PORT_FIELDS = new Set(['port', 'localPort', 'remotePort']);

const CLASSES = new Set([tls.TLSSocket, net.Socket, net.Stream, net.Server, net.BlockList, net.SocketAddress,
  net.BoundSocket, events.EventEmitter, AbortController].filter(Boolean));

let world; // the scenario that runs now; late callbacks of an old one find their own

// Values ---------------------------------------------------------------------

const isHandle = (v) => v instanceof net.Socket || v instanceof net.Server;
const isObject = (v) => v instanceof events.EventEmitter ||
  [...CLASSES].some((c) => v instanceof c);
const isBytes = (v) => typeof v === 'string' || Buffer.isBuffer(v);
const bytesOf = (v) => (Buffer.isBuffer(v) ? v : Buffer.from(v, 'utf8'));

/** FNV-1a of up to 4096 bytes spread evenly over the whole. */
function checksum(bytes) {
  const step = Math.max(1, Math.floor(bytes.length / 4096));
  let h = 2166136261;
  for (let i = 0; i < bytes.length; i += step) h = Math.imul(h ^ bytes[i], 16777619);
  return (h >>> 0).toString(16).padStart(8, '0');
}

const ESCAPES = { 34: '\\"', 92: '\\\\', 10: '\\n', 13: '\\r', 9: '\\t' };

function quoted(v) {
  const bytes = bytesOf(v);
  const shown = bytes.length > 300 ? bytes.subarray(0, 16) : bytes;
  let out = '';
  for (const b of shown) {
    out += ESCAPES[b] || (b >= 32 && b < 127 ? String.fromCharCode(b) :
      '\\x' + b.toString(16).padStart(2, '0'));
  }
  return shown === bytes ? `"${out}"` : `"${out}..."(${bytes.length} bytes, ${checksum(bytes)})`;
}

function number(w, v, key) {
  if (Number.isNaN(v)) return 'nan';
  if (!Number.isFinite(v)) return v > 0 ? 'inf' : '-inf';
  if (w.ports.has(v)) return '$' + w.ports.get(v);
  if (PORT_FIELDS.has(key) && v >= FIRST_EPHEMERAL && v < 65536) return 'PORT';
  return Number.isInteger(v) ? String(v) : String(Number(v.toPrecision(14)));
}

/** OpenSSL's errors without thread, function, file and line, nor the hint about an option of Node's. */
function opensslText(text) {
  return text.replace(/(?:[0-9A-F]+:)?error:([0-9A-F]+):([^:]*):[^:]*:([^:]*):[^:]*:\d+:(?:SSL alert number (\d+))?\n/g,
    (all, code, library, reason, alert) =>
      `error:${code}:${library}::${reason}${alert ? ` (alert ${alert})` : ''}`)
    .replace(/; if the root CA is installed locally, try running Node.js with --use-system-ca/, '');
}

function errorText(w, e) {
  let text = opensslText(String(e));
  const { library, code } = e; // what OpenSSL said has both; its text here begins with the code
  if (library && code) text = text.replace(/^Error/, `Error [${code}]`);
  const fields = [];
  for (const name of ERROR_FIELDS) {
    const v = e[name];
    if (v === undefined || v === null) continue;
    if (name === 'code' && (typeof v !== 'string' || text.includes(`[${v}]`))) continue;
    fields.push(name === 'code' ? 'code=' + v : `${name}=${format(w, v, name)}`);
  }
  if (fields.length) text += '; ' + fields.join(' ');
  return `<${text}>`;
}

function tableText(w, v) {
  if (Array.isArray(v) && v.length) return '[' + v.map((x) => format(w, x)).join(', ') + ']';
  const keys = Object.keys(v).filter((k) => v[k] !== undefined && v[k] !== null).sort();
  return '{' + keys.map((k) => `${k}: ${format(w, v[k], k)}`).join(', ') + '}';
}

/** How a value is written in a log; `key` is the field it came from. */
function format(w, v, key) {
  if (v === undefined || v === null) return 'nil';
  if (v instanceof Raised) return 'raises ' + format(w, v.error);
  if (typeof v === 'number') return number(w, v, key);
  if (isBytes(v)) return quoted(v);
  if (typeof v === 'function') return 'fn';
  if (typeof v !== 'object') return String(v);
  if (w.names.has(v)) return w.names.get(v);
  if (v instanceof Error) return errorText(w, v);
  if (isObject(v)) return `<${v.constructor.name}>`;
  return tableText(w, v);
}

/** An error that `try` caught. */
class Raised {
  constructor(error) { this.error = error; }
}

const isRegistered = (w, port) => w.ports.has(Number(port));

/** Takes what differs from run to run out of a finished log line. */
function normal(w, line) {
  return line.split(w.tmp).join('$TMP').replace(/~~+/g, '~').replace(/:(\d{5})\b/g, (all, port) => {
    if (isRegistered(w, port)) return ':$' + w.ports.get(Number(port));
    return Number(port) >= FIRST_EPHEMERAL && Number(port) < 65536 ? ':PORT' : all;
  });
}

/** Arguments as a list, trailing nils dropped: cb(), cb(null), cb(undefined) are one. */
function argumentsText(w, args) {
  let n = args.length;
  while (n > 0 && (args[n - 1] === undefined || args[n - 1] === null)) n--;
  return Array.from(args).slice(0, n).map((v) => format(w, v)).join(', ');
}

// Logs -----------------------------------------------------------------------

/** The log that `who` shares with others; that of the guard is its own. */
const jointOf = (w, who) => w.joined.get(who) || (who !== '!!' && w.global) || undefined;

/** Appends `text` to the log of `who`; `label` is what `wait` knows it by. */
function log(w, who, label, text) {
  const joint = jointOf(w, who);
  const name = joint || who;
  if (joint) { label = `${who}.${label}`; text = `${who}.${text}`; }
  if (!w.logs.has(name)) w.logs.set(name, []);
  w.said += 1;
  w.logs.get(name).push(normal(w, text));
  const key = `${name}.${label}`;
  w.counts.set(key, (w.counts.get(key) || 0) + 1);
  wake(w);
}

function logEvent(w, who, label, args) {
  const text = argumentsText(w, args);
  log(w, who, label, text === '' ? label : `${label}(${text})`);
}

/** Adjacent 'data' lines are one: where a stream is cut is up to the kernel. */
function logData(w, who, chunk) {
  const name = jointOf(w, who) || who;
  const lines = w.logs.get(name);
  const last = w.data.get(who);
  if (last && lines[lines.length - 1] === last.line) {
    last.bytes = Buffer.concat([last.bytes, bytesOf(chunk)]);
    lines.pop();
  } else {
    w.data.set(who, { bytes: bytesOf(chunk) });
  }
  logEvent(w, who, 'data', [w.data.get(who).bytes]);
  const after = w.logs.get(name);
  w.data.get(who).line = after[after.length - 1];
}

function wake(w) {
  const ready = w.waiting.filter((waiter) => waiter.ready());
  w.waiting = w.waiting.filter((waiter) => !ready.includes(waiter));
  for (const waiter of ready) setImmediate(waiter.go);
}

/** Names an object after the variable that first held it: S, S2, S3, … */
function nameObject(w, name, v) {
  if (typeof v !== 'object' || v === null || !isObject(v)) return;
  if (isHandle(v)) w.handles.add(v);
  if (w.names.has(v)) return;
  const n = (w.uses.get(name) || 0) + 1;
  w.uses.set(name, n);
  w.names.set(v, n === 1 ? name : name + n);
}

const logName = (w, scope, name) => {
  const v = lookup(scope, name);
  return (typeof v === 'object' && w.names.get(v)) || name;
};

// Variables --------------------------------------------------------------------

const owner = (scope, name) => {
  for (let s = scope; s; s = s.up) if (s.vars.has(name)) return s;
  return null;
};

function lookup(scope, name) {
  const s = owner(scope, name);
  return s ? s.vars.get(name) : undefined;
}

function declare(w, scope, name, v) {
  nameObject(w, name, v);
  scope.vars.set(name, v);
}

const inner = (scope) => ({ vars: new Map(), up: scope });

// Expressions --------------------------------------------------------------------

/** A function of the scenario as one of JavaScript's, anonymous for "Received". */
function closure(w, node, scope) {
  return (() => function() {
    const own = inner(scope);
    node.params.forEach((name, i) => declare(w, own, name, arguments[i]));
    const frame = { result: undefined };
    own.vars.set('return', frame);
    run(w, node.body, 0, own);
    return frame.result;
  })();
}

function call(w, node, scope) {
  const f = node.f;
  const args = () => node.args.map((arg) => evaluate(w, arg, scope));
  if (f.k !== 'get') return evaluate(w, f, scope)(...args());
  const object = evaluate(w, f.o, scope);
  const fn = object[f.name];
  if (typeof fn !== 'function') throw new Error(`no method '${f.name}' (line ${node.line})`);
  return CLASSES.has(fn) ? Reflect.construct(fn, args()) : fn.apply(object, args());
}

function attempt(w, node, scope) {
  try {
    return evaluate(w, node.e, scope);
  } catch (e) {
    return new Raised(e);
  }
}

function same(a, b) {
  if (isBytes(a) && isBytes(b)) return bytesOf(a).equals(bytesOf(b));
  return a === b || (a ?? undefined) === (b ?? undefined);
}

function plus(a, b) {
  if (!isBytes(a)) return a + b;
  return typeof a === 'string' && typeof b === 'string' ? a + b :
    Buffer.concat([bytesOf(a), bytesOf(b)]);
}

const truthy = (v) => v !== undefined && v !== null && v !== false;

const OPERATORS = {
  '+': plus, '-': (a, b) => a - b, '*': (a, b) => a * b, '%': (a, b) => a % b,
  '==': same, '!=': (a, b) => !same(a, b),
  '<': (a, b) => a < b, '>': (a, b) => a > b, '<=': (a, b) => a <= b, '>=': (a, b) => a >= b,
};

function operation(w, node, scope) {
  const a = evaluate(w, node.a, scope);
  if (node.op === 'and') return truthy(a) ? evaluate(w, node.b, scope) : a;
  if (node.op === 'or') return truthy(a) ? a : evaluate(w, node.b, scope);
  return OPERATORS[node.op](a, evaluate(w, node.b, scope));
}

const EXPRESSIONS = {
  value: (w, node) => node.v,
  bytes: (w, node) => Buffer.from(node.hex, 'hex'),
  nil: () => undefined,
  null: () => null,
  name: (w, node, scope) => lookup(scope, node.name),
  get: (w, node, scope) => evaluate(w, node.o, scope)[node.name],
  at(w, node, scope) {
    const i = evaluate(w, node.i, scope);
    return evaluate(w, node.o, scope)[typeof i === 'number' ? i - 1 : i];
  },
  call,
  list: (w, node, scope) => node.items.map((item) => evaluate(w, item, scope)),
  table: (w, node, scope) =>
    Object.fromEntries(node.pairs.map((p) => [p.key, evaluate(w, p.e, scope)])),
  fn: closure,
  callback(w, node, scope) {
    const who = logName(w, scope, node.who);
    return (() => function() { logEvent(w, who, node.label, arguments); })();
  },
  try: attempt,
  not: (w, node, scope) => !truthy(evaluate(w, node.e, scope)),
  op: operation,
};

function evaluate(w, node, scope) { return EXPRESSIONS[node.k](w, node, scope); }

// Statements ------------------------------------------------------------------
// Each gets `rest`, which runs what follows it. One that must wait keeps `rest`
// for later and answers PENDING; RETURN leaves the function.

const PENDING = 1;
const RETURN = 2;

/**
 * Runs body[i...]. Answers undefined when it came to the end by itself; `done`
 * is called only when it gets there later, after a wait.
 */
function run(w, body, i, scope, done, resumed) {
  for (; i < body.length; i++) {
    const next = i + 1;
    const rest = () => run(w, body, next, scope, done, true);
    const state = STATEMENTS[body[i].s](w, body[i], scope, rest);
    if (state) return state;
  }
  return resumed && done ? done() : undefined;
}

function waitFor(w, what, ready, rest) {
  w.waiting.push({ what, ready, go: rest });
  wake(w);
  return PENDING;
}

/** `wait`: so often since the start; `next`: so often from now on. */
function wait(w, st, scope, rest) {
  const wanted = st.conditions.map((c) => {
    const key = `${c.log}.${c.label}`;
    return { key, times: c.times + (st.next ? w.counts.get(key) || 0 : 0) };
  });
  const ready = () => wanted.every(({ key, times }) => (w.counts.get(key) || 0) >= times);
  return waitFor(w, wanted.map((c) => c.key).join(' '), ready, rest);
}

/** Looks again each turn; the loop stays awake meanwhile, so the guard can fail it. */
function until(w, st, scope, rest) {
  const look = () => {
    if (w.stopped) return undefined;
    return truthy(evaluate(w, st.e, scope)) ? rest() : setImmediate(look);
  };
  if (truthy(evaluate(w, st.e, scope))) return undefined;
  setImmediate(look);
  return PENDING;
}

// How a program is seen to be quiet: so many looks in a row, so far apart in
// milliseconds, at which the logs had not grown; one that never is goes on anyway.
// A handshake has turns in which nothing is told.
const QUIET_LOOKS = 4;
const QUIET_LOOKS_TLS = 10;
const QUIET_MS = 2;
const QUIET_MOST = 60;

function settle(w, st, scope, rest) {
  let [quiet, looks, said] = [0, 0, w.said];
  const enough = w.version ? QUIET_LOOKS_TLS : QUIET_LOOKS;
  const look = () => {
    if (w.stopped) return;
    quiet = w.said === said ? quiet + 1 : 0;
    looks += 1;
    said = w.said;
    if (quiet === enough || looks === QUIET_MOST) rest();
    else setTimeout(look, QUIET_MS);
  };
  setTimeout(look, QUIET_MS);
  return PENDING;
}

function each(w, st, scope, rest) {
  const items = evaluate(w, st.e, scope);
  const from = (i, resumed) => {
    for (; i < items.length; i++) {
      const own = inner(scope);
      declare(w, own, st.name, items[i]);
      const next = i + 1;
      const state = run(w, st.body, 0, own, () => from(next, true));
      if (state) return state;
    }
    return resumed ? rest() : undefined;
  };
  return from(0, false);
}

const isTLS = (v) => v instanceof tls.TLSSocket || v instanceof tls.Server;

/** What is also watched of an object of TLS, and what not. */
function watchTLS(object, wanted) {
  if (object instanceof tls.Server) wanted.delete('connection');
  const more = object instanceof tls.Server ? ['secureConnection', 'tlsClientError'] :
    ['secureConnect', 'secure', 'session'];
  for (const event of more) wanted.add(event);
}

/** Events whose arguments are another time others. */
const SECRET = new Set(['session', 'keylog']);

function watch(w, st, scope) {
  const object = lookup(scope, st.who);
  const who = logName(w, scope, st.who);
  const wanted = new Set(WATCHED);
  if (isTLS(object)) watchTLS(object, wanted);
  for (const e of st.events) wanted[e.on ? 'add' : 'delete'](e.event);
  for (const event of wanted) {
    object.on(event, event === 'data' ? (chunk) => logData(w, who, chunk) :
      function() {
        if (SECRET.has(event)) log(w, who, event, event);
        else logEvent(w, who, event, arguments);
      });
  }
}

/**
 * A server that takes so many connections and then closes itself. One of TLS counts
 * those that were refused, too.
 */
function serve(w, st, scope, rest) {
  const block = closure(w, st.fn, scope);
  let left = st.times;
  const options = st.options ? evaluate(w, st.options, scope) : {};
  const count = () => { left -= 1; if (left === 0) server.close(); };
  const onConnection = (socket) => { count(); block(socket); };
  const server = st.tls ? serverOf(w, options, onConnection) : net.createServer(options, onConnection);
  if (st.tls) server.on('tlsClientError', count);
  declare(w, scope, st.who, server);
  server.listen(st.at ? { path: w.builtins.tmp(st.at) } : { port: 0, host: '127.0.0.1' }, () => {
    w.builtins.portof(server);
    setImmediate(rest);
  });
  return PENDING;
}

/**
 * A block of one side of a connection. The client's begins when a server is offered; where
 * this process has one seat alone, the other's block is not for it.
 */
function seat(w, st, scope) {
  if (w.seat && w.seat !== st.seat) return;
  const own = inner(scope);
  if (st.seat === 'server') run(w, st.body, 0, own);
  else whenOffered(w, () => run(w, st.body, 0, own));
}

function show(w, who, object, names) {
  const parts = names.map((name) => `${name}=${format(w, object[name], name)}`);
  log(w, who, 'show', `  ${parts.join(' ')}`);
}

/** Every field the first time, afterwards those that changed since. */
function state(w, st, scope) {
  const who = logName(w, scope, st.who);
  const object = lookup(scope, st.who);
  const before = w.states.get(who) || new Map();
  const now = new Map(STATE.map((name) => [name, format(w, object[name], name)]));
  const changed = STATE.filter((name) => now.get(name) !== before.get(name));
  w.states.set(who, now);
  if (!changed.length) log(w, who, 'state', '  unchanged');
  for (let i = 0; i < changed.length; i += 6) {
    log(w, who, 'state', '  ' + changed.slice(i, i + 6).map((n) => `${n}=${now.get(n)}`).join(' '));
  }
}

function set(w, st, scope) {
  const t = st.target;
  const v = evaluate(w, st.e, scope);
  if (t.k === 'get') {
    evaluate(w, t.o, scope)[t.name] = v;
  } else {
    declare(w, owner(scope, t.name) || scope, t.name, v);
  }
}

const STATEMENTS = {
  let(w, st, scope) { declare(w, scope, st.name, evaluate(w, st.e, scope)); },
  set,
  expr(w, st, scope) { evaluate(w, st.e, scope); },
  log(w, st, scope) {
    const who = logName(w, scope, st.who);
    const args = st.args.map((arg) => evaluate(w, arg, scope));
    const label = typeof args[0] === 'string' ? args.shift() : 'log';
    log(w, who, label, args.length ? `${label}: ${args.map((v) => format(w, v)).join(', ')}` : label);
  },
  on(w, st, scope) {
    lookup(scope, st.who)[st.once ? 'once' : 'on'](st.event, closure(w, st.fn, scope));
  },
  watch,
  wait,
  settle,
  until,
  tick(w, st, scope) { process.nextTick(closure(w, st.fn, scope)); },
  immediate(w, st, scope) { setImmediate(closure(w, st.fn, scope)); },
  after(w, st, scope) { setTimeout(closure(w, st.fn, scope), evaluate(w, st.ms, scope)); },
  each,
  if(w, st, scope, rest) {
    const body = truthy(evaluate(w, st.e, scope)) ? st.body : st.other;
    return body && run(w, body, 0, inner(scope), rest);
  },
  show(w, st, scope) { show(w, logName(w, scope, st.who), lookup(scope, st.who), st.names); },
  state,
  uncaught(w, st) { w.uncaught = st.who; },
  together(w, st) { for (const name of st.names) w.joined.set(name, 'all'); },
  serve,
  seat,
  return(w, st, scope) {
    const frame = lookup(scope, 'return');
    if (frame) frame.result = evaluate(w, st.e, scope);
    return RETURN;
  },
};

// TLS, and the two sides of it -----------------------------------------------------
// See tls.lua, which is the same.

let pipe; // opened when it is first used

const openPipe = (w) => {
  pipe ??= fs.openSync(process.env.PARITY_PIPE, w.seat === 'client' ? 'r' : 'w');
  return pipe;
};

/** A line, which has been written or is waited for: nothing else goes on meanwhile. */
function readLine(w) {
  const byte = Buffer.alloc(1);
  let line = '';
  while (fs.readSync(openPipe(w), byte) === 1 && byte[0] !== 10) line += byte.toString('latin1');
  return line;
}

let ahead; // a line that was read for a scenario that is still to come

/** What the server's seat has said of this scenario: a name and where it is. */
function readOffer(w) {
  const line = ahead || readLine(w);
  const [index, name, at] = line.split(' ');
  if (!at) throw new Error("the server's seat is gone");
  ahead = Number(index) > w.index ? line : undefined;
  if (Number(index) < w.index) return readOffer(w);
  return name === '-' || ahead ? undefined : { name, at: /^\d+$/.test(at) ? Number(at) : at };
}

const certificateOf = (name, kind) =>
  fs.readFileSync(path.join(process.env.PARITY_CERTS, `${name}.${kind}`), 'latin1');

const withVersion = (w, options, more) =>
  ({ minVersion: 'TLSv' + w.version, maxVersion: 'TLSv' + w.version, ...more, ...options });

function serverOf(w, options, cb) {
  return tls.createServer(withVersion(w, options,
    { cert: certificateOf('server', 'cert'), key: certificateOf('server', 'key') }), cb);
}

const offered = (w) =>
  (typeof w.offered === 'string' ? { path: w.offered } : { port: w.offered, host: '127.0.0.1' });

const secure = (w, options, cb) => tls.connect(withVersion(w, options,
  { ...offered(w), servername: 'localhost', ca: certificateOf('ca', 'cert') }), cb);

const plain = (w, options, cb) => net.connect({ ...offered(w), ...options }, cb);

/** Bytes with the last one's bits turned. */
function spoilt(bytes) {
  const made = Buffer.from(bytes);
  made[made.length - 1] ^= 0xff;
  return made;
}

/** Of bytes that are others each time, how many; all else as it is. */
const sized = (v) => (isBytes(v) ? bytesOf(v).length : v);

function offer(w, server) {
  const at = portof(w, server);
  w.hasOffered = true;
  if (w.seat === 'server') {
    fs.writeSync(openPipe(w), `${w.index} ${w.names.get(server)} ${at}\n`);
  } else {
    w.offered = at;
    if (w.onOffer) setImmediate(w.onOffer);
  }
}

function whenOffered(w, f) {
  if (w.seat !== 'client') {
    if (w.offered) setImmediate(f); else w.onOffer = f;
    return;
  }
  const found = readOffer(w);
  if (!found) return;
  if (typeof found.at === 'number') w.ports.set(found.at, found.name);
  w.offered = found.at;
  setImmediate(f);
}

/** What scenarios of TLS may call. */
const secureBuiltinsOf = (w) => ({
  tls, version: w.version, noTickets: crypto.constants.SSL_OP_NO_TICKET,
  pem: (name) => certificateOf(name, 'cert'),
  keyof: (name) => certificateOf(name, 'key'),
  offer: (server) => offer(w, server),
  secure: (options, cb) => secure(w, options, cb),
  plain: (options, cb) => plain(w, options, cb),
  spoilt, sized,
  pair: () => stream.duplexPair(),
  versioned: (options) => withVersion(w, options),
});

// What scenarios may call -----------------------------------------------------

/** Bytes from..to, 1-based and inclusive as string.sub; text is to be ASCII. */
function sub(v, from, to) {
  if (typeof v === 'string') return v.slice(from - 1, to);
  const bytes = bytesOf(v);
  return bytes.subarray(from - 1, to === undefined ? bytes.length : to);
}

/** Makes a call for its result alone: whatever it opened is closed again. */
function probe(w, f) {
  let result;
  try {
    result = f();
  } catch (e) {
    return new Raised(e);
  }
  if (!isHandle(result)) return result;
  w.handles.add(result);
  result.on('error', () => {});
  if (result instanceof net.Server) result.close(); else result.destroy();
  return result instanceof net.Server ? 'server' : 'socket';
}

function portof(w, server) {
  if (w.listeners.has(server)) return w.listeners.get(server);
  const address = server.address();
  const where = typeof address === 'string' ? address : address.port;
  w.listeners.set(server, where);
  if (typeof where === 'number') w.ports.set(where, w.names.get(server) || 'port');
  return where;
}

const stopped = (start, stop) => (...args) => {
  stop(start(...args));
  return 'started';
};

/** The functions of timers; what they start is stopped again at once. */
const TIMER = {
  setTimeout: stopped(setTimeout, clearTimeout),
  setInterval: stopped(setInterval, clearInterval),
  setImmediate: stopped(setImmediate, clearImmediate),
  clearTimeout,
  nextTick: (...args) => process.nextTick(...args),
  clearImmediate,
};

/** The options that connect to a server. */
function where(w, server) {
  const at = portof(w, server);
  return typeof at === 'string' ? { path: at } : { port: at, host: '127.0.0.1' };
}

function dial(w, server, options, cb) {
  if (typeof options === 'function') [options, cb] = [{}, options];
  return net.connect(Object.assign(where(w, server), options), cb);
}

/** A path of this run; padded with ~ to `length` bytes where a length is given. */
function tmp(w, name, length) {
  let full = `${w.tmp}.${name}`;
  if (length) full += '~'.repeat(length - full.length);
  w.paths.add(full);
  return full;
}

const modeOf = (file) => (fs.statSync(file).mode & 0o777).toString(8);

/** Numbers 0..n-1, n <= 32768, the same in both languages. */
function random(w, n) {
  w.seed = (Math.imul(w.seed, 1103515245) + 12345) >>> 0;
  return ((w.seed >>> 16) & 0x7fff) % n;
}

/** A random IPv4 text, the numbers below n. */
const ipv4 = (w, n) => [0, 0, 0, 0].map(() => random(w, n)).join('.');

/** A random IPv6 text, the groups below n, one run of zeros sometimes as `::`. */
function ipv6(w, n) {
  const groups = [0, 0, 0, 0, 0, 0, 0, 0].map(() => random(w, n).toString(16));
  const at = random(w, 12);
  if (at > 5) return groups.join(':');
  return groups.slice(0, at).join(':') + '::' + groups.slice(at + 2 + random(w, 6 - at)).join(':');
}

/** The text with one character changed, doubled or taken out. */
function broken(w, text) {
  const at = random(w, text.length);
  const by = ['', text[at] + text[at], '.', ':', 'g', '0', '%'][random(w, 7)];
  return text.slice(0, at) + by + text.slice(at + 1);
}

/** Adds a value's text to a running FNV-1a hash. */
function mix(w, v) {
  let h = w.hash;
  for (const b of Buffer.from(format(w, v))) h = Math.imul(h ^ b, 16777619);
  w.hash = h >>> 0;
}

function mixed(w) {
  const text = w.hash.toString(16).padStart(8, '0');
  w.hash = 2166136261;
  return text;
}

function makeError(message, code) {
  const e = new Error(message);
  if (code) e.code = code;
  return e;
}

/** Whether a field can be written; only the fact is compared, not the message. */
function assigns(object, name, v) {
  try {
    object[name] = v;
    return true;
  } catch {
    return false;
  }
}

const byText = (w) => (a, b) => Buffer.compare(Buffer.from(format(w, a)), Buffer.from(format(w, b)));

function builtinsOf(w) {
  return {
    net, dns, events, process, AbortController, AbortSignal,
    EventEmitter: (...args) => new events.EventEmitter(...args),
    Abort: () => new AbortController(),
    timer: TIMER,
    nan: NaN, inf: Infinity, negzero: -0,
    Error: makeError,
    raise(e) { throw e; },
    assigns,
    len: (v) => (isBytes(v) ? bytesOf(v).length : v.length),
    sub,
    rep: (s, n) => (typeof s === 'string' ? s.repeat(n) : Buffer.concat(Array(n).fill(s))),
    byte: (n) => Buffer.from([n]),
    bytes: (s) => bytesOf(s),
    text: (v) => (isBytes(v) ? bytesOf(v).toString('latin1') : String(v)),
    error: (raised) => (raised instanceof Raised ? raised.error : undefined),
    kind: (v) => (isBytes(v) ? 'string' : typeof v),
    range: (n) => Array.from({ length: n }, (_, i) => i + 1),
    push(list, v) { list.push(v); },
    sorted: (list) => [...list].sort(byText(w)),
    probe: (f) => probe(w, f),
    spin(ms) { const from = performance.now(); while (performance.now() - from < ms); },
    background(ms, f) { setTimeout(f, ms).unref(); }, // fires only if something else holds the loop
    option: (name, v, others) => ({ ...others, [name]: v }),
    method: (object, name, ...args) => object[name](...args),
    misapplied: () => 'refused',
    // `buffer` is a size there, a Buffer here; both hand over (n, bytes).
    onread: (size, f) => ({
      buffer: Buffer.alloc(size),
      callback: (n, buffer) => f(n, Buffer.from(buffer.subarray(0, n))),
    }),
    portof: (server) => portof(w, server),
    where: (server) => where(w, server),
    dial: (server, options, cb) => dial(w, server, options, cb),
    tmp: (name, length) => tmp(w, name, length),
    touch(file) { fs.writeFileSync(file, ''); },
    exists: (file) => fs.existsSync(file),
    unlink(file) { fs.unlinkSync(file); },
    mode: modeOf,
    blackhole() {
      w.ports.set(blackhole.port, 'hole');
      return blackhole.port;
    },
    seed(n) { w.seed = n; },
    random: (n) => random(w, n),
    ipv4: (n) => ipv4(w, n),
    ipv6: (n) => ipv6(w, n),
    broken: (text) => broken(w, text),
    mix: (v) => mix(w, v),
    mixed: () => mixed(w),
  };
}

// One scenario ------------------------------------------------------------------

function newWorld(scenario, done, seat, index) {
  const w = {
    scenario, done, logs: new Map(), counts: new Map(), waiting: [], data: new Map(), states: new Map(),
    joined: new Map(), names: new WeakMap(), uses: new Map(), handles: new Set(),
    ports: new Map(), listeners: new Map(), paths: new Set(), uncaught: 'uncaught',
    seed: 1, hash: 2166136261, over: false, stopped: false, said: 0,
    version: scenario.version, seat, index,
    global: 'global' in scenario.marks ? 'all' : undefined,
    tmp: path.join(os.tmpdir(), `net-parity-${String(process.pid).padStart(8, '0')}`),
  };
  w.builtins = builtinsOf(w);
  if (w.version) Object.assign(w.builtins, secureBuiltinsOf(w));
  return w;
}

function guard(w) {
  if (w.over) return;
  log(w, '!!', 'guard', 'guard: did not end by itself');
  w.stopped = true;
  for (const handle of w.handles) {
    if (handle instanceof net.Server) handle.close(); else handle.destroy();
  }
  if (w.fatal) setTimeout(abandon, GUARD_MS / 10, w).unref();
}

/** In a batch, what Node never lets go of ends the process, after its log. */
function abandon(w) {
  if (w.over) return;
  finish(w);
  process.exit(3);
}

function start(scenario, fatal, seat, index, done) {
  const w = newWorld(scenario, done, seat, index);
  w.fatal = fatal;
  world = w;
  w.guard = setTimeout(guard, GUARD_MS, w).unref();
  const scope = inner({ vars: new Map(Object.entries(w.builtins)), up: null });
  setImmediate(() => run(w, scenario.body, 0, scope));
}

/** The loop has run empty: what is still missing will never come. */
function finish(w) {
  w.over = true;
  clearTimeout(w.guard);
  if (w.seat === 'server' && !w.hasOffered) fs.writeSync(openPipe(w), `${w.index} - -\n`);
  for (const waiter of w.waiting) log(w, '!!', 'never', `never: ${waiter.what}`);
  for (const handle of w.handles) {
    if (handle instanceof net.Server) { if (handle.listening) handle.close(); } else handle.destroy();
  }
  for (const file of w.paths) fs.rmSync(file, { force: true });
  net.setDefaultAutoSelectFamily(true);
  net.setDefaultAutoSelectFamilyAttemptTimeout(DEFAULT_ATTEMPT_TIMEOUT);
  events.setMaxListeners(10);
  w.done(logText(w));
}

const DEFAULT_ATTEMPT_TIMEOUT = net.getDefaultAutoSelectFamilyAttemptTimeout();

function logText(w) {
  const lines = [];
  for (const name of [...w.logs.keys()].sort()) {
    for (const line of w.logs.get(name)) lines.push(`${name}: ${line}`);
  }
  return lines;
}

process.on('uncaughtException', (e) => {
  if (process.listenerCount('uncaughtException') > 1) return; // the scenario's own
  logEvent(world, world.uncaught, 'uncaught', [e]);
});

// All of them ---------------------------------------------------------------------

const blackhole = { port: 0, child: null };

/** A listener in another process that never accepts, its queue full: SYNs vanish. */
async function openBlackhole() {
  const code = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 },
    function() {
      require('fs').writeSync(1, String(this.address().port));
      require('fs').readSync(0, Buffer.alloc(1));
    });`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
  blackhole.child = child;
  blackhole.port = Number(await events.once(child.stdout, 'data'));
  for (let i = 0; i < 2; i++) {
    const filler = net.connect(blackhole.port, '127.0.0.1');
    await events.once(filler, 'connect');
    filler.destroy();
  }
  child.unref();
  child.stdin.unref();
  child.stdout.unref();
}

function load(themes) {
  const dir = path.join(__dirname, 'scenarios');
  const wanted = themes.length ? themes.map((t) => t + '.par') :
    fs.readdirSync(dir).filter((f) => f.endsWith('.par')).sort();
  const json = execFileSync(process.env.LUA || 'lua5.4',
    [path.join(__dirname, 'parse.lua'), ...wanted.map((f) => path.join(dir, f))],
    { maxBuffer: 1 << 28 });
  return JSON.parse(json).map((scenarios, i) => ({ theme: wanted[i].slice(0, -4), scenarios }));
}

function options(argv) {
  const found = { themes: [] };
  while (argv.length) {
    const word = argv.shift();
    if (word === '--out') found.out = argv.shift();
    else if (word === '--only') found.only = argv.shift();
    else if (word === '--batch') found.batch = argv.shift();
    else if (word === '--seat') found.seat = argv.shift();
    else found.themes.push(word);
  }
  return found;
}

const major = Number(process.versions.node.split('.')[0]);

/** Why this scenario cannot run here, or undefined. */
function skipped(scenario) {
  if (scenario.marks.since && major < Number(scenario.marks.since)) return 'needs a newer Node';
  if (scenario.marks.lua) return 'Lua only';
  if (scenario.version && major < 26) return 'its OpenSSL says other texts';
  return undefined;
}

function queueOf(files, only) {
  const queue = [];
  for (const file of files) {
    file.text = [];
    for (const scenario of file.scenarios) {
      if (only && !scenario.title.includes(only)) continue;
      queue.push({ file, scenario });
    }
  }
  return queue;
}

function write(file, out) {
  const text = file.text.join('\n') + '\n';
  if (out) fs.writeFileSync(path.join(out, file.theme + '.log'), text);
  else process.stdout.write(text);
}

/** One line for each, whatever a text holds. */
function writeBatched(scenario, lines) {
  const text = lines.map((line) => line.replace(/\n/g, '\\n') + '\n').join('');
  fs.writeSync(1, `== ${scenario.title}\n${text}\n`);
}

const loadBatch = (file) =>
  [{ theme: file, scenarios: JSON.parse(fs.readFileSync(file, 'utf8')) }];

async function main() {
  const chosen = options(process.argv.slice(2));
  const files = chosen.batch ? loadBatch(chosen.batch) : load(chosen.themes);
  const queue = queueOf(files, chosen.only);
  if (queue.some((item) => 'blackhole' in item.scenario.marks)) await openBlackhole();

  let count = 0;
  const next = () => {
    const item = queue.shift();
    count += 1;
    if (!item) {
      world = null;
      if (!chosen.batch) files.forEach((file) => write(file, chosen.out));
      if (blackhole.child) blackhole.child.kill();
      if (chosen.batch) process.exit(); // Node may hold a handle it has lost sight of
      return;
    }
    if (skipped(item.scenario)) return void next();
    start(item.scenario, chosen.batch !== undefined, chosen.seat, count, (lines) => {
      if (chosen.batch) writeBatched(item.scenario, lines);
      else item.file.text.push(`== ${item.scenario.title}`, ...lines, '');
      next();
    });
  };
  let over = false; // finishing closes handles, which may wake the loop once more
  process.on('beforeExit', () => {
    if (!world) return;
    if (!over && !world.over) { over = true; finish(world); over = false; }
  });
  next();
}

main();
