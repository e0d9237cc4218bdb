rockspec_format = "3.0"
package = "net"
version = "0.3.0-1"

source = {
  url = ".", -- `luarocks make` builds the tree it stands in, which is that of
  tag = "v0.3.0", -- this tag; to publish it, write the repository's address there
}

description = {
  summary = "Node's net module for Lua: TCP and Unix-socket servers and clients on libev",
  detailed = [[
    Servers and sockets with the names, the order of events and the error codes of Node's
    net module, and its timers, process events, look-ups and abort signals as far as those
    go with it: a C extension over libev. On the same sockets: tasks, in which code waits
    instead of calling back, child processes with messages and handles, clusters, and
    LuaSocket's API. TLS is the rock net-tls. No UDP; for Linux, and meant to work on other
    Unixes. Comes with luanet, which runs a script and then the loop.]],
  license = "MIT",
  labels = { "network", "socket", "tcp", "async", "event-loop", "libev" },
}

supported_platforms = { "unix" }

dependencies = { "lua >= 5.4, < 5.5" }

external_dependencies = {
  EV = { header = "ev.h", library = "ev" },
}

-- Not "builtin": the Lua modules are compiled, too, and go into the core. And not
-- installed by make, which is told a wrong folder when luarocks packs what it makes.
build = {
  type = "make",
  build_target = "core", -- net.tls is a rock of its own, net-tls
  install_pass = false,
  copy_directories = { "include" }, -- net_capi.h, for other libraries in C
  build_variables = {
    BUILD = "build/rock",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    CPPFLAGS = "-I'$(EV_INCDIR)'",
    DEPS = "true", -- what is missing is for the user to install
    LDFLAGS = "-L'$(EV_LIBDIR)'",
    LUA = "$(LUA)",
    LUA_CFLAGS = "-I'$(LUA_INCDIR)'",
  },
  install = {
    bin = { "bin/luanet" },
    lib = { ["net.core"] = "build/rock/net/core.so" },
    -- spec/rockspec_spec.lua checks that these are all the files there are.
    lua = {
      ["net"] = "lua/net/init.lua",
      ["net.abort"] = "lua/net/abort.lua",
      ["net.child"] = "lua/net/child.lua",
      ["net.cluster"] = "lua/net/cluster.lua",
      ["net.co"] = "lua/net/co.lua",
      ["net.dns"] = "lua/net/dns.lua",
      ["net.events"] = "lua/net/events.lua",
      ["net.internal.address.blocklist"] = "lua/net/internal/address/blocklist.lua",
      ["net.internal.address.boundsocket"] = "lua/net/internal/address/boundsocket.lua",
      ["net.internal.address.socketaddress"] = "lua/net/internal/address/socketaddress.lua",
      ["net.internal.args"] = "lua/net/internal/args.lua",
      ["net.internal.cluster.fifo"] = "lua/net/internal/cluster/fifo.lua",
      ["net.internal.cluster.keys"] = "lua/net/internal/cluster/keys.lua",
      ["net.internal.cluster.listens"] = "lua/net/internal/cluster/listens.lua",
      ["net.internal.cluster.primary"] = "lua/net/internal/cluster/primary.lua",
      ["net.internal.cluster.reload"] = "lua/net/internal/cluster/reload.lua",
      ["net.internal.cluster.respawn"] = "lua/net/internal/cluster/respawn.lua",
      ["net.internal.cluster.roundrobin"] = "lua/net/internal/cluster/roundrobin.lua",
      ["net.internal.cluster.settings"] = "lua/net/internal/cluster/settings.lua",
      ["net.internal.cluster.shared"] = "lua/net/internal/cluster/shared.lua",
      ["net.internal.cluster.sharedhandle"] = "lua/net/internal/cluster/sharedhandle.lua",
      ["net.internal.cluster.worker"] = "lua/net/internal/cluster/worker.lua",
      ["net.internal.errorclass"] = "lua/net/internal/errorclass.lua",
      ["net.internal.errors"] = "lua/net/internal/errors.lua",
      ["net.internal.eventwaits"] = "lua/net/internal/eventwaits.lua",
      ["net.internal.idna"] = "lua/net/internal/idna.lua",
      ["net.internal.inspect"] = "lua/net/internal/inspect.lua",
      ["net.internal.json"] = "lua/net/internal/json.lua",
      ["net.internal.jsonerrors"] = "lua/net/internal/jsonerrors.lua",
      ["net.internal.lazy"] = "lua/net/internal/lazy.lua",
      ["net.internal.literals"] = "lua/net/internal/literals.lua",
      ["net.internal.luasocket.class"] = "lua/net/internal/luasocket/class.lua",
      ["net.internal.luasocket.except"] = "lua/net/internal/luasocket/except.lua",
      ["net.internal.luasocket.names"] = "lua/net/internal/luasocket/names.lua",
      ["net.internal.luasocket.options"] = "lua/net/internal/luasocket/options.lua",
      ["net.internal.luasocket.receive"] = "lua/net/internal/luasocket/receive.lua",
      ["net.internal.luasocket.select"] = "lua/net/internal/luasocket/select.lua",
      ["net.internal.luasocket.send"] = "lua/net/internal/luasocket/send.lua",
      ["net.internal.luasocket.streams"] = "lua/net/internal/luasocket/streams.lua",
      ["net.internal.luasocket.tcp"] = "lua/net/internal/luasocket/tcp.lua",
      ["net.internal.luasocket.wait"] = "lua/net/internal/luasocket/wait.lua",
      ["net.internal.luasocket.words"] = "lua/net/internal/luasocket/words.lua",
      ["net.internal.numbers"] = "lua/net/internal/numbers.lua",
      ["net.internal.onabort"] = "lua/net/internal/onabort.lua",
      ["net.internal.options"] = "lua/net/internal/options.lua",
      ["net.internal.process.channel"] = "lua/net/internal/process/channel.lua",
      ["net.internal.process.kept"] = "lua/net/internal/process/kept.lua",
      ["net.internal.process.lines"] = "lua/net/internal/process/lines.lua",
      ["net.internal.process.queue"] = "lua/net/internal/process/queue.lua",
      ["net.internal.process.own"] = "lua/net/internal/process/own.lua",
      ["net.internal.process.options"] = "lua/net/internal/process/options.lua",
      ["net.internal.process.start"] = "lua/net/internal/process/start.lua",
      ["net.internal.process.stdio"] = "lua/net/internal/process/stdio.lua",
      ["net.internal.public"] = "lua/net/internal/public.lua",
      ["net.internal.process.arrivals"] = "lua/net/internal/process/arrivals.lua",
      ["net.internal.process.activated"] = "lua/net/internal/process/activated.lua",
      ["net.internal.process.handover"] = "lua/net/internal/process/handover.lua",
      ["net.internal.process.takeover"] = "lua/net/internal/process/takeover.lua",
      ["net.internal.process.replace"] = "lua/net/internal/process/replace.lua",
      ["net.internal.process.talk"] = "lua/net/internal/process/talk.lua",
      ["net.internal.process.notify"] = "lua/net/internal/process/notify.lua",
      ["net.internal.process.counting"] = "lua/net/internal/process/counting.lua",
      ["net.internal.process.greeting"] = "lua/net/internal/process/greeting.lua",
      ["net.internal.process.handles"] = "lua/net/internal/process/handles.lua",
      ["net.internal.server.drain"] = "lua/net/internal/server/drain.lua",
      ["net.internal.server.listen"] = "lua/net/internal/server/listen.lua",
      ["net.internal.server.server"] = "lua/net/internal/server/server.lua",
      ["net.internal.socket.attempt"] = "lua/net/internal/socket/attempt.lua",
      ["net.internal.socket.connect"] = "lua/net/internal/socket/connect.lua",
      ["net.internal.socket.duplexpair"] = "lua/net/internal/socket/duplexpair.lua",
      ["net.internal.socket.options"] = "lua/net/internal/socket/options.lua",
      ["net.internal.socket.pipe"] = "lua/net/internal/socket/pipe.lua",
      ["net.internal.socket.sendfile"] = "lua/net/internal/socket/sendfile.lua",
      ["net.internal.socket.socket"] = "lua/net/internal/socket/socket.lua",
      ["net.internal.task.children"] = "lua/net/internal/task/children.lua",
      ["net.internal.task.errors"] = "lua/net/internal/task/errors.lua",
      ["net.internal.task.group"] = "lua/net/internal/task/group.lua",
      ["net.internal.task.listen"] = "lua/net/internal/task/listen.lua",
      ["net.internal.task.messages"] = "lua/net/internal/task/messages.lua",
      ["net.internal.task.queue"] = "lua/net/internal/task/queue.lua",
      ["net.internal.task.servers"] = "lua/net/internal/task/servers.lua",
      ["net.internal.task.several"] = "lua/net/internal/task/several.lua",
      ["net.internal.task.sockets"] = "lua/net/internal/task/sockets.lua",
      ["net.internal.task.waiting"] = "lua/net/internal/task/waiting.lua",
      ["net.internal.url"] = "lua/net/internal/url.lua",
      ["net.internal.validate"] = "lua/net/internal/validate.lua",
      ["net.internal.wait"] = "lua/net/internal/wait.lua",
      ["net.luasocket"] = "lua/net/luasocket.lua",
      ["net.meta"] = "lua/net/meta.lua",
      ["net.process"] = "lua/net/process.lua",
      ["net.timers"] = "lua/net/timers.lua",
    },
  },
}
