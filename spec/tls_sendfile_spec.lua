-- SPDX-License-Identifier: MIT

--- sendFile() over TLS, by copying: its place among the writes, and what cannot be sent. What was cut
--- off does not look whole to who asks for the peer's word that it was all.

local co = require("net.co")
local pair = require("spec.support.tlspair")
local tasks = require("spec.support.tlstasks")
local within = require("spec.support").within

local BIG = ("0123456789abcdef"):rep(1 << 18) -- 4 MiB

local function file_with(t, content)
  local path = t.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  file:write(content)
  return path
end

for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
  describe("sendFile() over " .. version, function()
    --- What a client gets that waits for all of it, and the callbacks of what was written.
    local function get(t, say)
      local log = {}
      local server = pair.listen({ minVersion = version, maxVersion = version }, function(socket)
        pair.watch(log, socket, { "error", "close" })
        say(socket, function(name) return pair.callback(log, name) end)
      end)
      local client = pair.connect(server, { requireCloseNotify = true })
      local got, failed = {}, nil
      client:on("data", function(chunk) got[#got + 1] = chunk end)
      client:on("error", function(err) failed = err.code end)
      client:on("close", t.calls(1, function() server:close() end))
      t.run()
      return table.concat(got), log, failed
    end

    it("keeps its place among the writes, whole or in part", within(function(t)
      local path = file_with(t, BIG)
      local got, log = get(t, function(socket, note)
        socket:write("head ", note("head"))
        socket:sendFile(path, 5, 3000000, note("part"))
        socket:write(" between ", note("between"))
        socket:sendFile(path, note("whole"))
        socket:finish(" tail", note("tail"))
      end)
      assert.is_true(got == "head " .. BIG:sub(6, 3000005) .. " between " .. BIG .. " tail")
      assert.same({ "head", "part", "between", "whole", "tail", "close false" }, log)
    end))

    it("of a file that gets shorter fails, and does not say that this was all", within(function(t)
      local path = file_with(t, BIG)
      local got, log, failed = get(t, function(socket, note)
        socket:sendFile(path, note("file"))
        io.open(path, "wb"):close()
      end)
      assert.is_true(#got < #BIG)
      assert.same({ "file ERR_FILE_TOO_SHORT", "error ERR_FILE_TOO_SHORT", "close true" }, log)
      assert.equal("ERR_SSL_UNEXPECTED_EOF_WHILE_READING", failed)
    end))

    it("of no file tells its callback, and there may be another answer", within(function(t)
      local got, log, failed = get(t, function(socket, note)
        socket:sendFile("/nowhere/at/all", function(err)
          note("file")(err)
          socket:finish("not here")
        end)
      end)
      assert.same({ "not here", { "file ENOENT", "close false" } }, { got, log, failed })
    end))

    it("of no file without a callback does not say that this was all", within(function(t)
      local _, log, failed = get(t, function(socket)
        socket:write("head")
        socket:sendFile("/nowhere/at/all")
      end)
      assert.same({ "error ENOENT", "close true" }, log)
      assert.matches("^E", failed)
    end))

    it("to who has gone tells its callback", tasks.in_task(function(t)
      local path, told, over = file_with(t, BIG:rep(10)), nil, co.queue()
      local server <close>, port = tasks.serve(function(socket)
        socket:sendFile(path, function(err) told = err and err.code end)
        co.finished(socket)
        over:put(true)
      end, { minVersion = version, maxVersion = version })
      local client = assert(tasks.connect(port))
      client:receive(10)
      client:resetAndDestroy()
      over:get()
      assert.matches("^E", told)
      server:close()
    end))
  end)
end
