-- SPDX-License-Identifier: MIT

-- TLS with Python's ssl, which is told not to take a bare end of a connection for one that the peer
-- has told (suppress_ragged_eofs=False), both ways, in 1.2 and 1.3: ends, and halves of them.

local certificates = require("spec.support.certificates")
local co = require("net.co")
local daemons = require("spec.support.daemons")
local kids = require("spec.support.kids")
local pair = require("spec.support.tlspair")
local tlstasks = require("spec.support.tlstasks")

local connect, in_task, serve = tlstasks.connect, tlstasks.in_task, tlstasks.serve

local EOF_CODE = "ERR_SSL_UNEXPECTED_EOF_WHILE_READING"

-- Plays what it is told to, step by step, and says what it hears.
local PYTHON = [[
import socket, ssl, sys
role, version, port, cafile, cert, key = sys.argv[1:7]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if role == "server" else ssl.PROTOCOL_TLS_CLIENT)
context.load_cert_chain(cert, key)
context.load_verify_locations(cafile)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
if role == "server":
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    plain, more = listener.accept()[0], {"server_side": True}
else:
    plain, more = socket.create_connection(("127.0.0.1", int(port))), {"server_hostname": "localhost"}
s = context.wrap_socket(plain, suppress_ragged_eofs=False, **more)
for step in sys.argv[7:]:
    verb, _, rest = step.partition(" ")
    if verb == "some":
        s.recv(65536)
    elif verb == "send":
        s.sendall(rest.encode() * 3)
    elif verb == "all":
        got, how = b"", "all"
        try:
            while chunk := s.recv(65536):
                got += chunk
        except ssl.SSLZeroReturnError:
            pass # the same, where it has said its own end
        except ssl.SSLEOFError:
            how = "cut"
        print(how, got.decode(), flush=True)
    elif verb == "unwrap":
        s.unwrap()
        print("unwrapped", flush=True)
    elif verb == "half":
        s.setblocking(False)
        try:
            s.unwrap()
        except ssl.SSLWantReadError:
            s.setblocking(True)
s.close()
]]

--- Python does `steps` with a connection in that role, and `play(socket)` is our side: what Python
--- has said.
local function meet(role, version, options, steps, play)
  local path = certificates.write("py", PYTHON)
  local function start(port)
    return kids.start("python3 -u %s", kids.words(path, role, version, port, pair.ca.path,
      pair.server.path, pair.server.key_path, table.unpack(steps)))
  end
  if role == "server" then
    local kid <close> = start(0)
    play(assert(connect(math.tointeger(kid:expect("^port (%d+)$")), options)))
    return (kid:finish(""))
  end
  local done = co.queue()
  local server <close>, port = serve(function(socket)
    done:put({ pcall(play, socket) })
    socket:finish()
  end, options)
  local kid <close> = start(port)
  local said = kid:finish("")
  assert(table.unpack(done:get()))
  assert(server)
  return said
end

describe("Python's ssl", function()
  if not daemons.has("python3") then
    return pending("no python3 here", function() end)
  end

  --- `it` for each role of Python's and each version.
  local function each(text, fn)
    for _, role in ipairs({ "client", "server" }) do
      for _, version in ipairs({ "TLSv1_2", "TLSv1_3" }) do
        it(("%s, as a %s in %s"):format(text, role, version), in_task(function() fn(role, version) end))
      end
    end
  end

  each("hears a whole end of ours, and we its", function(role, version)
    local steps = { "send x", "all", "unwrap" }
    assert.equal("all bye\nunwrapped\n", meet(role, version, { requireCloseNotify = true }, steps,
      function(socket)
        assert.equal("xxx", socket:receive(3))
        socket:send("bye")
        socket:finish()
        assert.equal("", socket:receive("all"))
        assert.is_true(socket.closeNotifyReceived)
      end))
  end)

  each("hears that ours was none where we have only gone", function(role, version)
    assert.equal("cut bye\n", meet(role, version, nil, { "send x", "all" }, function(socket)
      assert.equal("xxx", socket:receive(3))
      socket:send("bye")
      socket:flush()
      socket:destroy()
    end))
  end)

  each("tells no end that way: we have what came before, and know it if we want to", function(role, version)
    local steps = { "some", "send bye" } -- a close over session tickets that wait would be a reset
    assert.equal("", meet(role, version, nil, steps, function(socket)
      socket:send("go")
      assert.equal("byebyebye", socket:receive("all"))
      assert.is_false(socket.closeNotifyReceived)
    end))
    assert.equal("", meet(role, version, { requireCloseNotify = true }, steps, function(socket)
      socket:send("go")
      assert.equal("byebyebye", socket:receive(9))
      assert.equal(EOF_CODE, select(2, socket:receive("all")).code)
    end))
  end)

  each("may send on behind our end", function(role, version)
    assert.equal("all bye\nunwrapped\n", meet(role, version, nil, { "all", "send later", "unwrap" }, function(socket)
      socket:send("bye")
      socket:finish()
      assert.equal("laterlaterlater", socket:receive("all"))
      assert.is_true(socket.closeNotifyReceived)
    end))
  end)

  each("hears on behind its end", function(role, version)
    assert.equal("all later\n", meet(role, version, { allowHalfOpen = true }, { "send bye", "half", "all" },
      function(socket)
        assert.equal("byebyebye", socket:receive("all"))
        assert.is_true(socket.closeNotifyReceived)
        socket:send("later")
        socket:finish()
      end))
  end)
end)
