-- SPDX-License-Identifier: MIT

--- A bar chart as SVG: a bar for each row, with its spread.

local chart = {}

local WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 720, 130, 70, 62, 30, 18 -- pixels
local COLOURS = { net = "#2563a8", tls = "#2563a8", base = "#777777", other = "#b9c4d0" }

local function escape(s)
  return (s:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function text(x, y, anchor, size, s, extra)
  return ('<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d"%s>%s</text>'):format(
    x, y, anchor, size, extra or "", escape(s))
end

local function line(x1, y1, x2, y2, style)
  return ('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>'):format(x1, y1, x2, y2, style)
end

--- A round number of steps of 1, 2 or 5 that cover `most`.
local function step_of(most)
  local step = 10.0 ^ math.floor(math.log(most, 10))
  for _, part in ipairs { 0.1, 0.2, 0.5, 1 } do
    if most / (step * part) <= 8 then
      return step * part
    end
  end
  return step
end

--- How far it all reaches: the least, 0 or below it, and the most.
local function extent(c)
  local least, most = 0, 0
  for _, row in ipairs(c.rows) do
    local v = row.value or { low = 0, high = 0 }
    least = math.min(least, v.low)
    most = math.max(most, v.high)
  end
  return least, most > least and most or 1
end

--- 'at' is where a value is drawn.
local function axis(out, c, at, bottom)
  local least, most = extent(c)
  local step = step_of(most - least)
  for i = math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9) do
    local x = at(i * step)
    out[#out + 1] = line(x, TOP, x, bottom, 'stroke="#e4e4e4"')
    out[#out + 1] = text(x, bottom + 14, "middle", 11, ("%.6g"):format(i * step))
  end
  out[#out + 1] = text(LEFT, bottom + 32, "start", 11, c.axis)
end

local function bar(out, c, row, y, at)
  local middle = y + BAR / 2
  out[#out + 1] = text(LEFT - 8, middle + 4, "end", 13, row.name,
    (row.who == "net" or row.who == "tls") and ' font-weight="bold"' or nil)
  if not row.value then
    out[#out + 1] = text(LEFT + 4, middle + 4, "start", 11, "- " .. (row.absent or ""))
    return
  end
  local v = row.value
  local x1, x2 = at(v.low), at(v.high)
  out[#out + 1] = ('<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>'):format(
    at(math.min(0, v.median)), y, math.abs(at(v.median) - at(0)), BAR,
    COLOURS[row.who] or row.who == c.base and COLOURS.base or COLOURS.other)
  out[#out + 1] = line(x1, middle, x2, middle, 'stroke="#111"')
  for _, x in ipairs { x1, x2 } do
    out[#out + 1] = line(x, middle - 4, x, middle + 4, 'stroke="#111"')
  end
  out[#out + 1] = text(x2 + 6, middle + 4, "start", 12, c.format:format(v.median))
end

--- The SVG text.
---@param c table {title, subtitle, note, axis, format, base, rows}
function chart.bars(c)
  local bottom = TOP + #c.rows * ROW
  local least, most = extent(c)
  local function at(value)
    return LEFT + (value - least) * (WIDTH - LEFT - RIGHT) / (most - least)
  end
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
      .. 'font-family="sans-serif" fill="#222">'):format(WIDTH, bottom + 64, WIDTH, bottom + 64),
    '<rect width="100%" height="100%" fill="white"/>',
    text(16, 24, "start", 16, c.title, ' font-weight="bold"'),
    text(16, 44, "start", 12, c.subtitle),
  }
  axis(out, c, at, bottom)
  for i, row in ipairs(c.rows) do
    bar(out, c, row, TOP + (i - 1) * ROW + (ROW - BAR) / 2, at)
  end
  out[#out + 1] = text(16, bottom + 54, "start", 10, c.note, ' fill="#777"')
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n") .. "\n"
end

return chart
