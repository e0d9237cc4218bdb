rockspec_format = "3.0"
package = "net"
version = "scm-1"

source = {
  url = ".", -- `luarocks make` builds the tree it stands in
}

description = {
  summary = "Node's net module for Lua: TCP and Unix-socket servers and clients on libev",
  detailed = [[
    Servers and sockets with the names, the order of events and the error codes of Node's
    net module, as a C extension over libev. With coroutines where Node has promises.]],
  license = "MIT",
  labels = { "network", "socket", "tcp", "async", "event-loop", "libev" },
}

supported_platforms = { "unix" }

dependencies = { "lua >= 5.4, < 5.6" }

external_dependencies = {
  EV = { header = "ev.h", library = "ev" },
}

-- spec/rockspec_spec.lua checks that these are all the files there are.
build = {
  type = "builtin",
  modules = {
    ["net"] = "lua/net/init.lua",
    ["net.abort"] = "lua/net/abort.lua",
    ["net.args"] = "lua/net/args.lua",
    ["net.attempt"] = "lua/net/attempt.lua",
    ["net.blocklist"] = "lua/net/blocklist.lua",
    ["net.boundsocket"] = "lua/net/boundsocket.lua",
    ["net.connect"] = "lua/net/connect.lua",
    ["net.dns"] = "lua/net/dns.lua",
    ["net.errors"] = "lua/net/errors.lua",
    ["net.events"] = "lua/net/events.lua",
    ["net.idna"] = "lua/net/idna.lua",
    ["net.inspect"] = "lua/net/inspect.lua",
    ["net.json"] = "lua/net/json.lua",
    ["net.lazy"] = "lua/net/lazy.lua",
    ["net.listen"] = "lua/net/listen.lua",
    ["net.meta"] = "lua/net/meta.lua",
    ["net.numbers"] = "lua/net/numbers.lua",
    ["net.options"] = "lua/net/options.lua",
    ["net.pipe"] = "lua/net/pipe.lua",
    ["net.process"] = "lua/net/process.lua",
    ["net.sendfile"] = "lua/net/sendfile.lua",
    ["net.server"] = "lua/net/server.lua",
    ["net.socket"] = "lua/net/socket.lua",
    ["net.socketaddress"] = "lua/net/socketaddress.lua",
    ["net.timers"] = "lua/net/timers.lua",
    ["net.url"] = "lua/net/url.lua",
    ["net.validate"] = "lua/net/validate.lua",
    ["net.wait"] = "lua/net/wait.lua",
    ["net.core"] = {
      sources = {
        "src/accept.c",
        "src/addr.c",
        "src/bind.c",
        "src/blocklist.c",
        "src/book.c",
        "src/bound.c",
        "src/core.c",
        "src/dial.c",
        "src/emitter.c",
        "src/encoding.c",
        "src/error.c",
        "src/exit.c",
        "src/fields.c",
        "src/finish.c",
        "src/listen.c",
        "src/listeners.c",
        "src/loop.c",
        "src/object.c",
        "src/piece.c",
        "src/pool.c",
        "src/pump.c",
        "src/queue.c",
        "src/readable.c",
        "src/readbuffer.c",
        "src/resolve.c",
        "src/rules.c",
        "src/sendfile.c",
        "src/server.c",
        "src/signal.c",
        "src/socket.c",
        "src/socketaddress.c",
        "src/source.c",
        "src/spans.c",
        "src/steps.c",
        "src/stream.c",
        "src/sys.c",
        "src/timer.c",
        "src/uncaught.c",
        "src/writable.c",
        "src/writequeue.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "ev", "pthread" },
      incdirs = { "$(EV_INCDIR)" },
      libdirs = { "$(EV_LIBDIR)" },
    },
  },
  install = {
    bin = { "bin/luanet" },
  },
}
