-- SPDX-License-Identifier: MIT

--- tools.node_names - Node 26's names, and what became of each.
--
-- For tools/docs.lua, which makes a table of it, and spec/api_spec.lua, which
-- holds it against the module and against what reflection found in Node
-- (spec/data/node_api.lua). A section is about one object of Node's:
--
--   title     what stands above its table
--   node      how Node spells a name of it, `%s`
--   owner     the class in lua/net/meta.lua whose members they are
--   object    its key in spec/data/node_api.lua, if it is there
--   1, 2, …   rows: a kind, and the names of that kind
--   renamed   names that are spelled otherwise here
--   differs   what is different about some of the names there are
--   absent    names that are not here, and why
--
-- In the last three an event is in quotes, as it may have a method's name.
-- What starts with "#" is the heading of docs/differences.md that tells.

local LUA = "#what-lua-makes-different"
local OURS = "#what-is-kept-to-ourselves"
local TLS = "#nettls"
local DEFECT = "#defects-of-node-that-are-not-copied"

local NO_TICK = "it does not wait for the end"
local COROUTINE = "called in a coroutine, instead of giving a promise"

local PROMISES = "there are no promises; `net.co` has tasks in their place"
local ITERATOR = "`for` loops in a task wait: `lines`, `chunks`, `messages`, `events.on`"
local HELPER = "a helper of promises and asynchronous iterators"
local OWN_STREAMS = "for streams of one's own; sockets are the only streams here"
local INSIDE = "Node's own affair"
local MASTER = "deprecated: `isPrimary`, `setupPrimary`"
local COMMAND = "`io.popen`, or `spawn` and its `stdout`"
local SYNC = "`io.popen` and `os.execute` wait"
local RENEGOTIATION = "nobody may renegotiate"
local COMPRESSION = "OpenSSL has it from 3.2 on"
local X509 = "there are no objects of certificates; `raw` of their tables is the DER"
local ENGINES = "OpenSSL gives up engines"
local WINDOWS = "of Windows alone"

local sections = {
  {
    title = "`net`", node = "net.%s", owner = "net", object = "net",
    { "function", "createServer connect createConnection isIP isIPv4 isIPv6 \z
      getDefaultAutoSelectFamily setDefaultAutoSelectFamily \z
      getDefaultAutoSelectFamilyAttemptTimeout setDefaultAutoSelectFamilyAttemptTimeout" },
    { "class", "Server Socket Stream BlockList SocketAddress BoundSocket" },
    { "field", "promises" },
    absent = { promises = PROMISES },
  },
  {
    title = "Options of `net.createServer` and `net.Server`", node = "%s",
    owner = "net.ServerOptions",
    { "option", "allowHalfOpen pauseOnConnect noDelay keepAlive keepAliveInitialDelay \z
      highWaterMark blockList" },
  },
  {
    title = "`net.Server`", node = "server.%s", owner = "net.Server", object = "server",
    { "method", "listen close address getConnections ref unref [Symbol.asyncDispose] \z
      [Symbol.asyncIterator]" },
    { "field", "listening maxConnections dropMaxConnection connections allowHalfOpen \z
      pauseOnConnect noDelay keepAlive keepAliveInitialDelay highWaterMark" },
    { "event", "listening connection close error drop" },
    renamed = { ["[Symbol.asyncDispose]"] = "__close" },
    differs = { listen = OURS, ['"error"'] = OURS,
      connections = "Node 26 has dropped it",
      ["[Symbol.asyncDispose]"] = NO_TICK },
    absent = { ["[Symbol.asyncIterator]"] = ITERATOR },
  },
  {
    title = "Options of `server.listen`", node = "%s", owner = "net.ListenOptions",
    { "option", "port host path backlog exclusive ipv6Only reusePort readableAll writableAll \z
      signal fd handle" },
    differs = { handle = OURS, port = LUA },
  },
  {
    title = "Options of `net.Socket`", node = "%s", owner = "net.SocketOptions",
    { "option", "fd handle readable writable allowHalfOpen onread signal noDelay keepAlive \z
      keepAliveInitialDelay typeOfService blockList highWaterMark readableHighWaterMark \z
      writableHighWaterMark encoding defaultEncoding" },
    differs = { onread = LUA, signal = DEFECT },
  },
  {
    title = "Options of `socket.connect` and `net.connect`", node = "%s",
    owner = "net.ConnectOptions",
    { "option", "port host localAddress localPort family hints lookup autoSelectFamily \z
      autoSelectFamilyAttemptTimeout path timeout" },
    differs = { lookup = DEFECT },
  },
  {
    title = "`net.Socket`", node = "socket.%s", owner = "net.Socket", object = "socket",
    { "method", "connect write end destroy destroySoon resetAndDestroy pause resume isPaused read \z
      unshift pipe unpipe cork uncork setEncoding setDefaultEncoding setTimeout setNoDelay \z
      setKeepAlive setTypeOfService getTypeOfService address ref unref [Symbol.asyncDispose] \z
      [Symbol.asyncIterator] compose drop every filter find flatMap forEach iterator map push \z
      reduce some take toArray wrap" },
    { "field", "remoteAddress remotePort remoteFamily localAddress localPort localFamily \z
      bytesRead bytesWritten bufferSize connecting pending readyState destroyed closed errored \z
      timeout server allowHalfOpen autoSelectFamilyAttemptedAddresses readable readableAborted \z
      readableBuffer readableDidRead readableEncoding readableEnded readableFlowing \z
      readableHighWaterMark readableLength readableObjectMode writable writableBuffer \z
      writableCorked writableEnded writableFinished writableHighWaterMark \z
      writableLength writableNeedDrain writableObjectMode" },
    { "event", "lookup connectionAttempt connectionAttemptFailed connectionAttemptTimeout \z
      connect ready data readable end drain finish prefinish pause resume pipe unpipe timeout \z
      error close" },
    renamed = { ["[Symbol.asyncDispose]"] = "__close", ["end"] = "finish" },
    differs = {
      connect = DEFECT, write = LUA, ["end"] = LUA, read = LUA, unshift = LUA, setTimeout = DEFECT,
      readableLength = LUA, writableLength = LUA, ['"data"'] = LUA,
      ['"connectionAttempt"'] = DEFECT, ["[Symbol.asyncDispose]"] = NO_TICK,
    },
    absent = {
      ["[Symbol.asyncIterator]"] = ITERATOR, iterator = ITERATOR, drop = HELPER, every = HELPER,
      filter = HELPER, find = HELPER, flatMap = HELPER, forEach = HELPER, map = HELPER,
      reduce = HELPER, some = HELPER, take = HELPER, toArray = HELPER, compose = OWN_STREAMS,
      push = OWN_STREAMS, wrap = OWN_STREAMS, readableBuffer = INSIDE, writableBuffer = INSIDE,
    },
  },
  {
    title = "Options of `socket.setKeepAlive`", node = "%s", owner = "net.KeepAliveOptions",
    { "option", "enable initialDelay interval count" },
  },
  {
    title = "`net.BlockList`", node = "BlockList.%s", owner = "net.BlockListClass",
    object = "BlockList",
    { "function", "isBlockList" },
    { "field", "PRIVATE_RANGES" },
  },
  {
    title = "Objects of `net.BlockList`", node = "blockList.%s", owner = "net.BlockList",
    object = "blockList",
    { "method", "addAddress addAddresses addRange addSubnet addCIDR addCIDRs removeAddress \z
      removeRange removeSubnet removeCIDR check clear toJSON fromJSON" },
    { "field", "rules size" },
  },
  {
    title = "`net.SocketAddress`", node = "SocketAddress.%s", owner = "net.SocketAddressClass",
    object = "SocketAddress",
    { "function", "parse isSocketAddress" },
    differs = { parse = DEFECT },
  },
  {
    title = "Options of `net.SocketAddress`", node = "%s", owner = "net.SocketAddressOptions",
    { "option", "address family port flowlabel" },
    differs = { flowlabel = DEFECT },
  },
  {
    title = "Objects of `net.SocketAddress`", node = "socketAddress.%s",
    owner = "net.SocketAddress", object = "socketAddress",
    { "method", "toJSON" },
    { "field", "address family port flowlabel" },
  },
  {
    title = "Options of `net.BoundSocket`", node = "%s", owner = "net.BoundSocketOptions",
    { "option", "port host ipv6Only reusePort path" },
  },
  {
    title = "Objects of `net.BoundSocket`", node = "boundSocket.%s", owner = "net.BoundSocket",
    object = "boundSocket",
    { "method", "address fd close [Symbol.dispose]" },
    { "field", "isPipe" },
    renamed = { ["[Symbol.dispose]"] = "__close" },
  },
  {
    title = "`events`", node = "events.%s", owner = "net.events", object = "events",
    { "function", "once on listenerCount getEventListeners getMaxListeners setMaxListeners \z
      addAbortListener init" },
    { "class", "EventEmitter EventEmitterAsyncResource" },
    { "field", "defaultMaxListeners errorMonitor captureRejections captureRejectionSymbol \z
      usingDomains" },
    differs = { once = COROUTINE, on = COROUTINE, EventEmitter = LUA, errorMonitor = LUA },
    absent = {
      addAbortListener = '`signal:on("abort", fn)` does it', init = INSIDE, usingDomains = INSIDE,
      EventEmitterAsyncResource = "there are no asynchronous hooks",
      captureRejections = "there are no promises", captureRejectionSymbol = "there are no promises",
    },
  },
  {
    title = "`EventEmitter`, which servers, sockets and `process` are", node = "emitter.%s",
    owner = "net.EventEmitter", object = "emitter",
    { "method", "on addListener once prependListener prependOnceListener off removeListener \z
      removeAllListeners emit listeners rawListeners listenerCount eventNames setMaxListeners \z
      getMaxListeners" },
    { "event", "newListener removeListener" },
    differs = { listeners = OURS, listenerCount = OURS, rawListeners = OURS, eventNames = OURS },
  },
  {
    title = "`timers`", node = "timers.%s", owner = "net.timers", object = "timers",
    { "function", "setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate" },
    { "field", "promises" },
    absent = { promises = PROMISES },
  },
  {
    title = "`Timeout`", node = "timeout.%s", owner = "net.Timeout", object = "timeout",
    { "method", "ref unref hasRef refresh close [Symbol.dispose]" },
    renamed = { ["[Symbol.dispose]"] = "__close" },
  },
  {
    title = "`Immediate`", node = "immediate.%s", owner = "net.Immediate", object = "immediate",
    { "method", "ref unref hasRef [Symbol.dispose]" },
    renamed = { ["[Symbol.dispose]"] = "__close" },
  },
  {
    title = "`process`, of which there is only this", node = "process.%s", owner = "net.process",
    { "function", "nextTick kill exit emitWarning send disconnect" },
    { "field", "exitCode pid env execPath channel connected" },
    { "event", "SIGINT uncaughtException uncaughtExceptionMonitor warning beforeExit exit message \z
      disconnect" },
    differs = {
      env = OURS, ['"SIGINT"'] = OURS, ['"uncaughtException"'] = LUA, ['"warning"'] = LUA,
    },
  },
  {
    title = "`child_process`", node = "child_process.%s", owner = "net.child",
    { "function", "spawn fork exec execFile spawnSync execSync execFileSync" },
    { "class", "ChildProcess" },
    absent = {
      exec = COMMAND, execFile = COMMAND, spawnSync = SYNC, execSync = SYNC, execFileSync = SYNC,
      ChildProcess = "only `spawn` and `fork` make one",
    },
  },
  {
    title = "Options of `child_process.spawn`", node = "%s", owner = "net.SpawnOptions",
    { "option", "cwd env argv0 stdio detached uid gid shell timeout killSignal signal \z
      serialization windowsHide windowsVerbatimArguments" },
    differs = { stdio = OURS, serialization = OURS },
    absent = { windowsHide = WINDOWS, windowsVerbatimArguments = WINDOWS },
  },
  {
    title = "Options of `child_process.fork` besides", node = "%s", owner = "net.ForkOptions",
    { "option", "execPath execArgv silent" },
    differs = { execArgv = OURS },
  },
  {
    title = "`ChildProcess`", node = "subprocess.%s", owner = "net.ChildProcess", object = "kid",
    { "method", "kill send disconnect ref unref [Symbol.dispose]" },
    { "field", "pid exitCode signalCode killed spawnfile spawnargs stdin stdout stderr stdio \z
      connected channel" },
    { "event", "spawn exit close error message disconnect" },
    renamed = { ["[Symbol.dispose]"] = "__close" },
  },
  {
    title = "`cluster`", node = "cluster.%s", owner = "net.cluster", object = "cluster",
    { "function", "setupPrimary fork disconnect" },
    { "field", "isPrimary isWorker isMaster worker workers settings schedulingPolicy SCHED_NONE \z
      SCHED_RR" },
    { "event", "setup fork online listening message disconnect exit" },
    differs = { schedulingPolicy = OURS },
    absent = { isMaster = MASTER },
  },
  {
    title = "Options of `cluster.setupPrimary`", node = "%s", owner = "net.ClusterSettings",
    { "option", "exec args execArgv cwd silent stdio uid gid serialization inspectPort \z
      windowsHide" },
    differs = { execArgv = OURS, serialization = OURS },
    absent = { inspectPort = "of V8", windowsHide = WINDOWS },
  },
  {
    title = "`Worker`, of `cluster`", node = "worker.%s", owner = "net.Worker", object = "worker",
    { "method", "send disconnect kill destroy isConnected isDead" },
    { "field", "id process exitedAfterDisconnect" },
    { "event", "online listening message disconnect exit error" },
  },
  {
    title = "`tls`", node = "tls.%s", owner = "net.tls",
    { "function", "createServer connect createSecureContext SecureContext checkServerIdentity \z
      getCiphers getCACertificates setDefaultCACertificates TLSSocket \z
      getCertificateCompressionAlgorithms convertALPNProtocols" },
    { "field", "rootCertificates DEFAULT_CIPHERS DEFAULT_ECDH_CURVE DEFAULT_MIN_VERSION \z
      DEFAULT_MAX_VERSION CLIENT_RENEG_LIMIT CLIENT_RENEG_WINDOW" },
    differs = { rootCertificates = TLS, getCACertificates = TLS, checkServerIdentity = TLS },
    absent = { CLIENT_RENEG_LIMIT = RENEGOTIATION, CLIENT_RENEG_WINDOW = RENEGOTIATION,
      getCertificateCompressionAlgorithms = COMPRESSION, convertALPNProtocols = INSIDE },
  },
  {
    title = "Options of `tls.createSecureContext`", node = "%s",
    owner = "net.tls.SecureContextOptions",
    { "option", "ca allowPartialTrustChain cert key passphrase pfx crl minVersion maxVersion \z
      secureProtocol ciphers honorCipherOrder ecdhCurve dhparam sigalgs secureOptions \z
      sessionIdContext sessionTimeout ticketKeys certificateCompression clientCertEngine \z
      privateKeyEngine privateKeyIdentifier" },
    differs = { ca = TLS, cert = TLS, key = TLS, crl = TLS, dhparam = TLS, sigalgs = TLS,
      secureProtocol = TLS, minVersion = TLS, ciphers = TLS },
    absent = { certificateCompression = COMPRESSION, clientCertEngine = ENGINES,
      privateKeyEngine = ENGINES, privateKeyIdentifier = ENGINES },
  },
  {
    title = "`tls.Server`, besides what is `net.Server`'s", node = "server.%s",
    owner = "net.tls.Server",
    { "method", "addContext setSecureContext getTicketKeys setTicketKeys" },
    { "event", "secureConnection tlsClientError newSession resumeSession OCSPRequest keylog" },
    differs = { setSecureContext = TLS, ['"tlsClientError"'] = TLS },
  },
  {
    title = "`tls.TLSSocket`, besides what is `net.Socket`'s", node = "socket.%s",
    owner = "net.tls.TLSSocket",
    { "method", "getPeerCertificate getCertificate getCipher getProtocol getEphemeralKeyInfo \z
      getSharedSigalgs getFinished getPeerFinished getSession setSession getTLSTicket \z
      isSessionReused exportKeyingMaterial setMaxSendFragment setServername setKeyCert \z
      enableTrace renegotiate disableRenegotiation getPeerX509Certificate getX509Certificate" },
    { "field", "encrypted authorized authorizationError alpnProtocol servername" },
    { "event", "secureConnect secure session keylog OCSPResponse" },
    differs = { renegotiate = TLS },
    absent = { getPeerX509Certificate = X509, getX509Certificate = X509 },
  },
  {
    title = "`dns`, of which there is only this", node = "dns.%s", owner = "net.dns",
    { "function", "lookup getDefaultResultOrder setDefaultResultOrder" },
    { "field", "ADDRCONFIG V4MAPPED ALL" },
  },
  {
    title = "Options of `dns.lookup`", node = "%s", owner = "net.LookupOptions",
    { "option", "family hints all order verbatim" },
  },
  {
    title = "`AbortController`", node = "controller.%s", owner = "net.AbortController",
    object = "abortController",
    { "method", "abort" },
    { "field", "signal" },
  },
  {
    title = "`AbortSignal`", node = "AbortSignal.%s", owner = "net.AbortSignalClass",
    object = "AbortSignal",
    { "function", "abort timeout any" },
  },
  {
    title = "Objects of `AbortSignal`", node = "signal.%s", owner = "net.AbortSignal",
    object = "abortSignal",
    { "method", "addEventListener removeEventListener throwIfAborted dispatchEvent" },
    { "field", "aborted reason onabort" },
    { "event", "abort" },
    absent = { dispatchEvent = "a signal is aborted by its controller alone" },
  },
}

local M = { sections = sections }

--- Iterates over a section: kind, name.
function M.rows(section)
  return coroutine.wrap(function()
    for _, row in ipairs(section) do
      for name in row[2]:gmatch("%S+") do
        coroutine.yield(row[1], name)
      end
    end
  end)
end

local function key(kind, name)
  return kind == "event" and ('"%s"'):format(name) or name
end

--- The name here.
function M.renamed(section, kind, name)
  return section.renamed and section.renamed[key(kind, name)] or name
end

--- What became of a name.
---@return string? absent why it is not here
---@return string? differs what is different
function M.state(section, kind, name)
  local at = key(kind, name)
  return section.absent and section.absent[at], section.differs and section.differs[at]
end

return M
