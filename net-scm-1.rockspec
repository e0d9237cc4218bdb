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
    ["net.core"] = {
      sources = {
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
