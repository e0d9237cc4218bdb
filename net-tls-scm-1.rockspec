rockspec_format = "3.0"
package = "net-tls"
version = "scm-1"

source = {
  url = ".", -- `luarocks make` builds the tree it stands in
}

description = {
  summary = "Node's tls module for Lua: encrypted servers and clients on net's sockets",
  detailed = [[
    net.tls, beside net.core: OpenSSL below the sockets and servers of the rock net, with the
    names, the order of events and the error codes of Node's tls module; and LuaSec's API
    over the LuaSocket of net. So net itself needs no OpenSSL.]],
  license = "MIT",
  labels = { "network", "tls", "ssl", "openssl", "async", "event-loop" },
}

supported_platforms = { "unix" }

dependencies = { "lua >= 5.4, < 5.5", "net >= 0.3.0" }

external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
}

build = {
  type = "make",
  build_target = "build/rock-tls/net/tls/core.so",
  install_pass = false,
  build_variables = {
    BUILD = "build/rock-tls",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    CPPFLAGS = "-I'$(OPENSSL_INCDIR)'",
    DEPS = "true", -- what is missing is for the user to install
    LDFLAGS = "-L'$(OPENSSL_LIBDIR)'",
    LUA = "$(LUA)",
    LUA_CFLAGS = "-I'$(LUA_INCDIR)'",
  },
  install = {
    lib = { ["net.tls.core"] = "build/rock-tls/net/tls/core.so" },
    -- spec/rockspec_spec.lua checks that these are all the files there are.
    lua = {
      ["net.internal.luasec.connection"] = "lua/net/internal/luasec/connection.lua",
      ["net.internal.luasec.context"] = "lua/net/internal/luasec/context.lua",
      ["net.internal.tls.alpn"] = "lua/net/internal/tls/alpn.lua",
      ["net.internal.tls.authorities"] = "lua/net/internal/tls/authorities.lua",
      ["net.internal.tls.connect"] = "lua/net/internal/tls/connect.lua",
      ["net.internal.tls.connection"] = "lua/net/internal/tls/connection.lua",
      ["net.internal.tls.context"] = "lua/net/internal/tls/context.lua",
      ["net.internal.tls.errors"] = "lua/net/internal/tls/errors.lua",
      ["net.internal.tls.hello"] = "lua/net/internal/tls/hello.lua",
      ["net.internal.tls.identity"] = "lua/net/internal/tls/identity.lua",
      ["net.internal.tls.over"] = "lua/net/internal/tls/over.lua",
      ["net.internal.tls.psk"] = "lua/net/internal/tls/psk.lua",
      ["net.internal.tls.server"] = "lua/net/internal/tls/server.lua",
      ["net.internal.tls.sessions"] = "lua/net/internal/tls/sessions.lua",
      ["net.internal.tls.socket"] = "lua/net/internal/tls/socket.lua",
      ["net.internal.tls.state"] = "lua/net/internal/tls/state.lua",
      ["net.internal.tls.verdict"] = "lua/net/internal/tls/verdict.lua",
      ["net.internal.tls.versions"] = "lua/net/internal/tls/versions.lua",
      ["net.internal.tls.tasks"] = "lua/net/internal/tls/tasks.lua",
      ["net.luasec"] = "lua/net/luasec.lua",
      ["net.luasec.https"] = "lua/net/luasec/https.lua",
      ["net.tls"] = "lua/net/tls.lua",
    },
  },
}
