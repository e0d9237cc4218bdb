---@meta net
-- SPDX-License-Identifier: MIT
--
-- meta.lua - every public name, for editors and for readers.
--
-- The Lua language server reads the types here; `make docs` makes docs/api.md of
-- the same text (tools/meta.lua tells how), and spec/api_spec.lua compares it with
-- the module. A program never loads it: there is nothing in it to call.
--
-- In parentheses after a type stands what the type cannot say: the unit, the
-- range, `default X`, `read-only`.

--- # API
---
--- `local net = require("net")`. Everything is named as in Node 26's
--- [`net`](https://nodejs.org/docs/latest-v26.x/api/net.html); where Lua makes a difference,
--- [differences.md](differences.md) says so, and [a table](#nodes-names) has every name of Node's.
---
--- How to read this page: each name has a heading of its own, and below it how it is called, with
--- types. `[x]` may be left out; `-> T` is what comes back; `self` is the object itself, so that
--- calls can be chained. Functions of a module are called with a dot, methods of an object with a
--- colon. Times are in milliseconds and sizes in bytes, unless it says otherwise. "Raises" is about
--- the call itself, with an [error](#errors) value; what goes wrong later is an `"error"` event.
---
--- Editors that speak with the Lua language server know all this, too: it reads `net/meta.lua`,
--- which is installed beside the library, and which this page is made from. It needs the folder
--- that `net` was installed into in its `workspace.library`.
---
--- - [The loop](#the-loop): `run`, `stop`, `traceback`, `version`
--- - [Module functions](#module-functions): `createServer`, `connect`, `isIP`, …
--- - [Servers](#servers): methods, fields, events
--- - [Sockets](#sockets): options, methods, fields, events
--- - [Block lists](#block-lists), [socket addresses](#socket-addresses),
---   [bound sockets](#bound-sockets)
--- - [Emitters](#emitters): `on`, `once`, `off`, …, and `net.events`
--- - [net.timers](#nettimers), [net.process](#netprocess), [net.child](#netchild),
---   [net.co](#netco), [net.tls](#nettls), [net.dns](#netdns), [net.abort](#netabort)
--- - [Errors](#errors), [Encodings](#encodings), [The launcher](#the-launcher)
--- - [Node's names](#nodes-names), each with its name here

---@class net
local net = {}

--- ## The loop
---
--- Nothing happens before the loop runs: a script creates servers and sockets, and ends with
--- `net.run()`. One turn of the loop is: timers that are due, then I/O, then immediates, then
--- `"close"` events. After each callback the ticks (`process.nextTick`) are run, all of them.

--- Runs the loop: `"default"` until nothing holds it any more, or until `net.stop`; `"once"` until
--- something has happened; `"nowait"` for one pass that does not wait. Returns whether something
--- still holds it.
---
--- What holds the loop: a server that listens; a socket while an attempt to connect is under way, a
--- look-up of its name, or its descriptor is read or has still to be written to; a timer; an
--- immediate; events that are due. Each object may be `unref`'d. An open socket does not hold it
--- while nothing is read: one that is paused, or that nobody reads, with its buffer full, or with
--- the peer's end behind data that nobody takes. `net.run` then returns without a `"close"`, as Node
--- ends. Nor do listeners of signals, or a coroutine that waits.
---
--- Listeners and callbacks are called from C, and so cannot yield: `attempt to yield across a C-call
--- boundary`, or `from outside a coroutine`. One that has to wait starts a coroutine of its own:
--- `socket:on("data", function(chunk) coroutine.wrap(handle)(chunk) end)`.
---
--- An error that no listener and no `"uncaughtException"` takes comes out here, as the value that
--- was raised. The loop is left in order, and may be run again: it goes on where it stopped. May be
--- called in a coroutine; not inside itself.
---
--- A process has one loop, libev's default one, for all of its Lua states. libev knows no locks: of a
--- host's threads only one may be in this library at a time.
---
--- When nothing holds the loop any more, a coroutine that still waits, in `events.once` or
--- `events.on`, will never be resumed: a warning tells once what it waits for, and where. Not after
--- `net.stop`, nor after an error.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`.
---@param mode? "default"|"once"|"nowait" (default "default")
---@return boolean
function net.run(mode) end

--- Has `net.run` return when the current turn is over. Outside of `net.run` it does nothing.
function net.stop() end

--- The traceback of an error that came out of `net.run`, taken where it was raised; nil for any
--- other value.
---@param err any
---@return string?
function net.traceback(err) end

--- The version of this library, as in `"0.3.0"`.
---@type string
net.version = ""

--- ## Module functions

--- A new server, which does not listen yet; see `server:listen`. `onConnection` is added as a
--- listener of [`"connection"`](#server-connection). Each option is also a field of the server,
--- which may be changed at any time and counts for the connections accepted from then on.
---
--- Every socket that is accepted needs a listener for [`"error"`](#socket-error): without one, a
--- client that resets its connection ends `net.run`, and with it the program.
---
--- ```lua
--- net.createServer(function(socket)
---   socket:on("error", function(err) print(socket.remoteAddress, err) end)
---   socket:pipe(socket)
--- end):listen(8080)
--- ```
---
--- Options: `net.ServerOptions`.
---
--- Raises `ERR_INVALID_ARG_TYPE`.
---@param options? net.ServerOptions
---@param onConnection? fun(socket: net.Socket)
---@return net.Server
---@overload fun(onConnection?: fun(socket: net.Socket)): net.Server
function net.createServer(options, onConnection) end

---@class net.ServerOptions
--- accepted sockets stay writable when the peer has ended, until `finish()`; needed to answer later
--- than in the listener for `"end"`, see [sockets](#sockets)
---@field allowHalfOpen? boolean (default false)
--- accepted sockets are paused: nothing is read before `resume()`
---@field pauseOnConnect? boolean (default false)
--- `TCP_NODELAY` on accepted sockets, tcp(7)
---@field noDelay? boolean (default false)
--- TCP keep-alive on accepted sockets, `SO_KEEPALIVE` of socket(7)
---@field keepAlive? boolean (default false)
--- idle time before the first probe, in whole seconds; 0: the system's. The field is in seconds
---@field keepAliveInitialDelay? number (ms; default 0)
--- both marks of accepted sockets
---@field highWaterMark? integer (bytes; default 65536)
--- TCP peers on it are closed at once, without an event
---@field blockList? net.BlockList (default none)
--- each connection begins with a header of the PROXY protocol, version 1 or 2, by which a proxy such
--- as HAProxy, nginx or a cloud's load balancer tells whose it is: see [behind a
--- proxy](#behind-a-proxy)
---@field proxyProtocol? boolean|net.ProxyProtocolOptions (default false)

---@class net.ProxyProtocolOptions
--- how long the header may take
---@field timeout? number (ms, 1..2147483647; default 3000)

--- The class of servers. Called, it is `net.createServer`; its fields are the methods.
---@class net.ServerClass: net.Server
---@overload fun(options?: net.ServerOptions, onConnection?: fun(socket: net.Socket)): net.Server
---@overload fun(onConnection?: fun(socket: net.Socket)): net.Server
local Server = {}
net.Server = Server

--- Makes a socket and connects it: `net.Socket(options):connect(options, onConnect)`. The options
--- are those of `net.Socket` and of `socket:connect`, and `timeout`: if it is not 0,
--- `socket:setTimeout(timeout)` is called first. So it counts while connecting, and after that
--- whenever nothing comes or goes; and it only emits [`"timeout"`](#socket-timeout): to give up, a
--- listener destroys the socket.
---
--- Raises what those two raise.
---@param options net.ConnectOptions
---@param onConnect? fun()
---@return net.Socket
---@overload fun(path: string, onConnect?: fun()): net.Socket
---@overload fun(port: integer|string, host?: string, onConnect?: fun()): net.Socket
---@overload fun(port: integer|string, onConnect?: fun()): net.Socket
function net.connect(options, onConnect) end

--- The same function as `net.connect`.
net.createConnection = net.connect

--- Two sockets that are joined in memory, without a descriptor: what is written to one is read from
--- the other. For protocols without a port, and their tests. They are sockets in all else, with
--- these differences:
---
--- - they have no addresses, `fd()` is -1, and `resetAndDestroy` raises `ERR_INVALID_HANDLE_TYPE`;
--- - they never hold the loop: where nothing else does, `net.run()` returns;
--- - a write calls back when the other has it: the other reads on its own until its
---   `readableHighWaterMark` is reached, and that is the backpressure;
--- - `finish()` is done when the other has emitted `"end"`;
--- - `destroy()` gives the other its end; `destroy(err)` destroys the other too, without an error.
---
--- Raises what `net.Socket` raises for these options. See Node's `stream.duplexPair()`.
---@param options? net.DuplexPairOptions of both
---@return net.Socket one
---@return net.Socket other
function net.duplexPair(options) end

--- The options of `net.duplexPair`: of those of a socket all that are not about a descriptor.
---@class net.DuplexPairOptions
--- false: a half ends itself after the other has
---@field allowHalfOpen? boolean (default true)
--- false: nothing is read
---@field readable? boolean (default true)
--- false: nothing may be written
---@field writable? boolean (default true)
--- of both directions; wins over the next two
---@field highWaterMark? integer (bytes; default 65536)
--- reading stops while so much is buffered
---@field readableHighWaterMark? integer (bytes; default 65536)
--- `write` returns false from here on
---@field writableHighWaterMark? integer (bytes; default 65536)
--- as by `setEncoding`
---@field encoding? string (default none)
--- as by `setDefaultEncoding`
---@field defaultEncoding? string (default "utf8")
--- aborting it destroys both with an `AbortError`
---@field signal? net.AbortSignal (default none)
--- see `net.SocketOptions`
---@field onread? net.OnRead (default none)

--- 4 for an IPv4 address in dotted decimals without leading zeros, 6 for an IPv6 address (RFC 4291,
--- with or without `%zone`), 0 for anything else. Of an object with a `__tostring` that is what it
--- says of itself.
---@param value any
---@return 0|4|6
function net.isIP(value) end

--- Whether `net.isIP` says 4.
---@param value any
---@return boolean
function net.isIPv4(value) end

--- Whether `net.isIP` says 6.
---@param value any
---@return boolean
function net.isIPv6(value) end

--- Whether a value is a server; Node has `instanceof` for it.
---@param value any
---@return boolean
function net.isServer(value) end

--- Whether a value is a socket.
---@param value any
---@return boolean
function net.isSocket(value) end

--- Whether `connect` tries several addresses of a name, one after the other, if it is not told;
--- true unless it was set.
---@return boolean
function net.getDefaultAutoSelectFamily() end

--- Sets that default. Raises `ERR_INVALID_ARG_TYPE`.
---@param value boolean
function net.setDefaultAutoSelectFamily(value) end

--- How many milliseconds each address but the last is tried; 500 unless it was set.
---@return integer
function net.getDefaultAutoSelectFamilyAttemptTimeout() end

--- Sets that default: milliseconds, at least 1; below 10 becomes 10. Raises `ERR_INVALID_ARG_TYPE`,
--- `ERR_OUT_OF_RANGE`.
---@param value integer
function net.setDefaultAutoSelectFamilyAttemptTimeout(value) end

--- A server that takes over the socket which another process offers at `path`, see
--- `server:handOver`. `"listening"` comes when that one accepts no more; until then the server does
--- not listen, and `close()` or `listen` give it up. `"error"` instead: nobody offers it, `connect
--- ENOENT` or `ECONNREFUSED`; the other side has gone, or says something else,
--- `ERR_IPC_CHANNEL_CLOSED`; `takeOver ETIMEDOUT`; `takeOver EACCES`, where it is neither of our user
--- nor root. Then the other side serves on, if there is one, and this server may `listen`.
---
--- Options are those of `net.createServer`, and `timeout`, how many milliseconds to wait for the other side
--- (10000), its end included.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`.
---@param path string
---@param options? net.TakeOverOptions
---@param connectionListener? fun(socket: net.Socket)
---@return net.Server
---@overload fun(path: string, connectionListener?: fun(socket: net.Socket)): net.Server
function net.takeOver(path, options, connectionListener) end

---@class net.TakeOverOptions: net.ServerOptions
---@field timeout? number (milliseconds; default 10000)

--- The sockets that this process was started with, by systemd's socket activation or a parent that
--- does the same, and what they are called; with a name only those of that name. Always the same
--- objects: a bound or listening stream socket is a `BoundSocket`, whose file, if it has one, nobody
--- removes; one that is connected is a `Socket`, which is not read before somebody does. Other
--- descriptors stay open and are left out. Both lists are empty in a process that nobody activates.
---
--- `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` of sd_listen_fds(3) are read when the library is
--- loaded, if the first of them is this process, and removed; the descriptors, from 3 on, are close
--- on exec from there on. What has no name is called `unknown`. Raises `ERR_INVALID_ARG_TYPE`.
---
--- ```lua
--- server:listen({ activated = "web" })
--- ```
---@param name? string
---@return (net.BoundSocket|net.Socket)[] sockets
---@return string[] names
function net.activated(name) end

--- ## Servers

--- An [emitter](#emitters). `tostring(server)` names its address. A variable declared `<close>`
--- closes its server at the end of the block.
---@class net.Server: net.EventEmitter
--- True from `listen` to `close`; where a host was given, from the answer of the look-up on.
---@field listening boolean (read-only)
--- As many connections are kept; one more is closed at once, and `"drop"` tells of it. nil: no
--- limit. 0 drops all.
---@field maxConnections? integer
--- In a worker of a [cluster](#netcluster): true has one connection more dropped, as elsewhere;
--- else it goes to another worker.
---@field dropMaxConnection? boolean
--- How many connections are open. Node has dropped it; `server:getConnections` is its way.
---@field connections integer (read-only)
--- `server:drain` was called, and since then it has not listened again. A protocol that keeps
--- connections open looks at it when it answers, and tells its peer, so that no request of that
--- peer's meets the end: with HTTP, by `Connection: close`.
---@field draining boolean (read-only)
--- This and the next seven are the options of `net.createServer`, for connections to come.
---@field allowHalfOpen boolean
---@field pauseOnConnect boolean
---@field noDelay boolean
---@field keepAlive boolean
---@field keepAliveInitialDelay integer (seconds)
---@field highWaterMark integer (bytes)
---@field blockList? net.BlockList
---@field proxyProtocol boolean|net.ProxyProtocolOptions
---@field on fun(self: net.Server, event: any, listener: function): net.Server
--- The server listens. Not emitted if it was closed in the same tick.
---@field on fun(self: net.Server, event: "listening", listener: fun()): net.Server
--- A connection was accepted. Reading has started, unless `pauseOnConnect`: what arrives before
--- there is a listener is kept, up to the high-water mark. `socket.server` is the server. Without a
--- listener connections are accepted all the same. Give each socket a listener for
--- [`"error"`](#socket-error): one that has none ends the program when its peer resets.
---@field on fun(self: net.Server, event: "connection", listener: fun(socket: net.Socket)): net.Server
--- The server is closed and its last connection destroyed. It may `listen` again.
---@field on fun(self: net.Server, event: "close", listener: fun()): net.Server
--- `listen` failed, or a connection could not be accepted (`accept EMFILE`). The second is told
--- once until accepting has caught up; accepting pauses, and goes on by itself, sooner when one of
--- its connections closes. Where nobody listens, a failed `listen` comes out of `net.run`, and a
--- shortage is a [warning](#process-warning).
---@field on fun(self: net.Server, event: "error", listener: fun(err: net.Error)): net.Server
--- A connection beyond `server.maxConnections` was closed. `data` has `localAddress`, `localPort`,
--- `localFamily`, `remoteAddress`, `remotePort`, `remoteFamily`; for a Unix socket it is nil.
---@field on fun(self: net.Server, event: "drop", listener: fun(data?: net.DropData)): net.Server
--- A connection of a server with [`proxyProtocol`](#behind-a-proxy) had no such header, and was
--- closed: `ERR_PROXY_PROTOCOL_INVALID`, `ERR_PROXY_PROTOCOL_TIMEOUT`, or `ECONNRESET` (`socket hang
--- up`, or `read`) if the peer went before. The socket is destroyed, and `remoteAddress` is the
--- peer's, mostly the proxy's. Nothing comes of it if nobody listens.
---@field on fun(self: net.Server, event: "proxyError", listener: fun(err: net.Error, socket: net.Socket)): net.Server
local server = {}

---@class net.DropData
---@field localAddress string
---@field localPort integer
---@field localFamily "IPv4"|"IPv6"
---@field remoteAddress string
---@field remotePort integer
---@field remoteFamily "IPv4"|"IPv6"

--- Starts to listen. Without a port, or with 0, on a free one, which `server:address` tells;
--- without a host, on all addresses, IPv6 and IPv4. A string that is no number is the path of a
--- Unix socket, whose file must not exist yet; one that starts with `"\0"` is a Linux abstract
--- name, without a file (unix(7)). A `handle` that is a server or a socket is shared: both servers
--- accept from it. A [bound socket](#bound-sockets) is adopted: it listens when this returns, and
--- what else the options say does not count.
---
--- `"listening"` follows on a tick, or `"error"`, after which `listen` may be called again.
--- `onListening` is a listener of `"listening"`, called once; after a failed `listen` it waits for
--- the next. A host name is looked up first; its first address that is not IPv6 link-local is
--- taken.
---
--- Options: `net.ListenOptions`.
---
--- Raises `ERR_SERVER_ALREADY_LISTEN`, `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`,
--- `ERR_INVALID_ARG_TYPE`, `ERR_SOCKET_HANDLE_ADOPTED`. Told by `"error"`: `EADDRINUSE`,
--- `EADDRNOTAVAIL`, `EACCES` (also for a missing directory), `EINVAL` (path too long, descriptor of
--- the wrong kind), `ENOTFOUND`; see listen(2), bind(2).
---@param port? integer|string
---@param host? string
---@param backlog? integer
---@param onListening? fun()
---@return self
---@overload fun(self: net.Server, port?: integer|string, host?: string, onListening?: fun()): net.Server
---@overload fun(self: net.Server, port?: integer|string, onListening?: fun()): net.Server
---@overload fun(self: net.Server, onListening?: fun()): net.Server
---@overload fun(self: net.Server, path: string, backlog?: integer, onListening?: fun()): net.Server
---@overload fun(self: net.Server, path: string, onListening?: fun()): net.Server
---@overload fun(self: net.Server, options: net.ListenOptions, onListening?: fun()): net.Server
---@overload fun(self: net.Server, handle: net.Handle, backlog?: integer, onListening?: fun()): net.Server
---@overload fun(self: net.Server, handle: net.Handle, onListening?: fun()): net.Server
function server:listen(port, host, backlog, onListening) end

---@alias net.Handle net.Server|net.Socket|net.BoundSocket|{fd: integer}

---@class net.ListenOptions
--- wins over `path`
---@field port? integer|string (0..65535; default any free one)
--- a name or an IP address
---@field host? string (default all addresses)
--- of a Unix socket, at most 108 bytes
---@field path? string
--- how many may wait to be accepted
---@field backlog? integer (connections; default 511)
--- an IPv6 address takes no IPv4 connections; `IPV6_V6ONLY` of ipv6(7)
---@field ipv6Only? boolean (default false)
--- `SO_REUSEPORT` of socket(7): several processes may listen on the port
---@field reusePort? boolean (default false)
--- in a worker of a [cluster](#netcluster): it listens by itself, and shares with nobody
---@field exclusive? boolean (default false)
--- everybody may read from the path's socket
---@field readableAll? boolean (default false)
--- everybody may write to the path's socket; with `readableAll`: mode 666
---@field writableAll? boolean (default false)
--- aborting it closes the server
---@field signal? net.AbortSignal (default none)
--- a listening, or bound, descriptor, which the server owns from now on
---@field fd? integer
--- a socket that the process was started with, by its name, of which the first is taken that no
--- server has, or by its number, 1 for descriptor 3: see `net.activated`. It goes before all others;
--- where there is none, `ERR_INVALID_ARG_VALUE` is raised. In a worker of a cluster it is the
--- primary's, which all workers share; where that has none, or is Node's, `bind EINVAL` is told
--- by "error"
---@field activated? string|integer
--- as in the last form
---@field handle? net.Handle

--- Stops listening; the file of a Unix socket is removed before this returns, if it is still the
--- one that was made. Connections go on.
--- `"close"` follows on a tick when there is none left, here and in the processes to which some were
--- sent. The callback is called then; with `ERR_SERVER_NOT_RUNNING` if the server was not listening.
---
--- Clients that have connected, and wait to be accepted, are lost: the kernel resets their
--- connections. So it is with `reusePort`, where those who wait at this socket are not handed to
--- the others that listen on the port, unless the system is told to (`net.ipv4.tcp_migrate_req` of
--- Linux). A server that shares its descriptor, by `handle`, leaves them to the other one.
---@param callback? fun(err?: net.Error)
---@return self
function server:close(callback) end

--- Closes the server without cutting anybody off who is being served. `draining` is true from here
--- on, `close()` is called, and a connection on which no byte has moved since the server looked
--- last, and with nothing buffered either way, is ended by `finish()`; it looks every second, or
--- four times within `ms` if that is short. After `ms` all that are left are destroyed. The callback
--- is called at `"close"`, with how many that were; at once with `ERR_SERVER_NOT_RUNNING` and 0,
--- and nothing is ended, if the server was not listening.
---
--- Called again before that, the earlier end counts, and each callback is called. A server that
--- listens again is no longer drained.
---
--- A request that is on its way while the connection is ended is lost: see `server.draining`.
---@param ms number milliseconds, as for `timers.setTimeout`
---@param callback? fun(err?: net.Error, cut: integer)
---@return self
function server:drain(ms, callback) end

--- Offers the listening socket at `path`, to whatever process of the same user, or of root, takes it
--- over by `net.takeOver`: a restart in which nobody is refused. The file there is its user's alone
--- (mode 0600); one that a crash has left is replaced. The offer holds no loop, and `close()`
--- withdraws it.
---
--- When another process has the socket, this one accepts no more, removes the file, and drains as
--- `server:drain(options.drain)` does; the file of a Unix server goes to the other one. What waits
--- to be accepted is in the socket's queue, and so the other one's, too. `callback` is called at
--- `"close"` with how many connections were cut off; with an error if the offer could not be made
--- (`bind EADDRINUSE`: another process answers at the path, or a file that is no socket is there),
--- which is an `"error"` where there is no callback, or with `ERR_SERVER_NOT_RUNNING` if it was
--- withdrawn. Nothing that goes wrong before the other side has acknowledged stops this server.
---
--- ```lua
--- local server = net.takeOver("/run/app.sock", serve)
--- server:once("error", function() server:listen(80) end) -- the first of all
--- server:once("listening", function() server:handOver("/run/app.sock") end)
--- ```
---
--- Raises `ERR_SERVER_NOT_RUNNING` unless it listens with a descriptor of its own,
--- `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (also for an abstract name, which has no owner),
--- `ERR_OUT_OF_RANGE`.
---@param path string
---@param options? {drain: number?} milliseconds until connections are cut off; 30000
---@param callback? fun(err?: net.Error, cut?: integer)
---@return self
---@overload fun(self: net.Server, path: string, callback?: fun(err?: net.Error, cut?: integer)): net.Server
function server:handOver(path, options, callback) end

--- Ends each connection that has nothing buffered either way, neither to be read nor to be sent, by
--- `finish()`; how many that were.
---@return integer
function server:closeIdle() end

--- A new list of the connections that are open, in no order. It looks at all objects that the loop
--- holds, so call it seldom.
---@return net.Socket[]
function server:sockets() end

--- Where it listens: a table, or the path of a Unix socket; nil if it does not listen. A path stays
--- after `close`. Raises a system error with syscall `address` if the descriptor has gone bad.
---@return net.Address|string|nil
function server:address() end

--- The number of the descriptor that listens, for another library: to look at it, as getsockname(2)
--- and getsockopt(2) do, to set an option that is not here, or to duplicate it with dup(2). -1 if it
--- does not listen. It is still the server's: do not close it, accept from it, or have another loop
--- watch it; give nobody the number for longer than until `close`, after which the system gives it to
--- something else. Node has it as `server._handle.fd`.
---@return integer
function server:fd() end

---@class net.Address
---@field address string
---@field family "IPv4"|"IPv6"
---@field port integer

--- Tells on a tick how many connections are open; where some were sent to other processes, when
--- those have told how many they have. If one of them closes its channel before that, the callback
--- gets `ERR_CHILD_CLOSED_BEFORE_REPLY`. Raises `ERR_INVALID_ARG_TYPE`.
---@param callback fun(err?: net.Error, count?: integer)
---@return self
function server:getConnections(callback) end

--- Has the listening server hold the loop; the default.
---@return self
function server:ref() end

--- Has `net.run` return although the server listens. May be called before `listen`.
---@return self
function server:unref() end

--- For a `for` loop in a [task](#netco): the next connection. The server accepts while somebody asks;
--- the rest waits in the kernel's backlog. Ends when the server is closed. Raises if it could not
--- listen, and `ERR_SOCKET_BUSY` while another such loop runs.
---@return fun(): net.Socket?
function server:incoming() end

--- Calls `handler(socket)` in a [task](#netco) of its own for each connection; may be called anywhere,
--- also before `listen`. When the handler returns, the socket is finished, and closed at the peer's
--- end, at the idle timeout, or two seconds later. When it raises, the socket is destroyed: the error
--- that the socket's own methods gave last is its end and no more, any other goes to `onError`, or
--- is uncaught. The task returns true when the server is closed and all handlers have ended;
--- cancelled, it closes the server and cancels them. Raises `ERR_INVALID_ARG_TYPE`.
---@param handler fun(socket: net.Socket)
---@param onError? fun(err: any, socket: net.Socket)
---@return net.Task
function server:serve(handler, onError) end

--- ### Behind a proxy
---
--- A proxy that forwards bytes is the peer of each connection. By the
--- [PROXY protocol](https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt) it tells of the
--- client in a header before the first byte: `send-proxy` and `send-proxy-v2` of HAProxy,
--- `proxy_protocol on` of nginx, "Proxy protocol v2" of an AWS load balancer. A server with the option
--- `proxyProtocol` reads it, version 1 or 2, and then tells of the connection; that of a
--- [`net.tls`](#nettls) server comes before the handshake.
---
--- ```lua
--- local server = net.createServer({ proxyProtocol = true }, function(socket)
---   print(socket.remoteAddress, "by", socket.proxyHeader.proxyAddress)
--- end)
--- server:on("proxyError", function(err, socket) print(socket.remoteAddress, err.code) end)
--- server:listen(8080, "10.0.0.5")
--- ```
---
--- - `remoteAddress`, `remotePort`, `remoteFamily`, `localAddress`, `localPort`, `localFamily` and
---   `address()` are the header's: who the client is, and whom it had dialled. They are nil if it came
---   by a Unix socket. Where the header tells of nobody (`LOCAL`, as of a health check, `UNKNOWN`), they
---   stay the connection's own.
--- - The header is believed. Listen where proxies alone can connect, or have a `blockList`: it is asked
---   for the peer at once, and for the client when the header is there. Who is on it is closed without
---   an event.
--- - There is no connection without a header: a client that has none is closed,
---   [`"proxyError"`](#server-proxyerror).
--- - A connection that waits for its header counts in `connections`, `getConnections` and for
---   `maxConnections`, is not in `sockets()`, and holds the loop. `close` waits for it, and it may still
---   become a `"connection"` then; at the end of a `drain` it is cut. `timeout` bounds it.
--- - Bytes of the header are not in `bytesRead`. A socket that is sent to another process leaves the
---   header behind; a worker of a [cluster](#netcluster) reads it itself.
---
--- `proxyProtocol` is true or a table:
---
--- Options: `net.ProxyProtocolOptions`.
---
--- `socket.proxyHeader` has
---
--- Fields: `net.ProxyHeader`.

---@class net.ProxyHeader
---@field version 1|2
--- `LOCAL`: the proxy speaks for itself
---@field command "PROXY"|"LOCAL"
--- nil: the header tells of nobody
---@field family? "IPv4"|"IPv6"|"unix"
---@field transport? "stream"|"dgram"
--- the client's; the path of a Unix socket, nil if that has none
---@field sourceAddress? string
---@field sourcePort? integer
--- whom the client had dialled
---@field destinationAddress? string
---@field destinationPort? integer
--- the proxy's own, of TCP
---@field proxyAddress? string
---@field proxyPort? integer
--- what else is told, bytes by the number of their type, which is free from 0xE0 on; of several of a
--- type the last one
---@field tlvs table<integer, string>
--- the protocol that client and proxy agreed upon by ALPN
---@field alpn? string
--- the name that the client asked for, as by SNI
---@field authority? string
---@field uniqueId? string
--- of TLS between client and proxy: `encrypted`, `certificate` (the client has one), `verified` (and it
--- is good), `version`, `commonName`, `cipher`, `signatureAlgorithm`, `keyAlgorithm`
---@field ssl? table

--- ## Sockets
---
--- One connection, TCP or Unix, as a duplex stream; an [emitter](#emitters). `tostring(socket)`
--- names its peer and state. What it reads are strings of bytes, of at most 65536 each, wherever
--- the network has cut them. A variable declared `<close>` destroys its socket at the end of the
--- block.
---
--- A socket ends by itself when both sides have: [`"end"`](#socket-end) was emitted, that is, the
--- peer has ended and all it sent was read, and [`"finish"`](#socket-finish) was, that is,
--- `finish()` was called and all was sent. Unless `allowHalfOpen`, the peer's end leads to
--- `finish()`, on the tick after `"end"`. What is written before that is sent; an answer that comes
--- later, from a timer or another connection, is refused: `write` returns false, its callback gets
--- an error with the code `EPIPE`. A server whose clients send a request, end, and wait for the
--- answer needs `allowHalfOpen = true`, and has to call `finish()` itself. Or it reads in a
--- [task](#netco): then `finish()` is called when the task that has read is over; after one that
--- `co.all`, `co.any` or `co.race` have started, when the task is over that has called them. The
--- streams of a child process end as in callbacks, as nobody answers them.

--- A socket that is not connected, or one around an open descriptor. `net.Stream` is the same
--- class; its fields are the methods.
---
--- Options: `net.SocketOptions`.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`,
--- `ERR_UNKNOWN_ENCODING`, `ERR_INVALID_FD_TYPE` for a descriptor that is no stream,
--- `ERR_SOCKET_HANDLE_ADOPTED`.
---@class net.SocketClass: net.Socket
---@overload fun(options?: net.SocketOptions): net.Socket
---@overload fun(fd: integer): net.Socket
local Socket = {}
net.Socket = Socket

---@class net.SocketOptions
--- a connected stream socket or a pipe, which the socket owns from now on
---@field fd? integer (default none)
--- a [bound socket](#bound-sockets), from whose address it connects
---@field handle? net.BoundSocket (default none)
--- with `fd`; false: nothing is read
---@field readable? boolean (default true)
--- with `fd`; false: nothing may be written
---@field writable? boolean (default true)
--- stays writable when the peer has ended, until `finish()`
---@field allowHalfOpen? boolean (default false)
--- of both directions; wins over the next two
---@field highWaterMark? integer (bytes; default 65536)
--- reading stops while so much is buffered
---@field readableHighWaterMark? integer (bytes; default 65536)
--- `write` returns false from here on
---@field writableHighWaterMark? integer (bytes; default 65536)
--- as by `setEncoding`
---@field encoding? string (default none)
--- as by `setDefaultEncoding`
---@field defaultEncoding? string (default "utf8")
--- as by `setNoDelay`, when connected
---@field noDelay? boolean (default false)
--- as by `setKeepAlive`, when connected
---@field keepAlive? boolean (default false)
--- goes with it
---@field keepAliveInitialDelay? number (ms; default 0)
--- as by `setTypeOfService`, when connected
---@field typeOfService? integer (0..255; default none)
--- aborting it destroys the socket with an `AbortError`, at any time: an attempt to connect, and an
--- established connection too
---@field signal? net.AbortSignal (default none)
--- addresses that `connect` refuses: `ERR_IP_BLOCKED`
---@field blockList? net.BlockList (default none)
--- `{buffer = size or function() -> size, callback = function(nread, chunk)}`: the callback gets
--- what is read, at most `buffer` bytes at a time, and there are no `"data"` events; if it returns
--- false, reading pauses until `resume()`
---@field onread? net.OnRead (default none)

---@class net.OnRead
---@field buffer integer|fun(): integer (bytes)
---@field callback fun(nread: integer, chunk: string): boolean?

--- The same as `net.Socket`.
net.Stream = net.Socket

---@class net.Socket: net.EventEmitter
--- The peer's IP address. Nil for Unix sockets, while not connected, and after the end, unless it
--- was read before. Of a socket that a server has accepted it is known though the peer has reset
--- the connection already, also after that error. An IPv4 peer of a server on `::` shows as
--- `::ffff:a.b.c.d`.
---@field remoteAddress? string (read-only)
---@field remotePort? integer (read-only)
---@field remoteFamily? "IPv4"|"IPv6" (read-only)
--- Our own address, getsockname(2). Of a socket made from a [bound socket](#bound-sockets) with a
--- path it is that path.
---@field localAddress? string (read-only)
---@field localPort? integer (read-only)
---@field localFamily? "IPv4"|"IPv6" (read-only)
--- What a proxy has said of a connection that a server with [`proxyProtocol`](#behind-a-proxy) has
--- accepted: a new table each time.
---@field proxyHeader? net.ProxyHeader (read-only)
--- Bytes that have arrived. It keeps its value after the end.
---@field bytesRead integer (read-only)
--- Bytes that were written, those included that still wait.
---@field bytesWritten integer (read-only)
--- Deprecated: `writableLength` while there is a connection.
---@field bufferSize? integer (bytes; read-only)
--- From `connect()` until it has succeeded or failed.
---@field connecting boolean
--- Not connected: not yet, or no more.
---@field pending boolean (read-only)
---@field readyState "opening"|"open"|"readOnly"|"writeOnly"|"closed" (read-only)
--- `destroy` was called, by you or by the end of both sides.
---@field destroyed boolean
--- The same as `socket.destroyed`.
---@field closed boolean (read-only)
--- What the socket was destroyed with, or nil.
---@field errored any (read-only)
--- What `setTimeout` was called with last.
---@field timeout? number (ms)
--- The server that accepted the connection.
---@field server? net.Server
--- May be changed.
---@field allowHalfOpen boolean
--- The addresses that were tried, as `"ip:port"`, where there were several.
---@field autoSelectFamilyAttemptedAddresses? string[] (read-only)
--- The option of that name. May be changed before `connect`.
---@field blockList? net.BlockList
--- Whether data may still come. Assigning to it, as to `writable`, `destroyed`, has no effect.
---@field readable boolean
--- Destroyed before `"end"`.
---@field readableAborted boolean (read-only)
--- Some data was handed out.
---@field readableDidRead boolean (read-only)
--- What `setEncoding` was called with, in its usual spelling; the option `encoding` as it was given.
---@field readableEncoding? string (read-only)
--- `"end"` was emitted.
---@field readableEnded boolean (read-only)
--- Nil while nobody has decided, by `on("data")`, `resume()`, `pause()` or `on("readable")`.
---@field readableFlowing? boolean
---@field readableHighWaterMark integer (bytes; read-only)
--- Bytes that are buffered.
---@field readableLength integer (bytes; read-only)
---@field readableObjectMode false (read-only)
--- Whether `write` would be taken.
---@field writable boolean
--- How often `uncork` has to be called.
---@field writableCorked integer (read-only)
--- `finish()` was called.
---@field writableEnded boolean (read-only)
--- `"finish"` was emitted.
---@field writableFinished boolean (read-only)
---@field writableHighWaterMark integer (bytes; read-only)
--- Bytes that were written and that the kernel has not taken.
---@field writableLength integer (bytes; read-only)
--- `write` has returned false, and `"drain"` is due.
---@field writableNeedDrain boolean (read-only)
---@field writableObjectMode false (read-only)
---@field on fun(self: net.Socket, event: any, listener: function): net.Socket
--- A name was looked up: once for each address, or once with the error.
---@field on fun(self: net.Socket, event: "lookup", listener: fun(err?: net.Error, address?: string, family?: 4|6, host: string)): net.Socket
--- An address is tried; for a Unix socket, the path alone, inside `connect()`.
---@field on fun(self: net.Socket, event: "connectionAttempt", listener: fun(address: string, port: integer, family: 4|6)): net.Socket
--- An address could not be connected to, because of `err`; the next is tried, if there is one.
---@field on fun(self: net.Socket, event: "connectionAttemptFailed", listener: fun(address: string, port: integer, family: 4|6, err: net.Error)): net.Socket
--- An address was given up after `autoSelectFamilyAttemptTimeout`, and the next is tried.
---@field on fun(self: net.Socket, event: "connectionAttemptTimeout", listener: fun(address: string, port: integer, family: 4|6)): net.Socket
--- The connection is made. Not emitted by accepted sockets.
---@field on fun(self: net.Socket, event: "connect", listener: fun()): net.Socket
--- Right after `"connect"`.
---@field on fun(self: net.Socket, event: "ready", listener: fun()): net.Socket
--- Bytes have arrived, or text after `setEncoding`. The first listener starts the flow.
---@field on fun(self: net.Socket, event: "data", listener: fun(chunk: string)): net.Socket
--- There is something to `read`, or the end. With a listener for it the data does not flow.
---@field on fun(self: net.Socket, event: "readable", listener: fun()): net.Socket
--- The peer has ended, and all that it sent was consumed. It comes also where nobody reads, if
--- there is nothing to be read.
---@field on fun(self: net.Socket, event: "end", listener: fun()): net.Socket
--- After a `write` that returned false: all was handed to the kernel.
---@field on fun(self: net.Socket, event: "drain", listener: fun()): net.Socket
--- After `finish()`: all was handed to the kernel, and the FIN.
---@field on fun(self: net.Socket, event: "finish", listener: fun()): net.Socket
--- A tick before `"finish"`, and before the callbacks of `finish()`.
---@field on fun(self: net.Socket, event: "prefinish", listener: fun()): net.Socket
--- `pause()` was called, and data did flow or nobody had decided.
---@field on fun(self: net.Socket, event: "pause", listener: fun()): net.Socket
--- `resume()` was called; on a tick, before the data.
---@field on fun(self: net.Socket, event: "resume", listener: fun()): net.Socket
--- `source:pipe(socket)` was called.
---@field on fun(self: net.Socket, event: "pipe", listener: fun(source: net.Socket)): net.Socket
--- Such a pipe has ended.
---@field on fun(self: net.Socket, event: "unpipe", listener: fun(source: net.Socket, info: table)): net.Socket
--- See `socket:setTimeout`.
---@field on fun(self: net.Socket, event: "timeout", listener: fun()): net.Socket
--- The socket is destroyed because of this; `"close"` follows. At most once for a connection. Where
--- nobody listens it comes out of `net.run`. A peer may cause one at any time, `read ECONNRESET`
--- above all, so every socket needs a listener, those that a server accepts too.
---@field on fun(self: net.Socket, event: "error", listener: fun(err: any)): net.Socket
--- The socket is closed; the last event. `hadError` tells whether it was destroyed with an error;
--- it is nil where there never was a connection, nor an attempt.
---@field on fun(self: net.Socket, event: "close", listener: fun(hadError?: boolean)): net.Socket
local socket = {}

--- Connects. `onConnect` is a listener of `"connect"`, called once. A socket that is destroyed
--- starts over: its counters begin anew, listeners stay.
---
--- A name is looked up, off the loop. If it has several addresses, they are tried one after the
--- other, one of each family in turn (as in RFC 8305), each but the last for
--- `autoSelectFamilyAttemptTimeout`. Failure is `"error"` and then `"close"`:
--- `connect ECONNREFUSED 127.0.0.1:80`, `getaddrinfo ENOTFOUND name`; where several addresses were
--- tried, an `AggregateError` with one error for each in `errors`.
---
--- Options: `net.ConnectOptions`.
---
--- Raises `ERR_MISSING_ARGS`, `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`,
--- `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_IP_ADDRESS`, `ERR_OUT_OF_RANGE`. Told by `"error"`: what
--- connect(2) and bind(2) say, `ERR_IP_BLOCKED`, and about the answer of a `lookup`
--- `ERR_INVALID_IP_ADDRESS`, `ERR_INVALID_ADDRESS_FAMILY`.
---@param options net.ConnectOptions
---@param onConnect? fun()
---@return self
---@overload fun(self: net.Socket, path: string, onConnect?: fun()): net.Socket
---@overload fun(self: net.Socket, port: integer|string, host?: string, onConnect?: fun()): net.Socket
---@overload fun(self: net.Socket, port: integer|string, onConnect?: fun()): net.Socket
function socket:connect(options, onConnect) end

--- The options of `net.connect` are these, and those of a socket.
---@class net.ConnectOptions: net.SocketOptions
---@field port? integer|string (0..65535)
--- a name or an IP address
---@field host? string (default "localhost")
--- of a Unix socket; wins over `port`
---@field path? string
--- IP address to connect from
---@field localAddress? string (default the system's choice)
--- port to connect from
---@field localPort? integer (default any free one)
--- addresses of that family only
---@field family? 0|4|6|"IPv4"|"IPv6" (default 0)
--- for the look-up
---@field hints? integer (default dns.ADDRCONFIG)
--- looks names up instead: `lookup(host, options, callback)`
---@field lookup? fun(host: string, options: net.LookupOptions, callback: function) (default net.dns.lookup)
--- false: only the first address is tried; see `net.setDefaultAutoSelectFamily`
---@field autoSelectFamily? boolean (default true)
--- at least 10; see `net.setDefaultAutoSelectFamilyAttemptTimeout`
---@field autoSelectFamilyAttemptTimeout? integer (ms; default 500)
--- `net.connect` only: as by `setTimeout`
---@field timeout? number (ms; default none)

--- Sends bytes. While connecting they wait. Returns false when as much is buffered as
--- `writableHighWaterMark`: then wait for `"drain"`, or memory grows. The callback is called when
--- the chunk was handed to the kernel, or with the reason why it was not. With an
--- [encoding](#encodings) the chunk is text, which is turned into bytes.
---
--- Everything that is written in one callback of the loop leaves together, in one system call where
--- it fits.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_STREAM_NULL_VALUES` (for nil), `ERR_UNKNOWN_ENCODING`. Told
--- by callback and `"error"`: `ERR_STREAM_WRITE_AFTER_END`, `ERR_SOCKET_CLOSED` (never connected),
--- `EPIPE` and `ECONNRESET` (the peer is gone). After `destroy` the callback alone is told:
--- `ERR_STREAM_DESTROYED`.
---@param chunk string
---@param encoding? string
---@param callback? fun(err?: net.Error)
---@return boolean
---@overload fun(self: net.Socket, chunk: string, callback?: fun(err?: net.Error)): boolean
function socket:write(chunk, encoding, callback) end

--- Sends a file, or a part of it, in its turn among the writes: from `offset` on, `length` bytes of
--- it or all that there are now. The file is named by its path, or by a descriptor, which stays
--- yours, may be closed at once, and is not moved. Only a regular file will do. The system sends it
--- (sendfile(2)), so that Lua's memory never holds it; a slow disk blocks the loop.
---
--- All else is as with `write`: the result, `"drain"`, `bytesWritten`, `writableLength`, which has
--- the whole part until all of it is sent, and the callback.
---
--- A file that cannot be opened or has not as much is told to the callback, and the socket is left as
--- it is, so that there may be another answer; without a callback the socket is destroyed with the
--- error. One that gets shorter while it is sent always destroys the socket:
--- `ERR_FILE_TOO_SHORT`. What is added to it meanwhile is not sent; what is written over in it may
--- be, even for a moment after the callback, as the kernel sends the file's own pages. So give a
--- changed file a new name, or `rename` it into place.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`. Told by callback or
--- `"error"`: `open ENOENT` and what else open(2) says, `dup EBADF`, `sendfile EBADF` (open for
--- writing only), `sendfile EISDIR`, `sendfile ESPIPE` (no file), with the field `path`;
--- `ERR_FILE_TOO_SHORT`; and what `write` tells.
---@param file string|integer a path or a descriptor
---@param offset? integer (bytes; default 0)
---@param length? integer (bytes; default what is behind `offset`)
---@param callback? fun(err?: net.Error)
---@return boolean
---@overload fun(self: net.Socket, file: string|integer, callback?: fun(err?: net.Error)): boolean
---@overload fun(self: net.Socket, file: string|integer, offset: integer, callback?: fun(err?: net.Error)): boolean
function socket:sendFile(file, offset, length, callback) end

--- Ends our side, after one last chunk: all that was written is sent, then a FIN (shutdown(2)). The
--- peer can still send. The callback is called before `"finish"`. This is Node's `end`, which is a
--- keyword of Lua; `socket["end"](socket)` is the same.
---@param chunk? string
---@param encoding? string
---@param callback? fun(err?: net.Error)
---@return self
---@overload fun(self: net.Socket, chunk?: string, callback?: fun(err?: net.Error)): net.Socket
---@overload fun(self: net.Socket, callback?: fun(err?: net.Error)): net.Socket
function socket:finish(chunk, encoding, callback) end

--- `socket:finish` under Node's name.
socket["end"] = socket.finish

--- Closes the connection now. What has not been handed to the kernel is lost, and its callbacks are
--- told. `"error"` follows if there was an `err`, then `"close"`. The second time it does nothing.
---@param err? any
---@return self
function socket:destroy(err) end

--- Waits for what is to be read, and takes it; in a [task](#netco). All or nothing: bytes leave the
--- buffer when the answer is whole, so after a timeout or a cancel nothing is lost.
---
--- | what | gives |
--- | --- | --- |
--- | `"line"`, the default (`"l"`, `"*l"`) | to LF, without that and a CR before it |
--- | `"L"` (`"*L"`) | with the line's end |
--- | an integer | exactly so many bytes |
--- | `"some"` | what there is, at least a byte |
--- | `"all"` (`"a"`, `"*a"`) | everything to the end |
---
--- The end of the stream is `nil, co.EOF, rest`; a failure `nil, err, rest`, at each call again.
--- Complete answers that have arrived before are given first. What is longer than `max` is `nil, err`
--- (`ERR_RECEIVE_TOO_LONG`), and stays. After `setTimeout`, a wait without traffic is `nil, err`
--- (`ERR_TIMEOUT`). Raises `ERR_SOCKET_BUSY` while another task reads, or a listener or a pipe does;
--- `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE`, `ERR_INVALID_ARG_TYPE`, `ERR_CANNOT_WAIT`.
---@param what? string|integer
---@param max? integer (bytes, without a line's end; default 65536, of `"all"` none)
---@return string? answer
---@return net.Error? err
---@return string? rest
function socket:receive(what, max) end

--- As `socket:receive`, to a delimiter, which is taken and not given.
---@param delimiter string
---@param max? integer (bytes; default 65536)
---@return string? answer
---@return net.Error? err
---@return string? rest
function socket:receiveUntil(delimiter, max) end

--- As `socket:receive`, and takes nothing.
---@param what? string|integer
---@param max? integer (bytes; default 65536, of `"all"` none)
---@return string? answer
---@return net.Error? err
---@return string? rest
function socket:peek(what, max) end

--- For a `for` loop in a [task](#netco): each line without its end; the last may lack one. Raises a
--- failure. To leave the loop does nothing to the socket.
---@param max? integer (bytes; default 65536)
---@return fun(): string?
function socket:lines(max) end

--- For a `for` loop in a [task](#netco): what arrives, as it arrives. Raises a failure.
---@param max? integer (bytes; default 65536)
---@return fun(): string?
function socket:chunks(max) end

--- Writes strings that stay together; in a [task](#netco). True at once while less is buffered than
--- `writableHighWaterMark`; else it waits until the kernel has all. Interrupted, what it has queued
--- is sent all the same. Raises `ERR_INVALID_ARG_TYPE`, and then nothing is sent.
---@param ... string
---@return true? ok
---@return net.Error? err why nothing can be sent, or was
function socket:send(...) end

--- Waits until the kernel has what was written so far, and the end, if `finish` was called.
---@return true? ok
---@return net.Error? err
function socket:flush() end

--- Ends our side, and destroys the socket when all is sent, without waiting for the peer's end.
function socket:destroySoon() end

--- Closes a TCP connection with a RST: the peer gets `ECONNRESET`. While connecting it waits for
--- the connection. Raises `ERR_INVALID_HANDLE_TYPE` for a Unix socket.
---@return self
function socket:resetAndDestroy() end

--- No more `"data"` until `resume()`. What arrives is buffered up to `readableHighWaterMark`; then
--- the descriptor is not read, and TCP has the peer wait.
---@return self
function socket:pause() end

--- Has `"data"` flow. Without a listener for it the data is thrown away.
---@return self
function socket:resume() end

--- Whether `pause()` was the last word, or somebody listens to `"readable"`.
---@return boolean
function socket:isPaused() end

--- Takes data out of the buffer, for those who listen to `"readable"`: `n` bytes, or the oldest
--- chunk if `n` is left out; nil if there is not as much, unless the peer has ended, when it gives
--- the rest. `n` may exceed `readableHighWaterMark`, which grows to the next power of two then, so
--- that as much can come; it stays so. Raises `ERR_OUT_OF_RANGE` beyond 1 GiB.
---@param n? integer
---@return string?
function socket:read(n) end

--- Puts data back to the front of the buffer. Returns whether less than `readableHighWaterMark` is
--- buffered; false after `destroy`. After `setEncoding` the chunk is text in `encoding`, by default
--- the option `defaultEncoding`, and comes back in the encoding that was set. Nil is the end: what
--- arrives later is an error, `ERR_STREAM_PUSH_AFTER_EOF`. Without arguments nothing changes.
---@param chunk string?
---@param encoding? string
---@return boolean
function socket:unshift(chunk, encoding) end

--- Sends all that arrives to `dest`, as fast as it takes it, and ends it at `"end"` (unless
--- `{["end"] = false}`). `dest` is a socket, or any emitter with `write` and `finish` or `["end"]`.
--- As in Node, a socket that is destroyed without its `"end"` leaves `dest` open.
---@generic T
---@param dest T
---@param options? { ["end"]: boolean }
---@return T dest
function socket:pipe(dest, options) end

--- Ends the pipe to `dest`, or all. After the last one the socket is paused.
---@param dest? table|userdata
---@return self
function socket:unpipe(dest) end

--- Holds back what is written until `uncork`, called as often.
function socket:cork() end

--- Undoes one `cork`; the last of them sends what was held back.
function socket:uncork() end

--- Has `"data"` and `read` give text in that [encoding](#encodings). A character that was cut in
--- two waits for its rest. Raises `ERR_UNKNOWN_ENCODING`.
---@param encoding? string (default "utf8")
---@return self
function socket:setEncoding(encoding) end

--- The encoding of `write` where it names none. Raises `ERR_UNKNOWN_ENCODING`.
---@param encoding string
---@return self
function socket:setDefaultEncoding(encoding) end

--- Emits `"timeout"` after `msecs` milliseconds in which nothing was read, nor handed to the
--- kernel; nothing is closed. 0 turns it off. The callback is added as a listener, called once;
--- with 0 it is removed. The timer does not hold the loop. Raises `ERR_INVALID_ARG_TYPE`,
--- `ERR_OUT_OF_RANGE`.
---@param msecs number
---@param callback? fun()
---@return self
function socket:setTimeout(msecs, callback) end

--- `TCP_NODELAY` (tcp(7)): small writes leave at once, and do not wait for the acknowledgement of
--- those before. Before there is a connection the wish is kept.
---@param noDelay? boolean (default true)
---@return self
function socket:setNoDelay(noDelay) end

--- TCP keep-alive (`SO_KEEPALIVE`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`; tcp(7)): probes
--- from `initialDelay` ms of idleness on, every `interval` ms, `count` of them until the connection
--- counts as lost. Times are cut to whole seconds. With `initialDelay`, `interval` or `count` at 0,
--- the times below a second included, all three are left as the system has them; an interval or a
--- count that makes no sense is the default. Before there is a connection the wish is kept; the system
--- is asked only for what changes, of what the server's `keepAlive` had set, too.
---
--- Options: `net.KeepAliveOptions`.
---@param enable? boolean (default false)
---@param initialDelay? number (default 0)
---@param interval? number (default 1000)
---@param count? integer (default 10)
---@return self
---@overload fun(self: net.Socket, options: net.KeepAliveOptions): net.Socket
function socket:setKeepAlive(enable, initialDelay, interval, count) end

---@class net.KeepAliveOptions
---@field enable? boolean (default false)
---@field initialDelay? number (ms; default 0)
---@field interval? number (ms; default 1000)
---@field count? integer (probes; default 10)

--- The IP type of service, 0..255 (`IP_TOS`, ip(7); `IPV6_TCLASS`, ipv6(7)). Before there is a
--- connection the wish is kept. Raises `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, and a system
--- error.
---@param tos integer
---@return self
function socket:setTypeOfService(tos) end

--- The wish before there is a connection, what the kernel has after. Raises a system error.
---@return integer
function socket:getTypeOfService() end

--- The local end of a TCP connection; an empty table if there is none.
---@return net.Address|{}
function socket:address() end

--- The number of the connection's descriptor, for another library: to look at it, as getsockopt(2)
--- and `SO_PEERCRED` do, to set an option that is not here, or to duplicate it with dup(2). -1 before
--- there is a connection, while it is being made too, and from `destroy()` on. It is still the
--- socket's: do not close it, read from it, write to it, shut it down, make it blocking, or have
--- another loop watch it; a duplicate shares all that. Give nobody the number for longer than until
--- the socket is destroyed, after which the system gives it to something else. Node has it as
--- `socket._handle.fd`.
---@return integer
function socket:fd() end

--- Has the open socket hold the loop; the default.
---@return self
function socket:ref() end

--- Has `net.run` return although the socket is open.
---@return self
function socket:unref() end

--- ## Block lists
---
--- Rules about IP addresses, an option of servers and sockets: who is blocked is closed right after
--- it was accepted, or not connected to (`ERR_IP_BLOCKED`). Where an `address` is a string, `family` is `"ipv4"` (the default) or
--- `"ipv6"`, in letters of either case; it may be a [SocketAddress](#netsocketaddress) instead. An
--- IPv4 rule holds the `::ffff:` form too (RFC 4291, 2.5.5.2), and the other way round. The methods
--- that take an address raise `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (the family), and
--- `ERR_INVALID_ADDRESS` for what is no address of that family; where a prefix is taken,
--- `ERR_OUT_OF_RANGE`. Asking takes equally long however many rules there are.

--- A new list, without rules.
---@class net.BlockListClass
---@overload fun(): net.BlockList
--- The ranges that are not of the public Internet (private, loopback, link-local, unique local;
--- RFC 1918, RFC 4193), as CIDRs for `blockList:addCIDRs`.
---@field PRIVATE_RANGES string[] (read-only)
local BlockList = {}
net.BlockList = BlockList

--- Whether a value is a block list.
---@param value any
---@return boolean
function BlockList.isBlockList(value) end

---@class net.BlockList
--- The rules as texts: `"Address: IPv4 1.1.1.1"`, `"Subnet: IPv4 10.0.0.0/8"`,
--- `"Range: IPv6 ::1-::9"`; in this order, of each kind the newest first. A new list each time.
---@field rules string[] (read-only)
--- How many rules there are.
---@field size integer (read-only)
local blockList = {}

--- Blocks one address. It is one rule however often it is added.
---@param address string|net.SocketAddress
---@param family? string
function blockList:addAddress(address, family) end

--- Adds none if one of them is wrong.
---@param addresses (string|net.SocketAddress)[]
---@param family? string
function blockList:addAddresses(addresses, family) end

--- Both ends included. Raises `ERR_INVALID_ARG_VALUE`, too, if the end comes before the start.
---@param start string|net.SocketAddress
---@param last string|net.SocketAddress called "end" in messages
---@param family? string
function blockList:addRange(start, last, family) end

--- `network` may be any address in it.
---@param network string|net.SocketAddress
---@param prefix integer (bits) 0..32, or 0..128 for IPv6
---@param family? string
function blockList:addSubnet(network, prefix, family) end

--- A subnet as in `"10.0.0.0/8"` (RFC 4632); what has a `:` is IPv6. Raises
--- `ERR_INVALID_ARG_VALUE`, too, for what is no CIDR.
---@param cidr string
function blockList:addCIDR(cidr) end

--- If one of them is no CIDR, none is added; if only its address or prefix is wrong, those before
--- it are.
---@param cidrs string[]
function blockList:addCIDRs(cidrs) end

--- Removing takes back the newest rule that was added just so; where there is none, nothing
--- happens.
---@param address string|net.SocketAddress
---@param family? string
function blockList:removeAddress(address, family) end

--- As `blockList:removeAddress`, for a range.
---@param start string|net.SocketAddress
---@param last string|net.SocketAddress called "end" in messages
---@param family? string
function blockList:removeRange(start, last, family) end

--- As `blockList:removeAddress`, for a subnet: `10.0.0.0/8` is not `10.0.0.1/8`.
---@param network string|net.SocketAddress
---@param prefix integer (bits)
---@param family? string
function blockList:removeSubnet(network, prefix, family) end

--- As `blockList:removeSubnet`.
---@param cidr string
function blockList:removeCIDR(cidr) end

--- Whether a rule holds the address; false for what is no address.
---@param address string|net.SocketAddress
---@param family? string
---@return boolean
function blockList:check(address, family) end

--- Removes all rules.
function blockList:clear() end

--- The rules as texts, as in `blockList.rules`.
---@return string[]
function blockList:toJSON() end

--- Adds rules from such a list, or from one written as JSON. Texts that are no rule are passed
--- over. Raises `ERR_INVALID_ARG_TYPE`, and a `SyntaxError` for what is no JSON.
---@param data string[]|string
function blockList:fromJSON(data) end

--- ## Socket addresses
---
--- An IP address and a port, as a value that does not change. Two with the same contents are two
--- objects: compare their fields.

--- A new address.
---
--- Options: `net.SocketAddressOptions`.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_SOCKET_BAD_PORT`,
--- `ERR_OUT_OF_RANGE`, `ERR_INVALID_ADDRESS`.
---@class net.SocketAddressClass
---@overload fun(options?: net.SocketAddressOptions): net.SocketAddress
local SocketAddress = {}
net.SocketAddress = SocketAddress

---@class net.SocketAddressOptions
--- `::` if another family is given
---@field address? string (default 127.0.0.1)
--- or `"ipv6"`, in letters of either case
---@field family? string (default "ipv4")
---@field port? integer|string (0..65535; default 0)
--- of IPv6 alone; RFC 6437
---@field flowlabel? integer (0..0xFFFFF; default 0)

--- From `"1.2.3.4"`, `"1.2.3.4:80"`, `"[::1]"`, `"[::1]:443"`. Names are not looked up. Raises
--- `ERR_INVALID_ARG_TYPE`.
---
--- The text is read as a URL behind `http://`, so that much else passes: `"0x7f.1"` is 127.0.0.1,
--- and user, password and path are skipped.
---@param input string
---@return net.SocketAddress?
function SocketAddress.parse(input) end

--- Whether a value is a socket address.
---@param value any
---@return boolean
function SocketAddress.isSocketAddress(value) end

---@class net.SocketAddress
--- Normalised: `fe80::1` for `FE80:0::1`. Without a zone.
---@field address string (read-only)
---@field family "ipv4"|"ipv6" (read-only)
---@field port integer (read-only)
--- 0 for IPv4.
---@field flowlabel integer (read-only)
local socketAddress = {}

--- The fields as a plain table.
---@return {address: string, port: integer, family: string, flowlabel: integer}
function socketAddress:toJSON() end

--- ## Bound sockets
---
--- A port, or the path of a Unix socket, that is taken already, and that nobody listens on yet: for
--- a server that shall listen later, or a socket that shall connect from there. Adopted, it is the
--- server's or the socket's, which closes it with itself, and can do nothing any more.
---
--- ```lua
--- local bound = net.BoundSocket({ port = 80 })      -- while still root, say
--- net.createServer(handler):listen(bound)           -- listens at once
--- net.connect({ handle = net.BoundSocket({ host = "10.0.0.1" }), port = 80, host = "10.0.0.2" })
--- ```

--- Binds at once. A variable declared `<close>` closes it at the end of the block, unless it was
--- adopted; so does the collector.
---
--- Options: `net.BoundSocketOptions`.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_SOCKET_BAD_PORT`, and what bind(2)
--- says: `bind EADDRINUSE 127.0.0.1:80`, `EACCES`, `EADDRNOTAVAIL`. That somebody listens on the
--- port is found; that somebody else is bound to it, only when both listen.
---@class net.BoundSocketClass
---@overload fun(options?: net.BoundSocketOptions): net.BoundSocket
local BoundSocket = {}
net.BoundSocket = BoundSocket

---@class net.BoundSocketOptions
--- 0: any free one
---@field port? integer|string (0..65535; default 0)
--- an IP address, no name
---@field host? string (default "0.0.0.0", or "::" with ipv6Only)
--- an IPv6 address takes no IPv4 connections
---@field ipv6Only? boolean (default false)
--- `SO_REUSEPORT`: several may bind to the port
---@field reusePort? boolean (default false)
--- of a Unix socket, whose file is made; without any of the others
---@field path? string

---@class net.BoundSocket
--- Whether it has a path. Answers also after it was adopted.
---@field isPipe boolean (read-only)
local boundSocket = {}

--- Where it is bound: a table, or the path. Raises `ERR_SOCKET_HANDLE_ADOPTED` when it was adopted
--- or closed, as do the others.
---@return net.Address|string
function boundSocket:address() end

--- The descriptor, which stays its own.
---@return integer
function boundSocket:fd() end

--- Gives port or path back; the file of a Unix socket is removed, if it is still its own.
function boundSocket:close() end
--- ## Emitters
---
--- Servers, sockets, `net.process` and signals emit events; so can objects of your own. Listeners
--- are called in the order in which they were added, with the event's arguments alone: the object
--- itself is not passed. A listener that raises ends the emit, and its error comes out of
--- `net.run`.

---@class net.EventEmitter
--- A listener is about to be added.
---@field on fun(self: net.EventEmitter, event: "newListener", listener: fun(event: any, listener: function)): net.EventEmitter
--- A listener was removed.
---@field on fun(self: net.EventEmitter, event: "removeListener", listener: fun(event: any, listener: function)): net.EventEmitter
local emitter = {}

--- Adds a listener. Raises `ERR_INVALID_ARG_TYPE`.
---@param event any
---@param listener function
---@return self
function emitter:on(event, listener) end

--- The same as `emitter:on`.
emitter.addListener = emitter.on

--- The listener is removed before it is called.
---@param event any
---@param listener function
---@return self
function emitter:once(event, listener) end

--- Adds it before the others. Of `"data"` or `"readable"` it neither starts nor stops a socket's
--- flow, as `on` and `once` do.
---@param event any
---@param listener function
---@return self
function emitter:prependListener(event, listener) end

--- Adds it before the others; it is removed before it is called.
---@param event any
---@param listener function
---@return self
function emitter:prependOnceListener(event, listener) end

--- Removes a listener; of several equal ones, the newest.
---@param event any
---@param listener function
---@return self
function emitter:off(event, listener) end

--- The same as `emitter:off`.
emitter.removeListener = emitter.off

--- Removes the listeners of an event, or of all.
---@param event? any
---@return self
function emitter:removeAllListeners(event) end

--- Calls the listeners; returns whether there were any. `"error"` without a listener is raised: an
--- error value as it is, anything else inside an `ERR_UNHANDLED_ERROR`.
---@param event any
---@param ... any
---@return boolean
function emitter:emit(event, ...) end

--- The listeners of an event; a new list.
---@param event any
---@return function[]
function emitter:listeners(event) end

--- As `emitter:listeners`, but those added by `once` are callable tables with a field `listener`.
---@param event any
---@return (function|table)[]
function emitter:rawListeners(event) end

--- How many there are, or how often one of them is there.
---@param event any
---@param listener? function
---@return integer
function emitter:listenerCount(event, listener) end

--- The events that have listeners.
---@return any[]
function emitter:eventNames() end

--- From one listener more than that a `MaxListenersExceededWarning` is due, once for an event; 0:
--- never. Raises `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
---@param n number
---@return self
function emitter:setMaxListeners(n) end

--- 10, unless it was set.
---@return number
function emitter:getMaxListeners() end

---@class net.events
--- Also `net.events.EventEmitter.defaultMaxListeners`; 10, and may be set.
---@field defaultMaxListeners number
local events = {}
net.events = events

--- A new emitter, which may have any fields. The option `captureRejections` is taken, and means
--- nothing. What is in `net.events` is here, too: in Node the module is the class.
---@class net.EventEmitterClass
---@overload fun(options?: table): net.EventEmitter
--- Also `net.events.defaultMaxListeners`; 10, and may be set.
---@field defaultMaxListeners number
--- The methods that every emitter has.
---@field prototype table
local EventEmitter = {}
events.EventEmitter = EventEmitter

--- Makes a class of emitters: a table to put methods into, which is the metatable of its objects.
---
--- ```lua
--- local Door = net.events.EventEmitter.extend()
--- function Door:open() self:emit("open") end
--- local front = setmetatable({}, Door)
--- ```
---@param class? table
---@return table class
function EventEmitter.extend(class) end

--- Listeners of this event are called before those of `"error"`, and do not count as handling it.
---@type any
events.errorMonitor = nil

--- In a coroutine: waits for the event, and returns its arguments as a table with their number in
--- `n`; or nil and the error, if `"error"` came first or the signal was aborted. Raises outside of
--- a coroutine.
---@param source net.EventEmitter
---@param event any
---@param options? {signal: net.AbortSignal}
---@return table? args
---@return any err
function events.once(source, event, options) end

--- In a coroutine: `for args in net.events.on(server, "connection") do … end`. An `"error"`, and
--- the abort of the signal, is raised, after what came before.
---
--- Options: `net.EventsOnOptions`.
---@param source net.EventEmitter
---@param event any
---@param options? net.EventsOnOptions
---@return fun(): table? iterator
---@return nil
---@return nil
---@return table closing
function events.on(source, event, options) end

---@class net.EventsOnOptions
--- ends the loop
---@field signal? net.AbortSignal (default none)
--- events that end the loop
---@field close? any[] (default none)
--- beyond as many waiting events the emitter is paused
---@field highWaterMark? integer (events; default 2^53 - 1)
--- below as many it is resumed
---@field lowWaterMark? integer (events; default 1)

--- As the method of that name.
---@param source net.EventEmitter
---@param event any
---@return integer
function events.listenerCount(source, event) end

--- As the method `listeners`.
---@param source net.EventEmitter
---@param event any
---@return function[]
function events.getEventListeners(source, event) end

--- As the method of that name.
---@param source net.EventEmitter
---@return number
function events.getMaxListeners(source) end

--- Of each emitter, or the default if none is given.
---@param n? number (default 10)
---@param ... net.EventEmitter
function events.setMaxListeners(n, ...) end

--- ## net.timers
---
--- `require("net.timers")`, or `net.timers`.

---@class net.timers
local timers = {}
net.timers = timers

--- Calls `fn(...)` once, after `ms` milliseconds, at least 1; never early. Raises
--- `ERR_INVALID_ARG_TYPE`.
---@param fn function
---@param ms? number (default 1)
---@param ... any
---@return net.Timeout
function timers.setTimeout(fn, ms, ...) end

--- Calls `fn(...)` every `ms` milliseconds.
---@param fn function
---@param ms? number (default 1)
---@param ... any
---@return net.Timeout
function timers.setInterval(fn, ms, ...) end

--- Calls `fn(...)` in this turn of the loop, after I/O.
---@param fn function
---@param ... any
---@return net.Immediate
function timers.setImmediate(fn, ...) end

--- What is no timer is ignored, here and below.
---@param timeout any
function timers.clearTimeout(timeout) end

--- The same function as `timers.clearTimeout`.
---@param timeout any
function timers.clearInterval(timeout) end

--- An immediate that is cleared is not called.
---@param immediate any
function timers.clearImmediate(immediate) end

---@class net.Timeout
local timeout = {}

--- Has the timer hold the loop; the default.
---@return self
function timeout:ref() end

--- Has `net.run` return although the timer runs.
---@return self
function timeout:unref() end

--- Whether it holds the loop.
---@return boolean
function timeout:hasRef() end

--- Starts it anew.
---@return self
function timeout:refresh() end

--- As `timers.clearTimeout`. `local t <close> = timers.setTimeout(…)` clears it at the end of the
--- block.
---@return self
function timeout:close() end

---@class net.Immediate
local immediate = {}

--- Has the immediate hold the loop; the default.
---@return self
function immediate:ref() end

--- Has `net.run` return although the immediate is due.
---@return self
function immediate:unref() end

--- Whether it holds the loop.
---@return boolean
function immediate:hasRef() end

--- ## net.process
---
--- `require("net.process")`, or `net.process`: an [emitter](#emitters) with functions.

---@class net.process: net.EventEmitter
--- What `process.exit` and `luanet` exit with; 0 if nil.
---@field exitCode? integer
---@field pid integer (read-only)
--- The environment, in a new table at each read; what is changed there is for `net.child` alone.
---@field env table<string, string> (read-only)
--- What `net.child.fork` runs; `luanet` sets it to its own path.
---@field execPath string (default "luanet")
--- True: warnings are not printed. Set by the environment's `NET_NO_WARNINGS`.
---@field noWarnings boolean
--- Within so many milliseconds a service manager that watches this process has to be told, again
--- and again, by `process.notify({ watchdog = true })`: do it at half of them. Nil if nobody does;
--- from `WATCHDOG_USEC` and `WATCHDOG_PID`.
---@field watchdogInterval? integer (milliseconds; read-only)
---@field on fun(self: net.process, event: any, listener: function): net.process
--- A signal, of whatever name (signal(7)). While it has listeners the default does not happen;
--- after the last was removed it does again. Listeners do not hold the loop.
---@field on fun(self: net.process, event: "SIGINT", listener: fun(name: string, number: integer)): net.process
--- An error that nobody took; with a listener it does not come out of `net.run`.
---@field on fun(self: net.process, event: "uncaughtException", listener: fun(err: any, origin: string)): net.process
--- The same error before that; listening does not handle it.
---@field on fun(self: net.process, event: "uncaughtExceptionMonitor", listener: fun(err: any, origin: string)): net.process
--- See `process.emitWarning`.
---@field on fun(self: net.process, event: "warning", listener: fun(warning: net.Error)): net.process
--- Under `luanet`: nothing holds the loop any more.
---@field on fun(self: net.process, event: "beforeExit", listener: fun(code: integer)): net.process
--- From `process.exit`, and at the end of `luanet`.
---@field on fun(self: net.process, event: "exit", listener: fun(code: integer)): net.process
--- From the process that started this one, see `process.send`; with a server or socket that it
--- sent along, which accepts, or is read, from here on. Tick. Without a listener messages are kept,
--- up to `maxMessage` bytes, 64 handles, and as much memory as `maxMessage`, or a mebibyte, and told
--- when there is one.
---@field on fun(self: net.process, event: "message", listener: fun(message: any, handle?: any)): net.process
--- The channel to that process is closed: it has ended, or one of the two disconnected. Behind all
--- of its messages.
---@field on fun(self: net.process, event: "disconnect", listener: fun()): net.process
--- Messages may be sent: there is a channel, and neither end has disconnected.
---@field connected boolean (read-only)
--- Nil without a channel, and when it is closed.
---@field channel? net.Channel (read-only)
local process = {}
net.process = process

--- Calls `fn(...)` when the current callback is over, before anything else. Raises
--- `ERR_INVALID_ARG_TYPE`, and for more than 60,000 arguments.
---@param fn function
---@param ... any
function process.nextTick(fn, ...) end

--- Sends a signal, kill(2); 0 sends none, and only looks whether the process is there. Raises
--- `ERR_UNKNOWN_SIGNAL`, `ERR_INVALID_ARG_TYPE`, and `kill ESRCH` and the like.
---@param pid integer
---@param signal? string|integer (default "SIGTERM")
---@return true
function process.kill(pid, signal) end

--- Tells whoever started this process, a service manager as in sd_notify(3), how it is: one datagram
--- to the socket that `NOTIFY_SOCKET` names, which never waits. Returns true if anybody was told,
--- false if there is nobody to tell, nil and a system error with syscall `notify` if that failed
--- (`EAGAIN`: the manager is behind; `EINVAL`: the name is no absolute path, and does not begin
--- with `@`). A parent that uses this library hears of `ready` through its channel, too.
---
--- ```lua
--- process.notify({ ready = true, status = "serving" })
--- ```
---
--- Fields: `net.Notification`.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, and `ERR_INVALID_ARG_VALUE` for other fields
--- and a status of several lines.
---@param fields net.Notification
---@return boolean? told
---@return net.Error? err
function process.notify(fields) end

---@class net.Notification
--- it serves, or has loaded its configuration anew
---@field ready? boolean
--- it loads its configuration; "ready" is to follow
---@field reloading? boolean
---@field stopping? boolean
--- what people see who ask, one line
---@field status? string
--- it is alive: see `process.watchdogInterval`
---@field watchdog? boolean
--- the process to look after from now on
---@field mainpid? integer

--- Emits `"exit"`, flushes what was written to sockets as far as the kernel takes it, and ends the
--- process. Nothing else is closed.
---@param code? integer
function process.exit(code) end

--- For launchers, after `net.run` has returned: emits `"beforeExit"` as long as that finds new
--- work, then `"exit"`; returns the exit code. With a code, as after an uncaught error, there is
--- no `"beforeExit"`.
---@param code? integer
---@return integer
function process.finish(code) end

--- Waits for the next message from the parent, in a [task](#netco); see `kid:receive`.
---@return any message
---@return any handle or, with nil, the error
function process.receive() end

--- For a `for` loop in a [task](#netco): each message, and its handle, until the channel ends.
---@return fun(): any, any
function process.messages() end

--- On a tick: a line on stderr, and `"warning"`. Raises `ERR_INVALID_ARG_TYPE`.
---@param warning string|net.Error
---@param type? string
---@param code? string
---@overload fun(warning: string, options: {type: string, code: string, detail: string})
function process.emitWarning(warning, type, code) end

--- Sends a message to the process that has started this one with a channel: `net.child.fork`, or
--- Node's `fork` with `{execPath: "luanet", execArgv: []}`. Nil without a channel; after its end the
--- function is still there. A process with a channel lives as long as somebody listens to
--- `"message"` or `"disconnect"`, or something is still to be sent.
---
--- A message is a string, a number, a boolean, a table, or `net.child.null`, and arrives as what
--- JSON makes of it. It has left when the kernel has it: then the callback is called, on a tick.
--- Several messages of a turn leave together at its end, but one with a callback, a handle or 16 KiB
--- leaves at once.
---
--- Returns false when 131072 bytes wait, or messages wait behind a handle that has not arrived; the
--- message is kept all the same, but for `write ENOBUFS`, and nothing tells when there is room again
--- but the callbacks.
---
--- A `handle` goes along, and is the second argument of `"message"` there:
---
--- - A server listens in both processes, and each connection goes to the one that is faster; each
---   closes for itself. The file of a Unix socket is removed by neither, but by the program.
--- - A socket is given away, at the call: it reads no more, has no timeout, counts no more for its
---   server, and is as one without a connection, `pending`. It emits nothing any more, unless it is
---   used; `connect` may be called again. What it had written leaves first, and the message waits for
---   that. With `keepOpen` it stays, and both processes may read and write. What it had read and
---   nobody has consumed goes along to a process of this library, unless `setEncoding` has made of it
---   what is not UTF-8; to Node nothing can, and a warning tells: let the server have
---   `pauseOnConnect`.
--- - A `BoundSocket` without a path is adopted. Node 20 does not know those, and ends.
--- - What has no descriptor (a server that does not listen, a socket without a connection) goes as
---   a message alone.
--- - A list of up to 64 of these and of open files of Lua's, to a process of this library alone. It
---   arrives as a list, with false for what has no descriptor. A file is flushed, stays open, and
---   shares its offset.
---
--- Options, listeners and limits do not go along; those of the kernel do. Here, `getConnections` and
--- `close` of the server that accepted a socket ask the other process for it.
---
--- With `binary` its strings may be any bytes, towards a process of this library: those that are
--- no UTF-8 go as base64, a third longer. Names of a table have to be UTF-8 all the same. A child
--- that `fork` has started without `execPath` counts as one of this library, and the message waits, as
--- does all that is sent behind it, until it has told, or has read what it was sent without a word and
--- so is another program; any other does not count until it has told.
---
--- One handle is on its way at a time: until the other process has answered, all that is sent behind
--- it waits. If it cannot take the descriptor, that is sent three times more, and then given up with
--- a `SentHandleNotReceivedWarning`.
---
--- By callback or else `"error"`: `ERR_IPC_CHANNEL_CLOSED`; `write EPIPE` and the like; `write
--- ENOBUFS`, as 64 MiB wait behind a handle that the other process does not acknowledge, or `dup
--- EMFILE`, and the handle is as it was; `write ETOOMANYREFS`, as too many descriptors of the user's
--- are on their way, and then a socket, unless `keepOpen`, or a bound socket is closed;
--- `ERR_INVALID_HANDLE_TYPE` for a list or a `binary` message to a child that turns out to be another
--- program. Raises `ERR_MISSING_ARGS`, `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_HANDLE_TYPE`,
--- `ERR_WORKER_HANDLE_NOT_TRANSFERABLE` for a `BoundSocket` that is adopted or closed,
--- `ERR_INVALID_ARG_VALUE` for what has no JSON, with its path, for a `cmd` that begins with
--- `NODE_`, which is for internal messages, and for `options.binary` where the other process is
--- not of this library.
---@param message any
---@param handle? net.Server|net.Socket|net.BoundSocket|(net.Server|net.Socket|net.BoundSocket|file*)[]
---@param options? {keepOpen: boolean, binary: boolean}
---@param callback? fun(err?: net.Error)
---@return boolean
---@overload fun(message: any, callback: fun(err?: net.Error)): boolean
---@overload fun(message: any, handle: any, callback: fun(err?: net.Error)): boolean
function process.send(message, handle, options, callback) end

--- Closes the channel to that process, once what was sent has left; `"disconnect"` follows. From the
--- call on nothing more can be sent. Emits `"error"` `ERR_IPC_DISCONNECTED` if it was called
--- before, or there is none any more.
function process.disconnect() end

--- The channel to another process, as `process.channel` or a child's `channel`.
---@class net.Channel
--- Bytes of a line that the other end may send; 1 to 2^53. A longer one is an `"error"`
--- `ERR_IPC_MESSAGE_TOO_LONG`, and ends the channel.
---@field maxMessage integer (default 67108864)
local processChannel = {}

--- Has the channel hold the loop from here on, whoever listens.
function processChannel:ref() end

--- From here on the channel does not hold the loop, whoever listens.
function processChannel:unref() end

--- ## net.child
---
--- `require("net.child")`, or `net.child`: other processes, as Node's `child_process`.
---
--- ```lua
--- local kid = net.child.spawn("cat")
--- kid.stdout:on("data", print)
--- kid.stdin:finish("hello")
--- kid:on("close", function(code, signal) print(code, signal) end)
--- ```

---@class net.child
--- JSON's null: what stands for it in an array that came in a message, which so keeps its places,
--- and a message that is null. A value of its own, and true in a condition; `tostring` gives
--- `"null"`. In an object that came, null is nothing
---@field null userdata
local child = {}
net.child = child

--- Starts a program, execve(2); `options` may stand in the place of `args`. A file without a "/" is
--- looked for in the `PATH` of the environment that the child gets, or, if that has none, in the
--- system's default one.
---
--- A file or directory that is not there, or may not be used, and want of descriptors or processes
--- (`ENOENT`, `EACCES`, `EMFILE`, `ENFILE`, `EAGAIN`) come as `"error"` on a tick, `spawn FILE ENOENT`,
--- and then `"close"`; other refusals raise `spawn EPERM` and the like. Raises
--- `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`, `ERR_UNKNOWN_SIGNAL`,
--- `ERR_INVALID_SYNC_FORK_INPUT`, `ERR_IPC_ONE_PIPE`.
---
--- The child gets the descriptors of `stdio` and no other, no signal is blocked, and all have their
--- default dispositions.
---
--- Options: `net.SpawnOptions`.
---@param file string
---@param args? string[] (default none)
---@param options? net.SpawnOptions
---@return net.ChildProcess
---@overload fun(file: string, options?: net.SpawnOptions): net.ChildProcess
function child.spawn(file, args, options) end

--- Starts `luanet script args…` with a channel for messages; `options` may stand in the place of
--- `args`. What is inherited, by default, is standard input, output and error. Besides what `spawn`
--- raises, `ERR_CHILD_PROCESS_IPC_REQUIRED` for a list as `stdio` without `"ipc"`.
---
--- Besides the options of `spawn`, but `shell`:
---
--- Options: `net.ForkOptions`.
---@param script string
---@param args? string[] (default none)
---@param options? net.ForkOptions
---@return net.ChildProcess
---@overload fun(script: string, options?: net.ForkOptions): net.ChildProcess
function child.fork(script, args, options) end

--- Starts a script that is to serve in the place of this program, with its servers: a restart, or an
--- update, in which nobody is refused. Besides the options of `fork`, of which `stdio` is about the
--- first three places:
---
--- Options: `net.ReplaceOptions`.
---
--- The new program has the servers' sockets as by socket activation, see `net.activated`, under
--- their names, and says `process.notify({ ready = true })` when it serves. Until then both accept.
--- Then the channel is closed and `kid` unref'd, the servers drain, as `server:drain` does, and
--- leave their files, and at the last `"close"` the callback is called with `kid` and how many
--- connections were cut off. One that the program has closed meanwhile is waited for alike, and
--- its connections get no more time than others'. The program ends when nothing else holds it.
--- Called again before that, it starts one more, and both serve in the end. Under systemd the unit
--- needs `NotifyAccess=all`, and the new program tells `mainpid = process.pid`; its watchdog watches
--- the new program then, to which `WATCHDOG_PID` is not handed on.
---
--- A new program that is not ready after `ready` milliseconds, fails to start, ends, or closes its
--- channel before is ended, by SIGTERM, and by SIGKILL five seconds later; this one goes on as it
--- was, and the callback gets `ERR_REPLACE_FAILED`, with the error behind it as `cause`.
---
--- ```lua
--- process:once("SIGHUP", function()
---   child.replace("app.lua", { servers = { web = server } }, function(err)
---     if err then print(err, err.cause) end
---   end)
--- end)
--- ```
---
--- Raises as `fork`, and `ERR_INVALID_ARG_VALUE` for `servers` of which one does not listen with a
--- descriptor of its own, for a name with `:`, and for a `shell`.
---@param script string
---@param args? string[]
---@param options net.ReplaceOptions
---@param callback? fun(err?: net.Error, kid?: net.ChildProcess, cut?: integer)
---@return net.ChildProcess
---@overload fun(script: string, options: net.ReplaceOptions, callback?: fun(err?: net.Error, kid?: net.ChildProcess, cut?: integer)): net.ChildProcess
function child.replace(script, args, options, callback) end

---@class net.ReplaceOptions: net.ForkOptions
--- what the new program is to have, by the names under which it asks for them
---@field servers table<string, net.Server>
--- how long it may take until it is ready
---@field ready? number (milliseconds; default 10000)
--- how long connections here may go on then
---@field drain? number (milliseconds; default 30000)

--- Whether a value is a child process.
---@param v any
---@return boolean
function child.isChildProcess(v) end

--- Gives the list back, marked by a metatable that all arrays share: it is sent as `[]`, not as
--- `{}`, when it is empty. Arrays that came in a message are marked. Raises `ERR_INVALID_ARG_TYPE`,
--- and `ERR_INVALID_ARG_VALUE` for a table that has another metatable.
---@param list table
---@return table
function child.array(list) end

---@class net.SpawnOptions
--- the child's directory
---@field cwd? string (default our own)
--- the child's environment, instead of our own: to add to that, take `process.env`. Numbers and
--- booleans are taken as text
---@field env? table<string, string|number|boolean> (default our own)
--- what the program is told to be called
---@field argv0? string (default `file`)
--- `"pipe"`, `"inherit"`, `"ignore"`, or a list of entries: `[1]` is descriptor 0, lists are filled
--- up to three with `"pipe"`, and nil or false beyond is `"ignore"`. An entry is `"pipe"`, a socket
--- pair whose other end is `kid.stdio[i]`; `"ignore"`, which is /dev/null for the first three and
--- nothing beyond; `"inherit"`, our descriptor of that number; `"ipc"`, a channel, once; the number
--- of a descriptor; or a `Socket`, a server, a Lua file, or a value with `fd`. A `Socket` among the
--- first three is destroyed when the child is started, others are paused
---@field stdio? string|table (default "pipe")
--- a session of its own, setsid(2): the child outlives the terminal's end
---@field detached? boolean (default false)
---@field uid? integer (default our own)
---@field gid? integer (default our own)
--- true: `/bin/sh -c`, with file and arguments joined by blanks, none of them quoted; a string: that
--- shell
---@field shell? boolean|string (default false)
--- `killSignal` is sent after so long; 0: never
---@field timeout? integer (ms; default 0)
--- name, in any case, or number
---@field killSignal? string|integer (default "SIGTERM")
--- aborting it sends `killSignal`, and emits `"error"` with an `AbortError`
---@field signal? net.AbortSignal (default none)
--- the form of messages; there is no other
---@field serialization? "json" (default "json")
--- the longest line that is taken from the channel
---@field maxMessage? integer (bytes, 1..2^53; default 67108864)

---@class net.ForkOptions: net.SpawnOptions
--- the program that runs the script: one file name
---@field execPath? string (default `process.execPath`)
--- arguments before the script
---@field execArgv? string[] (default none)
--- true: `"pipe"` instead of `"inherit"`
---@field silent? boolean (default false)

--- A process that was started by `net.child`. Until it has ended it holds the loop, unless it is
--- unref'd.
---
--- `"exit"` tells that it has ended; `"close"`, later or at once, that its pipes (but standard input)
--- and its channel are closed too. Pipes that nobody has read are emptied after `"exit"`, so that it
--- comes. One that could not be started has `"error"` and `"close"` only. As in Node neither its
--- end nor ours ends the other, nor does losing the object.
---@class net.ChildProcess: net.EventEmitter
--- Nil if it could not be started.
---@field pid? integer (read-only)
--- Nil until it has ended, or if a signal ended it; a negative error number if it could not be
--- started.
---@field exitCode? integer (read-only)
--- The name of the signal that ended it.
---@field signalCode? string (read-only)
--- Whether `kill` has sent a signal; 0 is none.
---@field killed boolean
---@field spawnfile string
--- The arguments, from `argv0` on.
---@field spawnargs string[]
--- Nil where `stdio` says something else than `"pipe"`. Destroyed when the child ends.
---@field stdin? net.Socket
---@field stdout? net.Socket
---@field stderr? net.Socket
--- The pipes at the places of the option `stdio`: `kid.stdio[1]` is `kid.stdin`.
---@field stdio table<integer, net.Socket>
--- Messages may be sent: there is a channel, and neither end has disconnected.
---@field connected boolean (read-only)
--- Nil without a channel, and when it is closed. It holds the loop for itself, until `unref`.
---@field channel? net.Channel (read-only)
---@field on fun(self: net.ChildProcess, event: any, listener: function): net.ChildProcess
--- From the child, as `process`'s.
---@field on fun(self: net.ChildProcess, event: "message", listener: fun(message: any, handle?: any)): net.ChildProcess
--- The channel is closed: the child has ended, or one of the two disconnected. Behind all messages.
---@field on fun(self: net.ChildProcess, event: "disconnect", listener: fun()): net.ChildProcess
--- A child of this library has called `process.notify({ ready = true })`.
---@field on fun(self: net.ChildProcess, event: "ready", listener: fun()): net.ChildProcess
--- It was started. Tick.
---@field on fun(self: net.ChildProcess, event: "spawn", listener: fun()): net.ChildProcess
--- It has ended, by itself or by a signal.
---@field on fun(self: net.ChildProcess, event: "exit", listener: fun(code?: integer, signal?: string)): net.ChildProcess
--- And all that was open to it is closed.
---@field on fun(self: net.ChildProcess, event: "close", listener: fun(code?: integer, signal?: string)): net.ChildProcess
--- It could not be started or sent a signal, the option `signal` was aborted, or a message could not
--- be sent or read: a `SyntaxError` for a line that is no JSON, and `ERR_IPC_MESSAGE_TOO_LONG`.
---@field on fun(self: net.ChildProcess, event: "error", listener: fun(err: net.Error)): net.ChildProcess
local kid = {}

--- Sends a signal, by its name, in any case, or its number; 0 sends none, and only looks whether
--- the process is there. Returns whether there was one to send it to; after `"exit"` there is none,
--- whoever has its pid by then. Not being allowed to is an `"error"`. Raises `ERR_UNKNOWN_SIGNAL`.
---@param signal? string|integer (default "SIGTERM")
---@return boolean
function kid:kill(signal) end

--- Waits for the next message from the child, in a [task](#netco). When the channel has ended: nil
--- and `ERR_IPC_CHANNEL_CLOSED`. Raises `ERR_SOCKET_BUSY` while another task waits for one, or a
--- listener for `"message"` is there.
---@return any message
---@return any handle or, with nil, the error
function kid:receive() end

--- For a `for` loop in a [task](#netco): each message, and its handle, until the channel ends.
---@return fun(): any, any
function kid:messages() end

--- Sends a message to the child, as `process.send` does to the parent.
---@param message any
---@param handle? net.Server|net.Socket|net.BoundSocket|(net.Server|net.Socket|net.BoundSocket|file*)[]
---@param options? {keepOpen: boolean, binary: boolean}
---@param callback? fun(err?: net.Error)
---@return boolean
---@overload fun(message: any, callback: fun(err?: net.Error)): boolean
---@overload fun(message: any, handle: any, callback: fun(err?: net.Error)): boolean
function kid:send(message, handle, options, callback) end

--- Closes the channel to the child, as `process.disconnect` does that to the parent.
function kid:disconnect() end

--- Has the child hold the loop, as it does by default.
function kid:ref() end

--- Lets `net.run` return although the child has not ended. Its pipes, while they are read, and its
--- channel hold the loop for themselves.
function kid:unref() end

--- ## net.cluster
---
--- `require("net.cluster")`, or `net.cluster`: an [emitter](#emitters) with functions. The cores of
--- one machine for one server: a primary, which forks, and workers, which serve.
---
--- ```lua
--- local cluster, net = require("net.cluster"), require("net")
--- if cluster.isPrimary then
---   for _ = 1, 4 do cluster.fork() end
--- else
---   net.createServer(function(socket)
---     socket:on("error", function() end)
---     socket:pipe(socket)
---   end):listen(8000)
--- end
--- ```
---
--- The same script runs in the primary and, under `luanet`, in each worker. What a worker listens
--- on, a port, a path or `{fd = n}`, is opened by the primary, once for all workers; for port 0 the
--- n-th such `listen` of each worker is one port. `{exclusive = true}`, `{reusePort = true}` and
--- handles are the worker's own affair: the primary does not hear of them. A descriptor is the
--- primary's. What the primary cannot open is told as `"error"`, with `bind` in the place of
--- `listen`.
---
--- A worker whose channel to the primary ends, although nobody has told it to go, exits at once with
--- 0. One that was told to go lives as long as something holds it; **its exclusive servers are not
--- closed, and keep it alive**, also when the primary has ended. [The guide](guide/processes.md)
--- has more.
---
--- Any Node may be the primary of Lua workers, or have its workers forked by a Lua primary: the
--- messages are Node's.

---@class net.cluster: net.EventEmitter
---@field isPrimary boolean (read-only)
---@field isWorker boolean (read-only)
--- In a worker: itself.
---@field worker? net.Worker (read-only)
--- In the primary: the workers by their ids. One that was told to leave is no longer here.
---@field workers? table<integer, net.Worker> (read-only)
--- In the primary, from the first `setupPrimary` or `fork` on.
---@field settings? net.ClusterSettings (read-only)
--- In the primary: how connections are shared out, `SCHED_NONE`, `SCHED_RR` or `SCHED_LEAST`; by
--- default what the environment's `NODE_CLUSTER_SCHED_POLICY` says (`none`, `rr`, `least`), else
--- `SCHED_RR`. Counts no more after the first `setupPrimary` or `fork`.
---@field schedulingPolicy? integer
--- 1: the workers accept by themselves; which of them does is the kernel's choice.
---@field SCHED_NONE? integer (read-only)
--- 2: the primary accepts; the worker that has been free for the longest is next.
---@field SCHED_RR? integer (read-only)
--- 3: the primary accepts; the free worker with the fewest open connections is next. With a worker
--- that is not this library's it is as `SCHED_RR`.
---@field SCHED_LEAST? integer (read-only)
--- In the primary, on a tick; also at every `fork`.
---@field on fun(self: net.cluster, event: "setup", listener: fun(settings: net.ClusterSettings)): net.cluster
--- A worker was forked; on a tick.
---@field on fun(self: net.cluster, event: "fork", listener: fun(worker: net.Worker)): net.cluster
--- A worker runs.
---@field on fun(self: net.cluster, event: "online", listener: fun(worker: net.Worker)): net.cluster
--- A worker listens. `address` is the one it asked for: nil for all addresses; `addressType` is 4, 6
--- or -1.
---@field on fun(self: net.cluster, event: "listening", listener: fun(worker: net.Worker, address: {address: string?, port: integer?, addressType: integer?, fd: integer?})): net.cluster
--- A worker has sent a message; before the worker's own listeners.
---@field on fun(self: net.cluster, event: "message", listener: fun(worker: net.Worker, message: any, handle: any)): net.cluster
--- A worker's channel has ended.
---@field on fun(self: net.cluster, event: "disconnect", listener: fun(worker: net.Worker)): net.cluster
--- A worker has exited, with a code or by a signal.
---@field on fun(self: net.cluster, event: "exit", listener: fun(worker: net.Worker, code: integer?, signal: string?)): net.cluster
--- A worker was forked in the place of one that died: `respawn` of `setupPrimary`.
---@field on fun(self: net.cluster, event: "respawn", listener: fun(new: net.Worker, old: net.Worker)): net.cluster
--- More workers died than `respawn.max`: none is forked any more by itself, until `setupPrimary` is
--- given `respawn` again.
---@field on fun(self: net.cluster, event: "giveup", listener: fun(old: net.Worker)): net.cluster
--- A `reload` without a callback has failed.
---@field on fun(self: net.cluster, event: "error", listener: fun(err: net.Error)): net.cluster
local cluster = {}
net.cluster = cluster

---@class net.ClusterSettings
--- The workers' script.
---@field exec? string (default the program's own)
---@field args? string[] (default the program's own)
--- As of [`child.fork`](#childfork), like the next ones.
---@field execPath? string
---@field execArgv? string[]
---@field cwd? string
---@field silent? boolean
---@field stdio? string|table
---@field uid? integer
---@field gid? integer
---@field serialization? string
---@field maxMessage? integer
--- Workers that exit without having been told to are forked again, with the same environment.
--- Meanwhile what connects waits.
---@field respawn? boolean|net.RespawnOptions (default false)

---@class net.RespawnOptions
--- So many deaths, of all workers together, within that time; one more, and it is given up.
---@field max? integer (default 5)
---@field within? number (ms, default 60000)
--- Before the first worker is forked again; twice as long for each further death, but not longer
--- than `within`, unless this is.
---@field delay? number (ms, default 100)

--- In the primary: sets how workers are forked from now on, over what was set before. Raises
--- `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`.
---@param settings? net.ClusterSettings
function cluster.setupPrimary(settings) end

--- In the primary: forks a worker; `env` is added to the own environment. Raises what `child.fork`
--- does, and `ERR_INVALID_ARG_VALUE` where there is no script to run.
---@param env? table<string, string|number|boolean>
---@return net.Worker
function cluster.fork(env) end

--- In the primary: `worker:disconnect` for each worker, and an end of `respawn`. Calls back when all
--- have left. Raises as `worker:disconnect`.
---@param options? {drain: number}
---@param callback? fun()
---@overload fun(callback: fun())
function cluster.disconnect(options, callback) end

--- In the primary: replaces the workers there are, one after the other, by new ones with today's
--- settings and the same environments. The next old one is told to leave when a new one listens on
--- as much as it does (is online, where that is nothing). Nothing is refused meanwhile, but what
--- workers listen on by themselves. Those that `respawn` is to fork, since others died, are forked in
--- their turn, without the rest of the delay, and count as new ones too: they have to listen on as
--- much as who died did.
---
--- Calls back when all old workers have exited. A new one that dies, or is not ready within `ready`
--- ms (default 10000), ends the reload: it is ended, the others stay, and the callback, or `"error"`,
--- gets an `ERR_CLUSTER_RELOAD` with `cause` and `worker`. Raises that while a reload is under way,
--- and `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
---@param options? {ready: number, drain: number} `drain` is 30000 ms by default, as in `worker:disconnect`
---@param callback? fun(err?: net.Error)
---@overload fun(callback: fun(err?: net.Error))
function cluster.reload(options, callback) end

---@class net.Worker: net.EventEmitter
--- 1, 2, …; never given twice.
---@field id integer (read-only)
--- In the primary the `ChildProcess`, in the worker `net.process`.
---@field process net.ChildProcess|net.process (read-only)
--- "none", "online", "listening", "disconnected", "dead"; in the worker itself "online",
--- "disconnecting" or "destroying".
---@field state string (read-only)
--- Whether it has left because it was told to; nil until it has, in the primary.
---@field exitedAfterDisconnect? boolean (read-only)
--- In the primary: it runs.
---@field on fun(self: net.Worker, event: "online", listener: fun()): net.Worker
--- In the primary: it listens.
---@field on fun(self: net.Worker, event: "listening", listener: fun(address: {address: string?, port: integer?, addressType: integer?, fd: integer?})): net.Worker
--- The other side has sent a message.
---@field on fun(self: net.Worker, event: "message", listener: fun(message: any, handle: any)): net.Worker
--- The channel has ended.
---@field on fun(self: net.Worker, event: "disconnect", listener: fun()): net.Worker
--- In the primary: it has exited.
---@field on fun(self: net.Worker, event: "exit", listener: fun(code: integer?, signal: string?)): net.Worker
--- What the process tells as `"error"`.
---@field on fun(self: net.Worker, event: "error", listener: fun(err: net.Error)): net.Worker
local worker = {}

--- `kid:send` in the primary, `process.send` in the worker.
---@param message any
---@param handle? any
---@param options? table
---@param callback? fun(err?: net.Error)
---@return boolean
function worker:send(message, handle, options, callback) end

--- Whether its channel is open.
---@return boolean
function worker:isConnected() end

--- Whether its process has ended. In the worker itself: false.
---@return boolean
function worker:isDead() end

--- Has the worker close its servers, wait for their connections, and leave. With `drain` (ms) its
--- servers drain instead of waiting for ever: [`server:drain`](#serverdrain); one that is still there
--- 5 s after that is sent `SIGTERM`, and 5 s later `SIGKILL`. Raises `ERR_INVALID_ARG_TYPE`,
--- `ERR_OUT_OF_RANGE`.
---@param options? {drain: number}
---@return self
function worker:disconnect(options) end

--- In the primary: sends a signal, `"SIGTERM"` by default. In the worker: leaves the primary, and
--- exits with 0 without waiting for connections.
---@param signal? string|integer
function worker:kill(signal) end

--- The same as `worker:kill`.
worker.destroy = worker.kill
--- ## net.co
---
--- `require("net.co")`, or `net.co`: tasks, in which the same sockets are used without callbacks. A
--- call that has to wait lets the loop run, and comes back with what it waited for. `local co =
--- require("net.co")` is taken as read below.
---
---     net.createServer():listen(8124):serve(function(socket)
---       for chunk in socket:chunks() do socket:send(chunk) end
---     end)
---     net.run()
---
--- - **What goes wrong in the world comes back as `nil, err`**; misuse is raised; iterators raise,
---   as `io.lines` does.
--- - **Where a call may wait**: in a task, also below `pcall`, metamethods, iterators and
---   to-be-closed variables; anywhere else it raises `ERR_CANNOT_WAIT`, whether it would have had to
---   wait or not: outside of tasks, below C that cannot yield (a listener, `table.sort`,
---   `string.gsub`), and in a coroutine of your own (make it with `co.generator`).
--- - **When a task runs**: never amid your call. `spawn`, `cancel` and whatever wakes a task queue
---   it; it runs when the callback that is under way, and its ticks, are over.
--- - **What interrupts a wait**, a cancel, a timeout or a signal, raises its error there, and in each
---   further wait of the scope that it is about, so that to-be-closed variables and `pcall` clean up
---   as for any error. A task that goes on catching it is closed in the end.
--- - **An error that nobody gets is uncaught at once**, with the task's own traceback.

---@class net.co
--- The end of a stream, as an error with `code` `"EOF"`: one value, to be compared with.
---@field EOF net.Error (read-only)
local co = {}
net.co = co

--- Spawns a task, runs the loop until nothing holds it, and returns the values of `fn`, or raises
--- its error at once. Where the loop was stopped before, `nil, err` (`ERR_LOOP_STOPPED`), and the
--- task lives on. Raises `ERR_DEADLOCK` when nothing can wake the task any more, and, as `net.run`
--- does, inside of the loop.
---@param fn fun(...: any): ...: any
---@param ... any arguments of `fn`
---@return any ...
function co.run(fn, ...) end

--- Starts a task that runs `fn(...)`. It is queued, and the caller goes on. May be called anywhere.
--- Raises `ERR_INVALID_ARG_TYPE`.
---@param fn fun(...: any): ...: any
---@param ... any arguments of `fn`
---@return net.Task
function co.spawn(fn, ...) end

--- The task that runs; nil outside of tasks.
---@return net.Task?
function co.current() end

--- The tasks that have not ended, by age.
---@return net.Task[]
function co.tasks() end

--- All of them with what they wait for, and their tracebacks.
---@return string
function co.traceback() end

--- Waits.
---@param ms number (ms; as in setTimeout)
---@return true
function co.sleep(ms) end

--- Lets others run, and what there is to read in this turn of the loop. Raises for a value: a
--- generator gives one by `coroutine.yield`.
---@return true
function co.yield() end

--- For a `for` loop that runs at a fixed rate: gives the number of the period, the first after
--- `ms`. Periods that a slow body has missed are skipped.
---@param ms number (ms)
---@return fun(): integer
function co.every(ms) end

--- Calls `fn(...)`, whose waits have so much time together. In time it returns what `fn` does. Once
--- it has interrupted, always `nil, err` (a `TimeoutError`, `ERR_TIMEOUT`), with what `fn` returned
--- after that behind; another error of `fn` is raised. What has arrived while the process was busy
--- is in time. Raises `ERR_OUT_OF_RANGE` for a negative number or NaN.
---@param ms number (ms; `math.huge`: no limit)
---@param fn fun(...: any): ...: any
---@param ... any arguments of `fn`
---@return any ...
function co.timeout(ms, fn, ...) end

--- Calls `fn(...)`, which no cancel and no timeout from outside reaches; those inside of it count.
--- For clean-up that has to wait.
---@param fn fun(...: any): ...: any
---@param ... any arguments of `fn`
---@return any ...
function co.shield(fn, ...) end

--- As `co.timeout`, for a signal: `nil, err` is an `AbortError` with the signal's reason as `cause`.
---@param signal net.AbortSignal
---@param fn fun(...: any): ...: any
---@param ... any arguments of `fn`
---@return any ...
function co.withSignal(signal, fn, ...) end

--- A signal for functions with callbacks: aborted when a wait here would be interrupted.
---@return net.AbortSignal
function co.signal() end

--- Lua's `pcall`, but what interrupts a wait passes through it.
---@param fn function
---@param ... any arguments of `fn`
---@return boolean ok
---@return any ...
function co.pcall(fn, ...) end

--- Would a wait here be interrupted?
---@return boolean
function co.cancelled() end

--- Calls `fn(group)`, and returns its values when it and all tasks of the group have ended. The
--- first error of `fn`, or of a task that nobody awaits, cancels the others, and is raised as it is
--- when they have ended; further ones are process warnings. So is a cancel of who waits here.
---
---     group(fn)
---     group({ limit = n }, fn)
---
--- With a limit, `group:spawn` waits until less than so many run.
---@param options? net.GroupOptions
---@param fn fun(group: net.Group): ...: any
---@return any ...
---@overload fun(fn: fun(group: net.Group): ...: any): ...: any
function co.group(options, fn) end

---@class net.GroupOptions
--- tasks that run at once
---@field limit? integer (count, >= 1; default no limit)

--- Runs functions, or awaits tasks, side by side: those at 1 to #t first, in that order, then the
--- rest. Returns a table of each first value by the same keys. To fail is to raise, or to return nil
--- and an error: the first failure cancels the rest, and is raised, or returned. Tasks in `t` are
--- never cancelled. What a child has returned and nobody gets is closed, if it has `__close`.
---@param t table<any, function|net.Task>
---@return table? values
---@return any err
function co.all(t) end

--- As `co.all`, until one does not fail: returns its key and its values. When all fail, `nil, err`,
--- an `AggregateError` whose `errors` has them by key. Raises `ERR_INVALID_ARG_VALUE` for an empty
--- table.
---@param t table<any, function|net.Task>
---@return any key
---@return any ...
function co.any(t) end

--- As `co.any`, until one ends in whatever way: an error is raised. A `receive` or `get` that loses
--- has taken nothing.
---@param t table<any, function|net.Task>
---@return any key
---@return any ...
function co.race(t) end

--- A queue of values between tasks, first in first out, also among those who wait. Raises
--- `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_TYPE`.
---@param capacity? integer (count, >= 1; default no limit)
---@return net.Queue
function co.queue(capacity) end

--- So many may hold it at once; with 1, the default, it is a mutex.
---@param n? integer (count, >= 1; default 1)
---@return net.Semaphore
function co.semaphore(n) end

--- Waits for the first of some events, and returns its name and arguments; `nil, err` if `"error"`
--- comes first and was not named. It listens only while it waits. Of a task: `task:await()`.
---@param source net.EventEmitter|net.Task
---@param ... any events
---@return any ...
function co.await(source, ...) end

--- Calls `start(resume)`, and waits until somebody calls `resume(...)`, whose arguments it returns;
--- `resume` tells whether it was the first. A function that `start` returns is called if the wait is
--- interrupted, with the values that had come, if any. Neither can wait itself.
---@param start fun(resume: fun(...: any): boolean): function?
---@return any ...
function co.suspend(start) end

--- Makes a function that waits of one whose last argument is a callback, called with an error or nil
--- first: `nil, err`, or the other values, true if there are none.
---@param fn function
---@return function
function co.wrap(fn) end

--- For a `for` loop: as `coroutine.wrap(fn)`, with a body that may wait; left early, it is closed.
---@param fn function which yields by `coroutine.yield`
---@param ... any arguments of `fn`
---@return function iterator
---@return nil
---@return nil
---@return any closing
function co.generator(fn, ...) end

--- As `net.dns.lookup`.
---@param hostname string
---@param options? net.LookupOptions
---@return string|table|nil address with the option `all` a list
---@return integer|net.Error family
function co.lookup(hostname, options) end

--- Connects, with the arguments of `net.connect`, and waits until the connection stands. A socket
--- that fails, or whose wait is interrupted, is destroyed.
---@param ... any
---@return net.Socket? socket
---@return net.Error? err
function co.connect(...) end

--- A server that listens: the arguments of `server:listen`, in a table those of `createServer` too.
--- It accepts nobody before `incoming`, `serve` or a listener for `"connection"` asks for it.
---@param ... any
---@return net.Server? server
---@return net.Error? err
function co.listen(...) end

--- Waits for `"close"`, at once if it was. True, or nil and the error of a socket that has failed.
---@param it net.Socket|net.Server
---@return true? ok
---@return net.Error? err
function co.finished(it) end

--- Has all of `a`, and its end, sent to `b`, as `a:pipe(b)` does; true when `b` has it. On a
--- failure, or interrupted, both are destroyed.
---@param a net.Socket
---@param b net.Socket
---@return true? ok
---@return net.Error? err
function co.pipeline(a, b) end

--- A task, as `co.spawn` makes it. To call it is to await it, so that it may stand where a function
--- does: `co.timeout(1000, task)`. In a `<close>` variable it is cancelled and waited for (before Lua
--- 5.4.3 not waited for: there nothing can wait in a `__close`).
---@class net.Task
--- May be changed.
---@field name string (default `"task N (FILE:LINE)"`)
---@field status "ready"|"running"|"waiting"|"done"|"failed"|"cancelled" (read-only)
--- What for, of one that waits, and from whom, for people to read: `receive "line" from
--- 10.0.0.9:4711`.
---@field waiting? string (read-only)
local task = {}

--- Waits for its end: what its function returned, or its error, raised; of a cancelled task `nil,
--- err`. Any number may. Raises `ERR_DEADLOCK` in itself.
---@return any ...
function task:await() end

--- Has its wait, and each further one, raise an `AbortError` with `reason` as `cause`; one that has
--- not begun never runs. Returns at once, and whether it had not ended yet.
---@param reason? any
---@return boolean
function task:cancel(reason) end

--- Where it is, through its generators; `""` when it has ended.
---@return string
function task:traceback() end

--- Is told of when `net.run` ends while it waits, as by default.
---@return self
function task:ref() end

--- Is not told of then.
---@return self
function task:unref() end

---@class net.Group
local group = {}

--- Starts a task of the group. With a limit it is a wait, for room. Raises `ERR_GROUP_CLOSED` when
--- the group has ended.
---@param fn function
---@param ... any arguments of `fn`
---@return net.Task
function group:spawn(fn, ...) end

--- Cancels its tasks and its function. `co.group` returns the function's values, or `nil, err` if it
--- was interrupted.
---@param reason? any
function group:cancel(reason) end

--- `#queue` is how much is in it.
---@class net.Queue
local queue = {}

--- Puts a value in, and waits while it is full. Raises for nil.
---@param v any
---@return true? ok
---@return net.Error? err `ERR_QUEUE_CLOSED`, or what it was closed with
function queue:put(v) end

--- Puts a value in if that needs no wait, and returns whether it did. May be called anywhere.
---@param v any
---@return boolean
function queue:push(v) end

--- Takes the oldest value, and waits while there is none.
---@return any value nil when it is closed and empty
---@return any err what it was closed with
function queue:get() end

--- Ends it. What is in it is still handed out.
---@param err? any
function queue:close(err) end

--- For a `for` loop: each value, to its end. Raises what it was closed with.
---@return fun(): any
function queue:items() end

---@class net.Semaphore
local semaphore = {}

--- Waits until it is free, and takes it.
---@return net.Held held best kept in a `<close>` variable
function semaphore:acquire() end

---@class net.Held
local held = {}

--- Gives it back, once.
function held:release() end

--- ## net.luasocket
---
--- `require("net.luasocket")`, or `net.luasocket`: the API of LuaSocket 3 over the loop. What is
--- written for LuaSocket runs as it is, its own modules (`socket.http`, `socket.smtp`, `socket.ftp`,
--- `ltn12`) too, and many at once, each in a task. A program that wants its libraries to use it says
--- so before it loads them:
---
---     package.loaded.socket = require("net.luasocket")
---     local http = require("socket.http")
---
--- A library that asks for `socket.core` or `socket.unix` is given the same table, or its field
--- `unix`. Every function and method gives what LuaSocket's gives, by the same words; see LuaSocket's
--- manual, [the guide](guide/from-luasocket.md) and
--- [what differs](differences.md#what-netluasocket-does-otherwise-than-luasocket). What counts here is
--- where a call waits:
---
--- - **In a task** as tasks do: others run. A cancel or a timeout of `net.co` interrupts it; nothing
---   that has arrived is lost by that, only the limits of `settimeout` give a part away.
--- - **Where nobody runs the loop**, in the main script or in a coroutine of its own, the call runs
---   it until it is done, as one that blocks; an uncaught error of what runs meanwhile comes out of it.
--- - **Anywhere else**, in a listener say, a call that would have to wait raises `ERR_CANNOT_WAIT`;
---   with `settimeout(0)` only a look-up of a name would.
---
--- One task at a time receives from a socket; a second one is told so by `ERR_SOCKET_BUSY`. Any number
--- may send: calls follow each other, the bytes of each together. `close` ends all waits for the socket.
--- A socket holds the loop only while a call waits for it.

---@class net.luasocket
--- size of the chunks of sources
---@field BLOCKSIZE integer
--- the sinks that `sink` knows, by name
---@field sinkt table<string, function>
--- the sources that `source` knows, by name
---@field sourcet table<string, function>
--- look-ups: `toip`, `tohostname`, `getaddrinfo`, `getnameinfo`, `gethostname`
---@field dns table<string, function>
local luasocket = {}
net.luasocket = luasocket

--- A new TCP socket, of the family that it will need.
---@return net.LuaSocket? master
---@return string? err
function luasocket.tcp() end

--- One for IPv4.
---@return net.LuaSocket? master
---@return string? err
function luasocket.tcp4() end

--- One for IPv6 alone.
---@return net.LuaSocket? master
---@return string? err
function luasocket.tcp6() end

--- Connects.
---@param host string
---@param port integer|string
---@param localhost? string
---@param localport? integer|string
---@param family? "unspec"|"inet"|"inet6"
---@return net.LuaSocket? client
---@return string? err
function luasocket.connect(host, port, localhost, localport, family) end

--- The same over IPv4.
---@param host string
---@param port integer|string
---@param localhost? string
---@param localport? integer|string
---@return net.LuaSocket? client
---@return string? err
function luasocket.connect4(host, port, localhost, localport) end

--- The same over IPv6.
---@param host string
---@param port integer|string
---@param localhost? string
---@param localport? integer|string
---@return net.LuaSocket? client
---@return string? err
function luasocket.connect6(host, port, localhost, localport) end

--- Listens; `"*"` is any IPv4 address.
---@param host string
---@param port integer|string
---@param backlog? integer (default 32)
---@return net.LuaSocket? server
---@return string? err
function luasocket.bind(host, port, backlog) end

--- Waits until one of these can be read or written, or so many seconds. Takes whatever has a
--- `getfd`, and asks its `dirty`.
---@param receivers? table[]
---@param senders? table[]
---@param seconds? number (default no limit)
---@return table readable by number and by object
---@return table writable
---@return "timeout"? err
function luasocket.select(receivers, senders, seconds) end

--- Waits so many seconds.
---@param seconds number
function luasocket.sleep(seconds) end

--- The time of day.
---@return number seconds since the epoch
function luasocket.gettime() end

--- Returns its arguments, or raises the second one, for `protect`, if the first is nil or false.
---@param ... any
---@return any ...
function luasocket.try(...) end

--- A `try` that calls a function before it raises.
---@param finalizer? fun()
---@return fun(...: any): ...: any
function luasocket.newtry(finalizer) end

--- A function that calls `fn`, and returns nil and the error where `try` has raised one. All else
--- passes through it, cancels and timeouts too.
---@param fn function
---@return fun(...: any): ...: any
function luasocket.protect(fn) end

--- What is behind the first `n` of the others.
---@param n integer
---@param ... any
---@return any ...
function luasocket.skip(n, ...) end

--- A function that calls one of a table's by its first argument.
---@param t table<string, function>
---@return function
function luasocket.choose(t) end

--- A sink of LTN12 over a socket: `"keep-open"`, the default, or `"close-when-done"`.
---@param name? string
---@param over net.LuaSocket
---@return table sink
function luasocket.sink(name, over) end

--- A source over a socket: `"until-closed"`, the default, or `"by-length"`.
---@param name? string
---@param over net.LuaSocket
---@param length? integer
---@return table source
function luasocket.source(name, over, length) end

--- Raises `ERR_METHOD_NOT_IMPLEMENTED`: there are no datagrams here.
function luasocket.udp() end

--- The same.
luasocket.udp4 = luasocket.udp

--- The same.
luasocket.udp6 = luasocket.udp

--- Called, it makes a Unix socket, as its fields `stream` and `tcp` do; `dgram` and `udp` raise.
---@class net.LuaSocketUnixClass
---@overload fun(): net.LuaSocket
local UnixSocket = {}
luasocket.unix = UnixSocket

--- A new Unix socket.
---@return net.LuaSocket? master
---@return string? err
function UnixSocket.stream() end

--- The same.
UnixSocket.tcp = UnixSocket.stream

--- Raises `ERR_METHOD_NOT_IMPLEMENTED`: there are no datagrams here.
function UnixSocket.dgram() end

--- The same.
UnixSocket.udp = UnixSocket.dgram

--- A TCP or a Unix socket, a userdata. Its class changes as it is used, from `tcp{master}` to
--- `tcp{client}` or `tcp{server}`, or from `unixstream{master}`; a method that is not of its class
--- raises. Unix sockets have no `getpeername`, `getfamily`, `getoption`, `gettimeout`, and take a path for
--- host and port.
---@class net.LuaSocket
--- such as `"tcp{client}"`
---@field class string (read-only)
local luasocket_object = {}

--- Connects a master, and makes it a client. With `settimeout(0)` it goes on after `nil, "timeout"`:
--- `select` tells when, and a second call its result.
---@param host string
---@param port integer|string
---@return 1? ok
---@return string? err
function luasocket_object:connect(host, port) end

--- Chooses the address of a master; `"*"` is any.
---@param host string
---@param port integer|string
---@return 1? ok
---@return string? err
function luasocket_object:bind(host, port) end

--- The same as `connect`.
luasocket_object.setpeername = luasocket_object.connect

--- The same as `bind`.
luasocket_object.setsockname = luasocket_object.bind

--- Makes a bound master a server.
---@param backlog? integer (default 32)
---@return 1? ok
---@return string? err
function luasocket_object:listen(backlog) end

--- Waits for a connection.
---@return net.LuaSocket? client
---@return string? err
function luasocket_object:accept() end

--- A line, without its end and any CR (`"*l"`); everything to the end (`"*a"`); or so many bytes. What
--- comes is put behind the prefix, which counts for the number.
---@param pattern? "*l"|"*a"|integer
---@param prefix? string
---@return string? data
---@return string? err `"closed"`, `"timeout"`, …
---@return string? partial what came, taken
function luasocket_object:receive(pattern, prefix) end

--- Sends bytes i to j, as `string.sub` has them. Returns when the kernel has them.
---@param data string
---@param i? integer (default 1)
---@param j? integer (default -1)
---@return integer? last index of the last byte that was sent
---@return string? err
---@return integer? last the same after an error
function luasocket_object:send(data, i, j) end

--- Ends one half of a connection, or both.
---@param half? "send"|"receive"|"both"
---@return 1
function luasocket_object:shutdown(half) end

--- Closes it. Whoever waits for it gets `"closed"`.
---@return 1
function luasocket_object:close() end

--- Limits the time of each call that waits: `"b"` and `"t"` are two limits, both from the call's start,
--- of which the nearer counts.
---@param seconds? number nil, negative: none; 0: the call does not wait
---@param mode? "b"|"t"|"r"
---@return 1
function luasocket_object:settimeout(seconds, mode) end

--- Both limits, negative for none.
---@return number block
---@return number total
function luasocket_object:gettimeout() end

--- `"keepalive"`, `"reuseaddr"`, `"reuseport"`, `"tcp-nodelay"`, `"ipv6-v6only"` (boolean), `"linger"`
--- (`{on =, timeout =}`), `"recv-buffer-size"`, `"send-buffer-size"`, `"tcp-keepidle"`, `"tcp-keepcnt"`,
--- `"tcp-keepintvl"`, `"tcp-defer-accept"`, `"tcp-fastopen"`, `"tcp-fastopen-connect"` (integer).
---@param name string
---@param value boolean|integer|table
---@return 1? ok
---@return string? err
function luasocket_object:setoption(name, value) end

--- The value of one of these, or of `"error"`.
---@param name string
---@return any value
---@return string? err
function luasocket_object:getoption(name) end

--- Who is at the other end.
---@return string? address
---@return integer|string port or what went wrong
---@return "inet"|"inet6"|nil family
function luasocket_object:getpeername() end

--- Its own address; of a Unix socket its path.
---@return string? address
---@return string port or what went wrong
---@return "inet"|"inet6"|nil family
function luasocket_object:getsockname() end

--- Its family.
---@return "inet4"|"inet6"
function luasocket_object:getfamily() end

--- Bytes received and sent, and its age in seconds.
---@return integer received
---@return integer sent
---@return number age
function luasocket_object:getstats() end

--- Sets them.
---@param received? integer
---@param sent? integer
---@param age? number
---@return 1
function luasocket_object:setstats(received, sent, age) end

--- Whether it has read what nobody has received yet.
---@return boolean
function luasocket_object:dirty() end

--- The number of its descriptor, -1 for none.
---@return integer
function luasocket_object:getfd() end

--- Gives it another one, or none by -1. The one before stays open, for whoever has taken it.
---@param fd integer
function luasocket_object:setfd(fd) end

--- ## net.luasec
---
--- `require("net.luasec")`, of the rock `net-tls`: the API of LuaSec 1.2, its module `ssl`, over
--- `net.luasocket`. What is written for LuaSec runs as it is, and many at once, each in a task. A
--- program that wants its libraries to use it says so before it loads them:
---
---     package.loaded.socket = require("net.luasocket")
---     package.loaded.ssl = require("net.luasec")
---     package.loaded["ssl.https"] = require("net.luasec.https")
---
--- The last line is for where LuaSec's own `ssl.https` is not installed, which does as well: both are
--- `socket.http` of LuaSocket over TLS, with `request(url[, body])`, `request(table)`, `tcp(params)`,
--- `PORT` and `TIMEOUT`. **They verify nobody**, as LuaSec does not, unless the request says
--- `verify = "peer"` and `cafile`.
---
--- Every function and method gives what LuaSec's gives, by the same words; see LuaSec's manual, and
--- [what differs](differences.md#what-netluasec-does-otherwise-than-luasec). Where a call waits is
--- told under [net.luasocket](#netluasocket). `local ssl = require("net.luasec")` is taken as read
--- below.

---@class net.luasec
--- what there is: `protocols`, `options`, `curves`, `algorithms`, `capabilities`, name -> true
---@field config table<string, table<string, boolean>>
local luasec = {}

--- Makes a context for any number of connections: `{mode = "client"|"server", protocol = "any", …}`.
---
--- Of parameters there are `mode`, `protocol` (`"any"`, `"tlsv1"`, `"tlsv1_1"`, `"tlsv1_2"`,
--- `"tlsv1_3"`), `key`, `certificate`, `password` (a string or a function), `certificates` (a list of
--- these three), `cafile`, `capath`, `verify` (`"none"`, `"peer"`, `"client_once"`,
--- `"fail_if_no_peer_cert"`, or a list), `verifyext` (`"lsec_continue"`, `"lsec_ignore_purpose"`,
--- `"crl_check"`, `"crl_check_chain"`), `depth`, `options`, `ciphers`, `ciphersuites`, `curve`,
--- `curveslist`, `dhparam` (a function) and `alpn` (names, of a server also a function).
---@param params table
---@return userdata? context
---@return string? err what OpenSSL, or LuaSec, says
function luasec.newcontext(params) end

--- Puts TLS on a connected socket, whose descriptor it takes: the socket has none any more. What it
--- had read and nobody has received belongs to the handshake. Next comes `dohandshake`.
---@param plain net.LuaSocket or another object with `getfd` and `setfd`
---@param context userdata|table a context, or parameters for one
---@return net.LuaSecConnection? connection
---@return string? err
function luasec.wrap(plain, context) end

--- A certificate, from PEM, with the methods `digest`, `extensions`, `getsignaturename`, `issued`,
--- `issuer`, `notafter`, `notbefore`, `pem`, `pubkey`, `serial`, `setencode`, `subject`, `validat`.
---@param pem string
---@return userdata? certificate nil: it is none
function luasec.loadcertificate(pem) end

--- A connection, a userdata. A call whose time is over says `"wantread"` or `"wantwrite"`, by which
--- it was waiting.
---@class net.LuaSecConnection
--- `"SSL:Connection"`
---@field class string (read-only)
local luasec_connection = {}

--- Does the handshake. `"certificate verify failed"`, `"wrong version number"` and the like are
--- OpenSSL's, and for good; behind `"wantread"` and `"wantwrite"` it goes on with the next call.
---@return boolean ok
---@return string? err
function luasec_connection:dohandshake() end

--- As of [net.LuaSocket](#netluasocket), with `"wantread"` for `"timeout"`.
---@param pattern? "*l"|"*a"|integer
---@param prefix? string
---@return string? data
---@return string? err
---@return string? partial what came, taken
function luasec_connection:receive(pattern, prefix) end

--- As of [net.LuaSocket](#netluasocket), with `"wantwrite"` for `"timeout"`. Behind that, or an
--- interruption, the next send has to go on with the bytes that were left, as OpenSSL has begun a
--- record with them: others are refused, `nil, "bad write retry"`.
---@param data string
---@param i? integer (default 1)
---@param j? integer (default -1)
---@return integer? last index of the last byte that was sent
---@return string? err
---@return integer? last the same after an error
function luasec_connection:send(data, i, j) end

--- Tells the peer, if that needs no waiting, and closes it. Whoever waits for it gets `"closed"`.
function luasec_connection:close() end

--- Limits the time of each call that waits, as of [net.LuaSocket](#netluasocket).
---@param seconds? number nil, negative: none; 0: the call does not wait
---@param mode? "b"|"t"|"r"
---@return 1
function luasec_connection:settimeout(seconds, mode) end

--- A client says which name it wants; a server has a context for each, which may have others than
--- its own certificate. In a strict one an unknown name ends the handshake.
---@param names string|table<string, userdata>
---@param strict? boolean
function luasec_connection:sni(names, strict) end

--- The name that the client has asked for.
---@return string? name
function luasec_connection:getsniname() end

--- The protocol that both have agreed on, by `alpn`.
---@return string? protocol
function luasec_connection:getalpn() end

--- `cipher`, `protocol`, `bits`, `algbits`, `key`, `authentication`, `encryption`, `mac`, `export`,
--- `compression`: all of them, or one.
---@param field? string
---@return any info
---@return string? err
function luasec_connection:info(field) end

--- What the last call was waiting for.
---@return "read"|"write"|"nothing"|"x509lookup"
function luasec_connection:want() end

--- The n-th certificate that the peer has sent; the first is its own.
---@param n? integer (default 1)
---@return userdata? certificate
---@return string? err
function luasec_connection:getpeercertificate(n) end

--- All of them.
---@return userdata[]? certificates
---@return string? err
function luasec_connection:getpeerchain() end

--- Whether the peer's certificate is good, also where nothing hangs on that. `errors` is a word, or
--- with `"lsec_continue"` a list of words for each certificate of the chain.
---@return boolean ok
---@return string|table<integer, string[]>|nil errors
function luasec_connection:getpeerverification() end

--- The message with which this side has ended the handshake.
---@return string? message
---@return string? err
function luasec_connection:getfinished() end

--- That of the other side.
---@return string? message
---@return string? err
function luasec_connection:getpeerfinished() end

--- So many bytes that only the two ends know, for a label.
---@param label string
---@param n integer
---@param context? string
---@return string? bytes
---@return string? err
function luasec_connection:exportkeyingmaterial(label, n, context) end

--- Bytes received and sent, and its age in seconds.
---@return integer received
---@return integer sent
---@return number age
function luasec_connection:getstats() end

--- Sets them.
---@param received? integer
---@param sent? integer
---@param age? number
---@return 1
function luasec_connection:setstats(received, sent, age) end

--- Whether it has read what nobody has received yet.
---@return boolean
function luasec_connection:dirty() end

--- The number of its descriptor, -1 for none.
---@return integer
function luasec_connection:getfd() end

--- ## net.tls
---
--- `require("net.tls")`, of the rock `net-tls`: Node's `tls`, encrypted sockets and servers over
--- OpenSSL. `local tls = require("net.tls")` is taken as read below.

---@class net.tls
--- `SSL_OP_NO_TICKET` and the like: bits for the option `secureOptions`.
---@field constants table<string, integer> (read-only)
--- The ciphers of a context that does not name any; may be assigned.
---@field DEFAULT_CIPHERS string
--- The groups for key exchange of a context that does not name any; may be assigned.
---@field DEFAULT_ECDH_CURVE string
--- The lowest version of a context that does not name one; may be assigned.
---@field DEFAULT_MIN_VERSION string
--- The highest version of a context that does not name one; may be assigned.
---@field DEFAULT_MAX_VERSION string
--- The certificates of the system's authorities, each as PEM: what `getCACertificates("system")` gives.
---@field rootCertificates string[] (read-only)
local tls = {}

--- The names of the ciphers that OpenSSL has, in lower case and sorted; those of TLS 1.3 begin with
--- `tls_`.
---@return string[]
function tls.getCiphers() end

--- What connections share: certificates and keys, whom they trust, versions and ciphers. It costs
--- a third of a millisecond and 15 KiB, and serves any number of connections, on either side.
---
--- Everything is looked at here: what OpenSSL does not take raises at this call, never at a
--- handshake, and nobody is ever asked for a passphrase. Without `ca` those are trusted whom the
--- system trusts: the certificates in the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, else
--- where OpenSSL was built to look, else in the usual places; read once, when they are first needed.
--- If there are none at all, a warning says so.
---
--- Options: `net.tls.SecureContextOptions`.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; about versions
--- `ERR_TLS_INVALID_PROTOCOL_VERSION`, `ERR_TLS_PROTOCOL_VERSION_CONFLICT`,
--- `ERR_TLS_INVALID_PROTOCOL_METHOD`; about ciphers `ERR_SSL_NO_CIPHER_MATCH`; about files
--- `ERR_OSSL_PEM_NO_START_LINE` (there is no such thing in it), `ERR_OSSL_PEM_BAD_END_LINE` (it is cut
--- off), `ERR_OSSL_UNSUPPORTED` (of a key: it is none), `ERR_OSSL_BAD_DECRYPT` (no passphrase, or a
--- wrong one), `ERR_OSSL_X509_KEY_VALUES_MISMATCH` (another certificate's key),
--- `ERR_SSL_EE_KEY_TOO_SMALL`, `ERR_CRYPTO_OPERATION_FAILED`, `ERR_CRYPTO_UNSUPPORTED_OPERATION`; about
--- engines `ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED`.
---@param options? net.tls.SecureContextOptions
---@return net.tls.SecureContext
function tls.createSecureContext(options) end

--- A context of these versions and options, which trusts nobody and has no certificate. Programs
--- want `tls.createSecureContext`.
---
--- Raises as that does.
---@param secureProtocol? string
---@param secureOptions? integer
---@param minVersion? string
---@param maxVersion? string
---@return net.tls.SecureContext
function tls.SecureContext(secureProtocol, secureOptions, minVersion, maxVersion) end

--- Whether a certificate is that of a host, by Node's rules: nil, or an error that says why not,
--- `ERR_TLS_CERT_ALTNAME_INVALID` with the fields `reason`, `host` and `cert`. What a client asks
--- unless the option `checkServerIdentity` says otherwise; one's own may ask this first.
---
--- A name has to be one of the alternative names; the common name counts only if there is no
--- name of a host among them. `*` stands for a part of the first label, before at least two others.
--- An address has to be one of the addresses.
---
--- Raises `ERR_TLS_CERT_ALTNAME_FORMAT`.
---@param host string a name, in any script, or an IP address
---@param cert net.tls.Certificate
---@return net.Error? err
function tls.checkServerIdentity(host, cert) end

--- The certificates of authorities that contexts without `ca` trust, each as PEM. There is no list
--- of ours: `"default"` and `"system"` are the same until `tls.setDefaultCACertificates`, `"bundled"`
--- and `"extra"`, which are Node's, are empty.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`.
---@param kind? "default"|"system"|"bundled"|"extra" (default "default")
---@return string[]
function tls.getCACertificates(kind) end

--- From now on contexts without `ca` trust these, and nobody else; `{}` is nobody at all. Contexts
--- that are there go on as they are.
---
--- Raises `ERR_INVALID_ARG_TYPE`; `ERR_CRYPTO_OPERATION_FAILED` if there is no certificate in any of
--- them, and then nothing has changed.
---@param certs string[] PEMs
function tls.setDefaultCACertificates(certs) end

--- Connects, and does the handshake: net's `connect`, encrypted. `onSecureConnect` listens to
--- `"secureConnect"` once. What is written before that is sent behind it, and not before the server
--- has been verified; nor is anything that it sends told before.
---
--- ```lua
--- tls.connect(options [, onSecureConnect])
--- tls.connect(path [, options] [, onSecureConnect])
--- tls.connect(port [, host] [, options] [, onSecureConnect])
--- ```
---
--- A server without a good certificate is refused: its chain has to end at somebody whom the context
--- trusts, and it has to be that of `servername`, or `host`, or the host that `socket` has looked up, or
--- else of `"localhost"`. Why one was refused is the `code` of the `"error"`:
--- `UNABLE_TO_VERIFY_LEAF_SIGNATURE`, `ERR_TLS_CERT_ALTNAME_INVALID` and so on.
---
--- With TLS 1.3 a client hears that *it* was refused, for want of a certificate, only behind
--- `"secureConnect"`, and only if it reads.
---
--- Besides the options of `net.connect`, `net.Socket` and `tls.createSecureContext`:
---
--- Options: `net.tls.ConnectOptions`.
---
--- Raises what `net.connect`, `net.Socket` and `tls.createSecureContext` raise, and
--- `ERR_MISSING_ARGS`, `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`,
--- `ERR_TLS_INVALID_CONTEXT`.
---@overload fun(options: net.tls.ConnectOptions, onSecureConnect?: fun()): net.tls.TLSSocket
---@param port integer|string
---@param host? string
---@param options? net.tls.ConnectOptions
---@param onSecureConnect? fun()
---@return net.tls.TLSSocket
function tls.connect(port, host, options, onSecureConnect) end

--- A TLS server, which does not listen yet: a net.Server whose sockets do the handshake first.
--- `onSecureConnection` listens to `"secureConnection"`.
---
--- Besides the options of `net.createServer` and of `tls.createSecureContext`, of which `honorCipherOrder`
--- is true by default, and `sessionIdContext` made of the command line:
---
--- Options: `net.tls.ServerOptions`.
---
--- Raises what `net.createServer` and `tls.createSecureContext` raise, and
--- `ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS`, `ERR_TLS_INVALID_CONTEXT`,
--- `ERR_TLS_PSK_SET_IDENTITY_HINT_FAILED`.
---@param options? net.tls.ServerOptions
---@param onSecureConnection? fun(socket: net.tls.TLSSocket)
---@return net.tls.Server
function tls.createServer(options, onSecureConnection) end

--- The same as `tls.createServer`.
tls.Server = tls.createServer

--- TLS over another socket: one of net's, a TLS socket, a half of `net.duplexPair`. Within the call
--- that stops flowing, and all that it has read and nobody has consumed is taken for what the peer
--- says in TLS; what was written to it leaves before. From then on it hears nothing, and if one of
--- the two is destroyed, both are. If it has not connected yet, or has still to send, the TLS socket
--- waits for that; if it has ended, or is destroyed, the TLS socket fails with `ECONNRESET`.
---
--- As a client, without `isServer`, it verifies as `tls.connect` does, which takes it as its option
--- `socket`. As a server without a tls.Server it tells `"secure"` when the handshake is over.
---
--- With `isServer` besides the options of `tls.createSecureContext`, else `tls.connect`'s:
---
--- Options: `net.tls.TLSSocketOptions`.
---
--- Raises what `tls.connect` raises.
---@param from? net.Socket
---@param options? net.tls.TLSSocketOptions
---@return net.tls.TLSSocket
function tls.TLSSocket(from, options) end

--- For tasks (see [net.co](#netco)): `receive`, `send` and all else are as of any socket, and a TLS
--- server's `incoming` and `serve` give clients whose handshake is over.
---@class net.tls.co
local tlsCo = {}
tls.co = tlsCo

--- `tls.connect` for a task: waits until the handshake is over and the server verified. What goes
--- wrong is nil and the error.
---
--- Raises what `tls.connect` raises, and `ERR_CANNOT_WAIT`.
---@param ... any
---@return net.tls.TLSSocket? socket
---@return net.Error? err
function tlsCo.connect(...) end

--- Whether a value is a TLS socket. `net.isSocket` is true of it, too.
---@param v any
---@return boolean
function tls.isTLSSocket(v) end

--- What `tls.connect` takes besides the options of `net.connect`, `net.Socket` and
--- `tls.createSecureContext`.
---@class net.tls.ConnectOptions
--- another socket, over which TLS is done, instead of connecting
---@field socket? net.Socket
--- a context, instead of its options
---@field secureContext? net.tls.SecureContext
--- false: a server is taken whoever it is, and `authorized` and `authorizationError` tell
---@field rejectUnauthorized? boolean (default true)
--- the name that is asked for (SNI), and has to be in the certificate; `""`: none is asked for
---@field servername? string (default host, if that is a name)
--- instead of `tls.checkServerIdentity`; whoever raises or returns something refuses
---@field checkServerIdentity? fun(host: string, cert: net.tls.Certificate): net.Error?
--- names, best first, or such bytes as stand in the handshake
---@field ALPNProtocols? string[]|string
--- what `"session"` or `getSession` gave for the same host, to a client that trusts the same
---@field session? string
---@field minDHSize? number (bits; default 1024)
--- see `tlsSocket:enableTrace`
---@field enableTrace? boolean (default false)
--- the server is asked what its authority says of its certificate: see `"OCSPResponse"`
---@field requestOCSP? boolean (default false)
--- called for a key that both sides know, which takes the place of certificates, with the server's hint
--- as to which (nil in TLS 1.3): the key (up to 512 bytes) and its name (up to 256, none of them NUL), or
--- nil for none. Amid the handshake: it cannot wait; whoever raises ends the connection with that. TLS 1.2
--- needs `ciphers` with `PSK`, and a `checkServerIdentity` of one's own, as no host has been named
---@field pskCallback? fun(hint: string?): {psk: string, identity: string}?
--- within which the handshake has to be over, else `ERR_TLS_HANDSHAKE_TIMEOUT`; without it there is no limit
---@field handshakeTimeout? number (milliseconds, up to 2147483647)
--- an end without the peer's word that it was all is `ERR_SSL_UNEXPECTED_EOF_WHILE_READING`
---@field requireCloseNotify? boolean (default false)

--- What `tls.createServer` takes besides the options of `net.createServer` and
--- `tls.createSecureContext`, of which `honorCipherOrder` is true by default, and `sessionIdContext` made of the
--- command line.
---@class net.tls.ServerOptions
--- a context, instead of its options
---@field secureContext? net.tls.SecureContext
--- clients are asked for a certificate; exactly `true`
---@field requestCert? boolean (default false)
--- exactly `false`: those without a good one are taken, and `authorized` tells
---@field rejectUnauthorized? boolean (default true)
--- names, best first, or such bytes as stand in the handshake; a client that knows none is refused
---@field ALPNProtocols? string[]|string
--- called for a client that asks for a name: `callback(nil, context)`, now or later, chooses the context,
--- `callback(nil, nil)` the server's own, `callback(err)` refuses
---@field SNICallback? fun(servername: string, callback: fun(err: any, context: net.tls.SecureContext?))
--- called for a client that offers protocols, with `{servername =, protocols =}`: one of them, or nil to refuse;
--- without a name, false. Behind `SNICallback` in TLS 1.2, before it in TLS 1.3
---@field ALPNCallback? fun(offer: table): string?
--- called for a client that has a key, with its name: the key, or nil if there is none of that name. As
--- `tls.connect`'s; what it raises is the error of `"tlsClientError"`. Names that are no UTF-8 are not known
---@field pskCallback? fun(socket: net.tls.TLSSocket, identity: string): string|{psk: string}|nil
--- of all its sockets, see `tlsSocket:enableTrace`
---@field enableTrace? boolean (default false)
--- what clients in TLS 1.2 are told of the key that they should take, up to 256 bytes
---@field pskIdentityHint? string
--- within which a handshake has to be over
---@field handshakeTimeout? number (milliseconds, up to 2147483647; default 120000, and for 0)
--- an end without the peer's word that it was all is `ERR_SSL_UNEXPECTED_EOF_WHILE_READING`
---@field requireCloseNotify? boolean (default false)

--- What `tls.TLSSocket` takes: with `isServer` the options below and those of `tls.createSecureContext`,
--- else those of `tls.connect`.
---@class net.tls.TLSSocketOptions
--- true: it is the server's side, which waits for the other one to begin
---@field isServer? boolean (default false)
--- a server whose listeners of `"resumeSession"`, `"newSession"` and `"OCSPRequest"` are asked, and
--- the field `server`. Certificates and callbacks are those given here, and of all else the socket
--- tells itself: `"secure"`, `"keylog"`, and where the handshake fails an `"error"`
---@field server? net.Server
--- a context, instead of its options
---@field secureContext? net.tls.SecureContext
--- a server's: the client is asked for a certificate; exactly `true`
---@field requestCert? boolean (default false)
--- exactly `false`: a peer without a good certificate is taken, and `authorized` tells
---@field rejectUnauthorized? boolean (default true)
---@field ALPNProtocols? string[]|string as of `tls.createServer`
--- as of `tls.createServer`: called once at most, amid the handshake; who raises refuses
---@field ALPNCallback? fun(offer: {servername: string|false, protocols: string[]}): string?
--- as of `tls.createServer`: once, if the client asks for a name; until `callback` is called the
--- handshake waits, for `handshakeTimeout` at most
---@field SNICallback? fun(name: string, callback: fun(err: any, context: net.tls.SecureContext?))
--- as `tls.connect`'s, or as a server's: `fun(socket, identity)`
---@field pskCallback? function
---@field pskIdentityHint? string a server's
---@field enableTrace? boolean (default false)
--- within which the handshake has to be over, up to 2147483647; without it there is no limit
---@field handshakeTimeout? number (milliseconds)
--- an end without the peer's word that it was all is `ERR_SSL_UNEXPECTED_EOF_WHILE_READING`
---@field requireCloseNotify? boolean (default false)

--- ### TLS servers
---
--- All of [`net.Server`](#servers): `listen`, `close`, `maxConnections`, which count connections
--- amid the handshake too. `"connection"` comes first, with a socket that has the connection until
--- its listeners are done; `server:emit("connection", socket)` does TLS over a socket that somebody
--- else has accepted.
---@class net.tls.Server: net.Server
--- A handshake is over, and the client verified, if that was asked for. The socket has a listener
--- of `"error"` already, which does nothing, as in Node: a client that is gone ends no program.
---@field on fun(self, event: "secureConnection", listener: fun(socket: net.tls.TLSSocket))
--- A handshake has failed, or took too long. The socket is destroyed behind this event, and has no
--- `"error"`. A client that went away is `ECONNRESET`.
---@field on fun(self, event: "tlsClientError", listener: fun(err: net.Error, socket: net.tls.TLSSocket))
--- A client's session that a later one may resume: to be kept, and given by `"resumeSession"`, also
--- in another process; `done()` says that it is. Then a TLS 1.2 handshake goes on; in TLS 1.3 and with
--- tickets, which are the default, the client keeps all there is to keep.
---@field on fun(self, event: "newSession", listener: fun(id: string, data: string, done: fun()))
--- A client offers a session's id, and no ticket: `callback(nil, data)`, now or later, gives it, with nil
--- where there is none; `callback(err)` refuses the client.
---@field on fun(self, event: "resumeSession", listener: fun(id: string, callback: fun(err: any, data: string?)))
--- A client wants to have what an authority says of the server's certificate, an OCSP response:
--- `callback(nil, bytes)`, now or later, sends that, at most 65527 bytes, with nil nothing; `callback(err)`
--- refuses the client, and so does a listener that raises. Both certificates are DER; nil if they are
--- not known. Counted are the listeners at the beginning of a handshake.
---@field on fun(self, event: "OCSPRequest", listener: fun(certificate: string?, issuer: string?, callback: fun(err: any, response: string?)))
--- A line about the keys of a connection, for programs such as Wireshark: whoever has it can read
--- all that is said. Counted are the listeners at the beginning of a handshake.
---@field on fun(self, event: "keylog", listener: fun(line: string, socket: net.tls.TLSSocket))
local tlsServer = {}

--- A certificate for clients that ask for such a name: `*` stands for what is no dot, and case does
--- not count. Of several that match the one that was added last counts; if none does, the server's own.
--- The option `SNICallback` takes the place of all of them. A session that began with one name is not
--- resumed with another, as the contexts may trust other clients. Versions, ciphers and groups stay the
--- server's, whatever the context has.
---
--- Raises `ERR_TLS_REQUIRED_SERVER_NAME`, and what `tls.createSecureContext` raises.
---@param name string
---@param context net.tls.SecureContext|net.tls.SecureContextOptions
function tlsServer:addContext(name, context) end

--- New certificates without a restart: from the next handshake on the server is of these options.
--- What is not given is as in `tls.createServer`; `{}` has no certificate. Connections that are there go
--- on, tickets that were given stay good, and if this raises nothing has changed. With `requestCert`,
--- who trusts others than before, or has other lists in `crl`, resumes no session of before.
---
--- Raises what `tls.createSecureContext` raises.
---@param options net.tls.SecureContextOptions
function tlsServer:setSecureContext(options) end

--- The keys of the tickets by which clients resume their sessions; a server with the same keys takes
--- them, too. They are secrets.
---@return string keys 48 bytes
function tlsServer:getTicketKeys() end

--- Sets them, for the next handshakes.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`.
---@param keys string 48 bytes
function tlsServer:setTicketKeys(keys) end

--- ### TLS sockets
---
--- All of [`net.Socket`](#sockets), of plain bytes: `write`, `bytesRead`, `setTimeout`, `finish`, which
--- tells the peer that this was all, before the end. A callback of `write` says that the kernel has
--- what became of it. `destroy` does not say so.
---@class net.tls.TLSSocket: net.Socket
--- true, of a TLS socket
---@field encrypted boolean (read-only)
--- the peer's certificate is good, and of a client's server that of the host
---@field authorized boolean (read-only)
--- why not: a code, or a text
---@field authorizationError? string (read-only)
--- nil before the handshake is over; false: none was agreed on
---@field alpnProtocol string|false|nil (read-only)
--- the name that the client asked for; nil before the handshake is over, false: none
---@field servername string|false|nil (read-only)
--- the handshake is not over, or came to nothing
---@field secureConnecting boolean (read-only)
--- the one that has accepted it, or that `tls.TLSSocket` was given
---@field server? net.Server (read-only)
--- the peer has said that it has sent all: what came was not cut off
---@field closeNotifyReceived boolean (read-only)
--- Of a client: the handshake is over, and the server verified.
---@field on fun(self, event: "secureConnect", listener: fun())
--- The handshake is over, of either side; behind `"secureConnect"` and `"secureConnection"`.
---@field on fun(self, event: "secure", listener: fun())
--- Of a client: what the option `session` of a later connection to the same host takes, if that trusts the
--- same (`ca`, `crl`, `allowPartialTrustChain`). With TLS
--- 1.3 it comes as often as the server likes, behind the handshake.
---@field on fun(self, event: "session", listener: fun(session: string))
--- Of a client with `requestOCSP`, before `"secureConnect"`: what the server has sent along of its
--- authority's word on its certificate, nil if nothing. Nobody has looked at it: whoever does not
--- like it calls `destroy`.
---@field on fun(self, event: "OCSPResponse", listener: fun(response: string?))
--- Of a client: see the server's.
---@field on fun(self, event: "keylog", listener: fun(line: string))
local tlsSocket = {}

--- The version: `"TLSv1.3"`; before the handshake is over the highest that there may be.
---@return string? protocol nil before it has connected, and once it is closed
function tlsSocket:getProtocol() end

--- The cipher: `{name =, standardName =, version =}`; the version is the first that has it.
---@return table? cipher nil before the handshake is over
function tlsSocket:getCipher() end

--- The peer's certificate; `{}` if it has shown none. A client that has resumed a session has that
--- of the session's beginning.
---
--- Fields: `net.tls.Certificate`.
---@param detailed? boolean with `issuerCertificate`, up to a root, whose issuer is itself
---@return net.tls.Certificate? certificate nil once it is closed
function tlsSocket:getPeerCertificate(detailed) end

--- The certificate that this side has shown, or will; `{}` if it has none.
---@return net.tls.Certificate? certificate nil once it is closed
function tlsSocket:getCertificate() end

--- Of a client: how keys were agreed on, `{type = "ECDH", name = "X25519", size = 253}`; `{type =
--- "TLSGroup", name = "X25519MLKEM768"}` in a group of ML-KEM, with which OpenSSL 3.5 begins; `{}`
--- if by the server's key alone.
---@return table? info nil before the handshake is over, and of a server's side
function tlsSocket:getEphemeralKeyInfo() end

--- The algorithms of signatures that both sides know, as `"ECDSA+SHA256"`.
---@return string[]? algorithms nil once it is closed
function tlsSocket:getSharedSigalgs() end

--- The last message of this side's handshake, for protocols that bind to it.
---@return string? bytes
function tlsSocket:getFinished() end

--- The last message of the peer's.
---@return string? bytes
function tlsSocket:getPeerFinished() end

--- What `"session"` gives. With TLS 1.3 it is of use once that was told.
---@return string? session
function tlsSocket:getSession() end

--- Sets the session to be resumed, as the option does; before the socket has connected.
---
--- Raises `ERR_INVALID_ARG_TYPE`.
---@param session string
function tlsSocket:setSession(session) end

--- Of a client: the ticket of its session.
---@return string? bytes
function tlsSocket:getTLSTicket() end

--- Whether it goes on with a session of before.
---@return boolean
function tlsSocket:isSessionReused() end

--- Bytes that both sides make of their keys, and nobody else can (RFC 5705).
---
--- Raises `ERR_TLS_INVALID_STATE` before the handshake is over, `ERR_INVALID_ARG_TYPE`,
--- `ERR_OUT_OF_RANGE`.
---@param length integer bytes
---@param label string
---@param context? string
---@return string bytes
function tlsSocket:exportKeyingMaterial(length, label, context) end

--- Cuts what is written into records of this size: a smaller one is there sooner.
---@param size integer (bytes) 512 to 16384
---@return boolean done
function tlsSocket:setMaxSendFragment(size) end

--- Sets the name that a client asks for; before the socket has connected.
---
--- Raises `ERR_TLS_SNI_FROM_SERVER`, `ERR_INVALID_ARG_TYPE`.
---@param name string
function tlsSocket:setServername(name) end

--- Sets the certificate that is shown, of a context or its options; amid the handshake or before, as in
--- a server's `ALPNCallback`. A server also trusts whom the context trusts. All else of the
--- connection stays: versions, ciphers, and whom a client trusts.
---
--- Raises what `tls.createSecureContext` raises.
---@param credentials net.tls.SecureContext|net.tls.SecureContextOptions
function tlsSocket:setKeyCert(credentials) end

--- From now on all that TLS says is told on stderr, in the words of OpenSSL, as by `openssl s_client
--- -trace`: for a look at a handshake that fails, as it shows secrets. An OpenSSL that was built without
--- the words says nothing.
function tlsSocket:enableTrace() end

--- Does nothing but refuse: nobody renegotiates. The callback hears of
--- `ERR_TLS_RENEGOTIATION_DISABLED`.
---
--- Raises `ERR_INVALID_ARG_TYPE`.
---@param options table
---@param callback? fun(err: net.Error)
---@return false
function tlsSocket:renegotiate(options, callback) end

--- Does nothing: that is so already.
function tlsSocket:disableRenegotiation() end

--- A context of TLS, for any number of connections. It has no methods.
---@class net.tls.SecureContext

---@class net.tls.SecureContextOptions
--- trusted authorities, each text with any number of certificates, instead of the system's
---@field ca? string|string[]
--- a certificate in `ca` that is no root, or no authority's, ends a good chain, too
---@field allowPartialTrustChain? boolean (default false)
--- own certificate, with those between it and a root behind it; several for several kinds of key
---@field cert? string|string[]
--- its key, or one for each `cert`, in any order; `{pem =, passphrase =}` in a list
---@field key? string|(string|table)[]
--- of keys and `pfx` that are encrypted
---@field passphrase? string
--- PKCS #12: key, certificate and those that come along, which are trusted; `{buf =, passphrase =}` in a list
---@field pfx? string|(string|table)[]
--- lists of what authorities have revoked; with one, each certificate of a chain needs a list
---@field crl? string|string[]
--- `"TLSv1"`, `"TLSv1.1"`, `"TLSv1.2"` or `"TLSv1.3"`; below 1.2 also `ciphers = "DEFAULT@SECLEVEL=0"`.
--- By default the system's openssl.cnf has a word, too: the narrower of the two counts
---@field minVersion? string (default tls.DEFAULT_MIN_VERSION)
---@field maxVersion? string (default tls.DEFAULT_MAX_VERSION)
--- instead of those two: `TLS_method`, `TLSv1_2_method`, and each with `_client` or `_server` before `_method`
---@field secureProtocol? string
--- OpenSSL's list, and names that begin with `TLS_` for TLS 1.3; those alone mean TLS 1.3 alone
---@field ciphers? string (default tls.DEFAULT_CIPHERS)
--- the server's order of ciphers counts
---@field honorCipherOrder? boolean (default false)
--- groups for key exchange, `"X25519:P-256"`; `"auto"`: OpenSSL's
---@field ecdhCurve? string (default tls.DEFAULT_ECDH_CURVE)
--- parameters of Diffie and Hellman for TLS 1.2, as PEM, of at least 1024 bits; `"auto"`: OpenSSL's
---@field dhparam? string
--- algorithms of signatures, `"ecdsa_secp256r1_sha256:RSA+SHA256"`
---@field sigalgs? string (default OpenSSL's)
--- sum of `SSL_OP_…`
---@field secureOptions? integer
--- under which sessions are resumed, at most 32 bytes
---@field sessionIdContext? string
--- seconds
---@field sessionTimeout? integer (default 7200 with OpenSSL 3)
--- 48 bytes, for tickets that other processes take, too
---@field ticketKeys? string (default random)

--- A certificate as a table. What it does not have is nil.
---@class net.tls.Certificate
--- `{CN = "a.com", O = {"x", "y"}}`: a list where there are several
---@field subject table<string, string|string[]>
---@field issuer table<string, string|string[]>
--- `DNS:a.com, IP Address:1.2.3.4`; a name that could be taken for two is a JSON string
---@field subjectaltname? string
--- `{["OCSP - URI"] = {"http://…"}}`
---@field infoAccess? table<string, string[]>
--- may issue others
---@field ca boolean
--- of RSA and curves: the key's size
---@field bits? integer
--- of RSA, hexadecimal
---@field modulus? string
--- of RSA, `"0x10001"`
---@field exponent? string
--- of RSA as SubjectPublicKeyInfo, of curves the point: bytes
---@field pubkey? string
--- `"prime256v1"`
---@field asn1Curve? string
--- `"P-256"`
---@field nistCurve? string
--- `"Nov 30 08:14:33 2026 GMT"`
---@field valid_from string
---@field valid_to string
--- SHA-1, `"AA:BB…"`
---@field fingerprint string
---@field fingerprint256 string
---@field fingerprint512 string
--- numbers of what it is for, `"1.3.6.1.5.5.7.3.1"`
---@field ext_key_usage? string[]
--- hexadecimal
---@field serialNumber string
--- all of it: DER, bytes
---@field raw string

--- ## net.dns
---
--- `require("net.dns")`, or `net.dns`.

---@class net.dns
local dns = {}
net.dns = dns

--- Looks a name up as the system does (getaddrinfo(3)), on a thread. The callback gets
--- `(nil, address, family)`, with the option `all` `(nil, {{address =, family =}, …})`, or an
--- error: `getaddrinfo ENOTFOUND name`, `getaddrinfo EAI_AGAIN name`. It is never called before
--- this returns. `request:cancel()`: it is not called at all. An IP address is its own answer,
--- whatever `family` says.
---
--- Options: `net.LookupOptions`.
---
--- Raises `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`.
---@param hostname string
---@param options net.LookupOptions
---@param callback fun(err?: net.Error, address?: string|net.LookupAddress[], family?: 4|6)
---@return net.LookupRequest request
---@overload fun(hostname: string, family: 0|4|6, callback: fun(err?: net.Error, address?: string, family?: 4|6)): net.LookupRequest
---@overload fun(hostname: string, callback: fun(err?: net.Error, address?: string, family?: 4|6)): net.LookupRequest
function dns.lookup(hostname, options, callback) end

---@class net.LookupOptions
--- addresses of that family only
---@field family? 0|4|6|"IPv4"|"IPv6" (default 0)
--- sum of `dns.ADDRCONFIG`, `dns.V4MAPPED`, `dns.ALL`
---@field hints? integer (default 0)
--- a list of all addresses
---@field all? boolean (default false)
--- of the addresses; see `dns.setDefaultResultOrder`
---@field order? "verbatim"|"ipv4first"|"ipv6first" (default "verbatim")
--- deprecated: false is `"ipv4first"`
---@field verbatim? boolean (default true)

---@class net.LookupAddress
---@field address string
---@field family 4|6

---@class net.LookupRequest
local request = {}

--- The callback is not called. Later than that it does nothing.
function request:cancel() end

--- The same as `request:cancel`.
request.close = request.cancel

--- The order of addresses where a look-up is not told; `"verbatim"`, as the system gave them,
--- unless it was set.
---@return "verbatim"|"ipv4first"|"ipv6first"
function dns.getDefaultResultOrder() end

--- Sets that order. Raises `ERR_INVALID_ARG_VALUE`.
---@param order "verbatim"|"ipv4first"|"ipv6first"
function dns.setDefaultResultOrder(order) end

--- Hint: only families of which this machine has an address.
---@type integer
dns.ADDRCONFIG = 32

--- Hint: with family 6, IPv4 addresses as `::ffff:a.b.c.d` if there are no others.
---@type integer
dns.V4MAPPED = 8

--- Hint: with `V4MAPPED`, both.
---@type integer
dns.ALL = 16

--- ## net.abort
---
--- `require("net.abort")`, or `net.abort`.

---@class net.abort
local abort = {}
net.abort = abort

--- A controller, which has a signal to be handed out, and which aborts it.
---@class net.AbortControllerClass
---@overload fun(): net.AbortController
local AbortController = {}
abort.AbortController = AbortController

---@class net.AbortController
---@field signal net.AbortSignal
local controller = {}

--- Aborts the signal, once; the reason is an `AbortError` if left out.
---@param reason? any
function controller:abort(reason) end

--- What makes signals besides controllers. Called, it raises `ERR_ILLEGAL_CONSTRUCTOR`.
---@class net.AbortSignalClass
local AbortSignal = {}
abort.AbortSignal = AbortSignal

--- A signal that is aborted already.
---@param reason? any
---@return net.AbortSignal
function AbortSignal.abort(reason) end

--- Aborts after `ms` milliseconds, with a `TimeoutError`. Does not hold the loop.
---@param ms integer
---@return net.AbortSignal
function AbortSignal.timeout(ms) end

--- Aborts with the first of them, and with its reason.
---@param signals net.AbortSignal[]
---@return net.AbortSignal
function AbortSignal.any(signals) end

---@class net.AbortSignal: net.EventEmitter
---@field aborted boolean
---@field reason any
--- Called as a listener of `"abort"` would be.
---@field onabort? fun(event: net.AbortEvent)
---@field on fun(self: net.AbortSignal, event: any, listener: function): net.AbortSignal
--- Comes at most once, inside of `controller:abort()`.
---@field on fun(self: net.AbortSignal, event: "abort", listener: fun(event: net.AbortEvent)): net.AbortSignal
local signal = {}

---@class net.AbortEvent
---@field type "abort"
---@field target net.AbortSignal

--- A signal is an emitter, too: `signal:on("abort", …)`.
--- Adds a listener, unless it is there already: a function, or a table with a method
--- `handleEvent`, which is looked for when it aborts. `capture`, or true for the options, makes it
--- another one; a `signal` takes it back. Nil has no effect but a warning.
---@param kind "abort"
---@param listener fun(event: net.AbortEvent)|table
---@param options? {once: boolean, capture: boolean, signal: net.AbortSignal}|boolean
function signal:addEventListener(kind, listener, options) end

--- Removes what `signal:addEventListener` or `on` has added.
---@param kind "abort"
---@param listener function|table
---@param options? {capture: boolean}|boolean
function signal:removeEventListener(kind, listener, options) end

--- Raises the reason, if it is aborted.
function signal:throwIfAborted() end

--- ## Errors
---
--- An error is a table; `tostring(err)` reads as Node's:
--- `Error: connect ECONNREFUSED 127.0.0.1:80`,
--- `TypeError [ERR_INVALID_ARG_TYPE]: The "port" argument must be …`. Compare `err.code`, not
--- texts.
---
--- An error that nobody takes is shown with the traceback of the call that raised it, under plain
--- `lua5.4`, `luanet` and in a C program alike. To its host an error says so by itself:
--- `__tostring` gives the field `stack` to a message handler in C, as `lua5.4` has one, and to C
--- code outside of any Lua function; Lua code always gets the one line. Any other value that comes
--- out of `net.run` where no Lua function can catch it, not in a coroutine, is written to stderr
--- first, with the traceback of where it was raised, and a plain table with its fields:
--- `net: uncaught error: …`. Elsewhere `net.traceback(err)` has it.
---
--- Fields: `net.Error`.

--- An error of a program's own, for `socket:destroy(err)`, a signal's `reason`, or `error`:
--- `net.Error("too late")`, `net.Error({code = "ELATE", message = "too late", seconds = 3})`. Each
--- field that is given is the error's; `name` is `"Error"` if left out, `message` is empty. `stack`
--- says where it was made. A `code` that begins with `ERR_` shows in the text.
---
--- Raises `ERR_INVALID_ARG_TYPE`.
---@class net.ErrorClass
---@overload fun(message?: string, fields?: table): net.Error
---@overload fun(fields: table): net.Error
local Error = {}
net.Error = Error

--- Whether a value is an error of this library, or one that `net.Error` made.
---@param value any
---@return boolean
function Error.isError(value) end

---@class net.Error
--- all: `"Error"`, `"TypeError"`, `"RangeError"`, `"AbortError"`, `"AggregateError"`
---@field name string
--- all
---@field message string
--- nearly all: `"ECONNREFUSED"`, `"ERR_INVALID_ARG_TYPE"`, …; a number in the `reason` of a signal,
--- as in Node
---@field code? string|integer
--- system errors; errno(3)
---@field errno? integer (negative)
--- system errors: `"connect"`, `"read"`, `"write"`, `"listen"`, `"bind"`, `"accept"`,
--- `"shutdown"`, `"getaddrinfo"`, …
---@field syscall? string
--- failed `connect` and `listen`
---@field address? string
--- failed `connect` and `listen`; -1 for a path that could not be listened on
---@field port? integer
--- failed `connect` from a given address and port
---@field localAddress? string
--- the same
---@field localPort? integer
--- failed look-ups
---@field hostname? string
--- `ERR_INVALID_ADDRESS_FAMILY`, `ERR_TLS_CERT_ALTNAME_INVALID`, and a TLS connection that was lost amid
--- its handshake
---@field host? string
--- the last of these, over a Unix socket
---@field path? string
--- of OpenSSL: which part of it, `"SSL routines"`
---@field library? string
--- of OpenSSL: what is wrong, in its words, and of `ERR_TLS_CERT_ALTNAME_INVALID`
---@field reason? string
--- of OpenSSL: what it says besides
---@field opensslErrorStack? string[]
--- `ERR_TLS_CERT_ALTNAME_INVALID`: the certificate
---@field cert? net.tls.Certificate
--- `AggregateError`: one for each address that was tried
---@field errors? net.Error[]
--- `AbortError`: the signal's reason
---@field cause? any
--- `ERR_UNHANDLED_ERROR`: the value that was emitted
---@field context? any
--- those that were raised, or made by `net.Error`: the text and the traceback
---@field stack? string
--- warnings that were given one, see `process.emitWarning`
---@field detail? string
--- `MaxListenersExceededWarning`
---@field emitter? table|userdata
--- the same: the event
---@field type? any
--- the same: of listeners
---@field count? integer

--- ## Encodings
---
--- For `setEncoding`, `write`, `finish`, `unshift`: `utf8` (also `utf-8`), `utf16le` (`utf-16le`,
--- `ucs2`, `ucs-2`), `latin1` (`binary`), `ascii`, `hex`, `base64`, `base64url` (RFC 4648); in
--- letters of either case. Reading, bytes become UTF-8 text: the characters of `utf8`, `utf16le`,
--- `latin1`, `ascii`, or the digits of `hex`, `base64`, `base64url`. Writing, it is the other way
--- round. Bytes that are no UTF-8 become U+FFFD. Without `setEncoding`, and writing without an
--- encoding, strings are bytes, and nothing is changed.

--- ## The launcher
---
--- ```sh
--- luanet script.lua [argument…]     # or: luanet -e CODE, luanet - (from standard input), luanet -- FILE
--- ```
---
--- Runs a script and then the loop, so that the script needs no `net.run()`. The script is a
--- [task](#netco), and may wait at its top level; until its first wait it may run the loop itself,
--- as under `lua5.4`. If it waits for what cannot come, the exit code is 13, as Node's. Else it exits with 0, with
--- `process.exitCode`, or, after an error that nobody took, with 1 and the traceback on stderr;
--- with 7, and without `"exit"`, if a listener for uncaught errors raised it, with 9 for an option
--- it does not know. As a script's parent, Node has to be told of no options of its own:
--- `fork('worker.lua', [], {execPath: 'luanet', execArgv: []})`.
---
--- The kernel delivers to process 1, the first of a container, no signal that it does not handle:
--- there SIGTERM and SIGINT, when nobody listens to them, do what `process.exit(128 + n)` does.

do error('net.meta is for editors; require("net")') end
return net
