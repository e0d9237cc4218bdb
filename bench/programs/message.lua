-- SPDX-License-Identifier: MIT

--- The messages of the bench, of about that many bytes as JSON; message.js has the same.
--- A short one is a request. A longer one also has either records, many small tables, or
--- a text, lines with quotes in them.

local LINE = 'GET /index/of/something.html HTTP/1.1" 200 512 "-" "curl/8.0"\n'

---@param bytes integer
---@param is_text? boolean
local function message(bytes, is_text)
  local m = { id = 1234567, cmd = "request", path = "/index/of/something.html", ok = true,
    tags = { "alpha", "beta" } }
  if bytes > 100 then
    m.ratio = 0.25
    m.user = { name = "Zoë", age = 42 }
  end
  if is_text then
    m.text = LINE:rep((bytes - 160) // (#LINE + 6))
  elseif bytes > 100 then
    m.items = {}
    for i = 1, (bytes - 160) // 86 do
      m.items[i] = { id = i, name = "item number " .. i, price = i * 1.25,
        tags = { "x", "y", i }, text = 'a "q"\n' }
    end
  end
  return m
end

return message
