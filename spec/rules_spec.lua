-- SPDX-License-Identifier: MIT

--- The rules of a BlockList (src/address/rules.c), at random and in number: they are to say what Node's say
--- (spec/data/blocklist_golden.lua), and what the same rules say when they are looked at one by one.

local lua = require("spec.support.lua")
local model = require("spec.support.blocklist_model")
local net = require("net")
local golden = dofile((debug.getinfo(1, "S").source:match("^@(.*)rules_spec") or "spec/")
  .. "data/blocklist_golden.lua")

local BlockList, SocketAddress = net.BlockList, net.SocketAddress

local function family_of(text)
  return text:find(":") and "ipv6" or "ipv4"
end

local function address(text)
  return SocketAddress({ address = text, family = family_of(text) })
end

--- Which of the addresses a list blocks, separated by blanks.
local function blocked(list, ...)
  local out = {}
  for _, text in ipairs({ ... }) do
    if list:check(text, family_of(text)) then
      out[#out + 1] = text
    end
  end
  return table.concat(out, " ")
end

--- Adds or removes a rule given as a golden word; false if that was refused.
local function apply(list, verb, kind, rest)
  local first, second = rest:match("^(.-)[/-](.*)$")
  if kind == "a" then
    return pcall(list[verb .. "Address"], list, address(rest))
  elseif kind == "s" then
    return pcall(list[verb .. "Subnet"], list, address(first), tonumber(second))
  end
  return pcall(list[verb .. "Range"], list, address(first), address(second))
end

--- The rules as golden words, the addresses sorted.
local function words_of(list)
  local words, others = {}, {}
  for _, rule in ipairs(list.rules) do
    local kind, family, rest = rule:match("^(%u)%l+: (IPv%d) (.*)$")
    assert.equal(rest:match("^[^/-]*"):find(":") and "IPv6" or "IPv4", family)
    table.insert(kind == "A" and words or others, kind:lower() .. rest)
  end
  table.sort(words)
  return table.concat(table.move(others, 1, #others, #words + 1, words), " ")
end

describe("BlockList's rules", function()
  it("agree with Node when random ones are added, removed and asked", function()
    for _, story in ipairs(golden) do
      local list, words, left = BlockList(), story:match("^%s*(.-)%s*=%s*(.-)%s*$")
      for word in words:gmatch("%S+") do
        local refused, sign, kind, rest = word:match("^(!?)([+-])([asr])(.*)$")
        if sign then
          assert.equal(refused == "", (apply(list, sign == "+" and "add" or "remove", kind, rest)), word)
        else
          assert.equal(word:sub(1, 1) == "y", list:check(address(word:sub(2))), word)
          assert.equal(word:sub(1, 1) == "y" and word:sub(2) or "", blocked(list, word:sub(2)))
        end
      end
      assert.equal((left:gsub("%s+", " ")), words_of(list))
      assert.equal(select(2, left:gsub("%S+", "")), list.size)
    end
  end)
end)

local function call(list, verb, rule)
  list[verb .. rule.kind](list, address(rule.first[4]), rule.prefix or rule.last and address(rule.last[4]))
end

describe("BlockList's rules, and the same looked at one by one,", function()
  --- Adds and removes rules of either, by turns, and compares what they say.
  local function compare_with_model(steps, growing)
    local list, rules, known = BlockList(), {}, {}
    for _ = 1, steps do
      local rule = #known > 0 and math.random(3) > 1 and known[math.random(#known)] or model.rule()
      local verb = math.random() < growing and "add" or "remove"
      known[#known < 60 and #known + 1 or math.random(60)] = rule
      call(list, verb, rule)
      model[verb](rules, rule)
      local asked = model.address()
      assert.equal(model.check(rules, asked), list:check(asked[4], "ipv" .. asked[1]), asked[4])
      assert.equal(#rules, list.size)
    end
    assert.same(model.texts(rules), list.rules)
  end

  it("say the same of a few rules that come and go", function()
    for seed = 1, 80 do
      math.randomseed(seed)
      compare_with_model(60, 0.5)
    end
  end)

  it("say the same of many rules", function()
    for seed = 1, 4 do
      math.randomseed(seed)
      compare_with_model(700, 0.8)
    end
  end)
end)

describe("A BlockList of 100,000 rules", function()
  local MANY = 100000
  local KINDS = {
    addresses = function(list, a, b, c)
      list:addAddress(("10.%d.%d.%d"):format(a, b, c))
    end,
    subnets = function(list, a, b, c)
      list:addSubnet(("%d.%d.%d.0"):format(10 + a, b, c), 24 + c % 8)
    end,
    ranges = function(list, a, b, c)
      list:addRange(("2001:db8:%d:%d:%d::"):format(a, b, c), ("2001:db8:%d:%d:%d::ff"):format(a, b, c), "ipv6")
    end,
  }

  local function filled(add, count)
    local list = BlockList()
    for i = 0, count - 1 do
      add(list, i >> 16, i >> 8 & 255, i & 255)
    end
    return list
  end

  it("blocks just what it should #slow", function()
    local addresses, subnets, ranges = filled(KINDS.addresses, MANY), filled(KINDS.subnets, MANY),
      filled(KINDS.ranges, MANY)
    assert.equal("10.0.0.0 10.1.134.159", blocked(addresses, "10.0.0.0", "10.1.134.159", "10.1.134.160", "9.9.9.9"))
    assert.equal("10.0.0.255 11.134.159.1", blocked(subnets, "10.0.0.255", "11.134.159.1", "11.134.159.2", "9.9.9.9"))
    assert.equal("2001:db8::ff 2001:db8:1:134:159::",
      blocked(ranges, "2001:db8::ff", "2001:db8::100", "2001:db8:1:134:159::", "2001:db8:1:134:160::", "1::"))
  end)

  it("goes through fromJSON, and away again rule by rule #slow", function()
    local list, copy = BlockList(), BlockList()
    for i = 1, MANY // 10 do
      local a, b = i >> 8 & 255, i & 255
      list:addAddress(("10.0.%d.%d"):format(a, b))
      list:addCIDR(("10.%d.%d.0/24"):format(a, b))
      list:addRange(("11.0.%d.%d"):format(a, b), "12.0.0.0")
    end
    copy:fromJSON('["' .. table.concat(list:toJSON(), '","') .. '"]')
    assert.equal(list.size, copy.size)
    for i = MANY // 10, 1, -1 do
      local a, b = i >> 8 & 255, i & 255
      copy:removeAddress(("10.0.%d.%d"):format(a, b))
      copy:removeCIDR(("10.%d.%d.0/24"):format(a, b))
      copy:removeRange(("11.0.%d.%d"):format(a, b), "12.0.0.0")
    end
    assert.same({}, copy.rules)
    assert.equal("", blocked(copy, "10.0.0.1", "10.1.1.1", "11.255.0.0"))
  end)

  it("keeps up with as many equal ones #slow", function()
    local list = BlockList()
    for _ = 1, MANY do
      list:addSubnet("10.0.0.1", 8)
      list:addRange("10.0.0.0", "10.0.0.9")
    end
    for _ = 1, MANY - 1 do
      list:removeSubnet("10.0.0.1", 8)
      list:removeRange("10.0.0.0", "10.0.0.9")
    end
    assert.same({ "Subnet: IPv4 10.0.0.1/8", "Range: IPv4 10.0.0.0-10.0.0.9" }, list.rules)
    assert.equal("10.0.0.5 10.9.9.9", blocked(list, "10.0.0.5", "10.9.9.9", "11.0.0.0"))
  end)
end)

describe("A BlockList's rules while memory runs short", function()
  local program

  --- Builds support/rules_memory.c with the sanitizers that the core was built with.
  local function compile()
    local pipe = assert(io.popen("tools/find-lua.sh cflags"))
    local includes = pipe:read("a"):gsub("\n", " ")
    pipe:close()
    local flags = "-std=c11 -D_GNU_SOURCE -iquote src -O1 -g " .. (os.getenv("NET_SANITIZE") or "")
    return os.execute(("%s %s %s -o %s spec/support/rules_memory.c 2>/dev/null"):format(
      os.getenv("CC") or "cc", flags, includes, lua.quote(program)))
  end

  setup(function()
    program = os.tmpname()
  end)
  teardown(function()
    os.remove(program)
  end)

  it("stay as they were when adding fails #slow", function()
    if not compile() then
      return pending("no C compiler, or no headers of Lua")
    end
    local result = lua.run({ program = program })
    assert.equal("0 wrong, failed often\n", result.stdout)
    assert.equal(0, result.code, result.stderr)
  end)
end)
