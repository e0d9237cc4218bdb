-- SPDX-License-Identifier: MIT

--- Cases of ../cases.lua: what its objects and functions are.

local socket = require("socket")
local unix = require("socket.unix")

return function(h)
  local case, keys, method, pair, show, try = h.case, h.keys, h.method, h.pair, h.show, h.try

  case("what a tcp object is", function()
    local master = socket.tcp()
    show("tostring", tostring(master))
    show("class", master.class)
    show("type", type(master))
    show("family", master:getfamily())
    show("fd", master:getfd())
    show("no such field", master.nothing)
    show("tcp4", tostring(socket.tcp4()), socket.tcp4():getfamily(), socket.tcp4():getfd() > 0)
    show("tcp6", tostring(socket.tcp6()), socket.tcp6():getfamily())
    local client, peer, server = pair()
    show("client", tostring(client), client.class, client:getfamily())
    show("peer", tostring(peer), peer.class, peer:getfamily())
    show("server", tostring(server), server.class, server:getfamily())
    show("methods", keys(getmetatable(client).__index))
    show("metatable", keys(getmetatable(client)))
  end)

  case("the module", function()
    for _, name in ipairs { "tcp", "tcp4", "tcp6", "connect", "connect4", "connect6", "bind",
      "sleep", "gettime", "select", "try", "newtry", "protect", "skip", "choose", "sink", "source",
      "sinkt", "sourcet", "dns", "udp", "udp4", "udp6", "_VERSION", "BLOCKSIZE", "_SETSIZE",
      "_DATAGRAMSIZE", "_SOCKETINVALID" } do
      show(name, type(socket[name]))
    end
    show("values", socket.BLOCKSIZE, socket._VERSION, socket._SETSIZE)
    show("dns", keys(socket.dns))
    show("sinkt", keys(socket.sinkt))
    show("sourcet", keys(socket.sourcet))
    show("unix", type(unix), type(unix.stream), type(unix.tcp), type(unix.dgram), type(unix.udp))
  end)

  case("methods of another class", function()
    local client, _, server = pair()
    local master = socket.tcp()
    local all = getmetatable(master).__index
    for _, name in ipairs { "send", "receive", "getpeername", "shutdown", "accept", "listen",
      "bind", "connect", "getsockname", "dirty", "getstats", "setstats", "settimeout",
      "gettimeout", "getfd", "getoption", "setpeername", "setsockname", "setoption", "close",
      "setfd", "getfamily" } do
      method("master", master, name)
      method("table", { [name] = all[name] }, name)
    end
    for _, name in ipairs { "accept", "listen", "bind" } do
      method("client", client, name, "127.0.0.1", 0)
    end
    for _, name in ipairs { "send", "receive", "getpeername", "shutdown", "bind" } do
      method("server", server, name, "127.0.0.1", 0)
    end
    method("server", server, "connect", "127.0.0.1", 1)
  end)

  case("method calls of another class", function()
    local client, _, server = pair()
    local master = socket.tcp()
    try("master:send", function() return master:send("x") end)
    try("server:receive", function() return server:receive() end)
    try("client:accept", function() return client:accept() end)
    try("getfd of a file", function()
      return select(2, pcall(master.getfd, io.stdout)):match("%(.*") -- crashes where it is wrong
    end)
  end)

  case("stats", function()
    local client, peer = pair()
    client:send("0123456789")
    local received, sent, age = client:getstats()
    show("client", received, sent, age >= 0 and age < 5)
    peer:receive(3)
    received, sent, age = peer:getstats()
    show("peer", received, sent, age >= 0 and age < 5)
    show("set", peer:setstats(7, 8, 100))
    received, sent, age = peer:getstats()
    show("peer", received, sent, age >= 100 and age < 105)
    show("set some", peer:setstats(1))
    received, sent = peer:getstats()
    show("peer", received, sent)
    show("set none", peer:setstats())
    method("master", socket.tcp(), "getstats")
  end)

  case("dirty", function()
    local client, peer = pair()
    show("nothing", peer:dirty())
    client:send("one\ntwo\n")
    show("unread", peer:dirty())
    peer:receive()
    show("half", peer:dirty())
    peer:receive()
    show("empty", peer:dirty())
  end)

  case("fd", function()
    local client, peer = pair()
    local other = socket.tcp()
    show("numbers", client:getfd() > 2, peer:getfd() > 2, other:getfd())
    show("setfd", other:setfd(client:getfd()))
    show("same", other:getfd() == client:getfd())
    show("setfd -1", client:setfd(-1))
    show("moved", client:getfd())
    method("send", other, "send", "x")
    show("closed", client:send("x"))
    method("setfd word", other, "setfd", "x")
    method("setfd nil", other, "setfd")
  end)
end
