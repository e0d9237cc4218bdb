-- SPDX-License-Identifier: MIT

--- The messages of the bench, of about that many bytes as JSON; message.js has the same.

local function message(bytes)
  local m = { id = 1234567, cmd = "request", path = "/index/of/something.html", ok = true,
    tags = { "alpha", "beta" } }
  if bytes > 100 then
    m.ratio = 0.25
    m.user = { name = "Zoë", age = 42 }
    m.items = {}
    for i = 1, (bytes - 160) // 86 do
      m.items[i] = { id = i, name = "item number " .. i, price = i * 1.25,
        tags = { "x", "y", i }, text = 'a "q"\n' }
    end
  end
  return m
end

return message
