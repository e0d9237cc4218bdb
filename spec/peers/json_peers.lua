-- SPDX-License-Identifier: MIT

--- core.json against a real JSON.parse and JSON.stringify, on random texts and values.

require("net")
local core = require("net.core")
local jsonrandom = require("spec.support.jsonrandom")
local node = require("spec.support.node")
local process = require("spec.support.process")
local within = require("spec.support").within

local ROUNDS = tonumber(os.getenv("NET_JSON_FUZZ")) or 10000
local SEED = tonumber(os.getenv("NET_JSON_SEED")) or 1

local encode, decode, null = core.json.encode, core.json.decode, core.json.null

--- Reads texts, hexadecimal, from a file, and prints for each either a canonical form of
--- its value or the error's message; and what JSON.stringify makes of it.
local SCRIPT = [[
const hex = (s) => Buffer.from(s).toString("hex");
const bits = Buffer.alloc(8);
const canonical = (v) => {
  if (typeof v === "number") {
    bits.writeDoubleBE(v === 0 ? 0 : v);
    return "n" + bits.toString("hex");
  }
  if (typeof v === "string") return "s" + hex(v);
  if (Array.isArray(v)) return "[" + v.map(canonical).join() + "]";
  if (v === null || typeof v !== "object") return String(v);
  const fields = new Map();
  for (const name of Object.keys(v)) {
    const key = hex(name);
    if (fields.has(key)) throw new Error("skip"); // two halves of pairs are one in UTF-8
    fields.set(key, v[name]);
  }
  return "{" + [...fields].filter(([, value]) => value !== null)
    .map(([name, value]) => name + ":" + canonical(value)).sort().join() + "}";
};
for (const line of require("fs").readFileSync(process.argv[2], "latin1").split("\n").slice(0, -1)) {
  const text = Buffer.from(line, "hex").toString();
  try {
    const value = JSON.parse(text);
    console.log("ok", hex(JSON.stringify(value)), canonical(value));
  } catch (e) {
    console.log(e.message === "skip" ? "skip" : "no " + hex(e.message));
  }
}
]]

local function hex(s)
  return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function canonical(v)
  if type(v) == "number" then
    return "n" .. hex(string.pack(">d", v == 0 and 0 or v))
  elseif type(v) == "string" then
    return "s" .. hex(v)
  elseif v == null or type(v) == "boolean" then
    return tostring(v)
  end
  local parts = {}
  if getmetatable(v) then -- only arrays have one
    for i = 1, #v do
      parts[i] = canonical(v[i])
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for name, value in pairs(v) do
    parts[#parts + 1] = hex(name) .. ":" .. canonical(value)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

--- Node's answers to texts, one each.
local function ask(t, binary, texts)
  local path = t.tmpname()
  local file = assert(io.open(path, "w"))
  for _, text in ipairs(texts) do
    file:write(hex(text), "\n")
  end
  file:close()
  local program = process.spawn(node.command(binary, node.script(t, SCRIPT), path))
  local output, code = program:finish()
  assert.equal(0, code)
  local answers = {}
  for line in output:gmatch("[^\n]+") do
    answers[#answers + 1] = line
  end
  assert.equal(#texts, #answers)
  return answers
end

local function unhex(s)
  return (s:gsub("..", function(byte) return string.char(tonumber(byte, 16)) end))
end

describe("core.json beside a real JSON", function()
  node.each(function(binary, name, version)
    it("reads what it reads, and refuses the rest in its words: " .. name, within(function(t)
      local random, texts = jsonrandom.new(SEED), {}
      for i = 1, ROUNDS do
        texts[i] = random:text()
        texts[i] = i % 3 == 0 and texts[i] or random:mutated(texts[i])
      end
      for i, answer in ipairs(ask(t, binary, texts)) do
        local value, problem = decode(texts[i])
        local kind, first, second = answer:match("^(%w+) ?(%x*) ?(.*)$")
        if kind == "ok" then
          assert(problem == nil, ("%q: %s"):format(texts[i], problem))
          assert.equal(second, canonical(value), ("%q"):format(texts[i]))
        elseif kind == "no" then
          assert(problem, ("%q is taken"):format(texts[i]))
          if version == 26 then -- the words of Node 20 are others
            assert.equal(unhex(first), problem, ("%q"):format(texts[i]))
          end
        end
      end
    end))

    it("writes what it writes: " .. name, within(function(t)
      local random, texts = jsonrandom.new(SEED), {}
      for i = 1, ROUNDS // 4 do
        local list = core.json.array({})
        for at = 1, 4 do -- no objects, of which the order is nobody's
          local value = at == 1 and random:float() or at == 2 and random:value(0, null)
            or unhex(hex(random:text(0)))
          if type(value) == "number" and math.abs(value) >= 2^53 and math.abs(value) < 1e21 then
            value = 0.5 -- Node writes these out
          end
          list[at] = value
        end
        texts[i] = encode(list)
      end
      for i, answer in ipairs(ask(t, binary, texts)) do
        assert.equal("ok " .. hex(texts[i]), answer:match("^%w+ %x+"), texts[i])
      end
    end))
  end)
end)
