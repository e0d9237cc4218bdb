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

-- What make is told, twice, as what was built with other settings is built anew.
local variables = {
  BINDIR = "$(BINDIR)",
  BUILD = "build/rock",
  CC = "$(CC)",
  CFLAGS = "$(CFLAGS)",
  CPPFLAGS = "-I$(EV_INCDIR)",
  DEPS = "true", -- what is missing is for the user to install
  LDFLAGS = "-L$(EV_LIBDIR)",
  LIBDIR = "$(LIBDIR)",
  LUA = "$(LUA)",
  LUADIR = "$(LUADIR)",
  LUA_CFLAGS = "-I$(LUA_INCDIR)",
}

-- Not "builtin": the Lua modules are compiled, too, and go into the core.
build = { type = "make", build_variables = variables, install_variables = variables }
