-- SPDX-License-Identifier: MIT

--- What `make parity-random` is made of, without Node.

local parse = require("spec.parity.parse")
local tree = require("spec.parity.random.tree")
local programs = require("spec.parity.random.programs")
local tlsprograms = require("spec.parity.random.tlsprograms")
local oddcalls = require("spec.parity.random.oddcalls")
local shrink = require("spec.parity.random.shrink")
local differ = require("spec.parity.random.differ")
local edits = require("spec.parity.random.edits")
local explain = require("spec.parity.random.explain")
local listed = require("spec.parity.random.listed")
local runner = require("spec.parity.runner")

local function read(path)
  local f = assert(io.open(path))
  local text = f:read("a")
  f:close()
  return text
end

describe("random programs", function()
  local has_tls = pcall(require, "net.tls")
  for name, generator in pairs({ programs = programs, ["programs of TLS"] = tlsprograms,
    ["odd calls"] = oddcalls }) do
    it("are the same for the same seed: " .. name, function()
      for i = 1, 20 do
        assert.equal(tree.text(generator.make(7, i)), tree.text(generator.make(7, i)))
      end
      assert.not_equal(tree.text(generator.make(7, 1), "x"), tree.text(generator.make(8, 1), "x"))
      assert.not_equal(tree.text(generator.make(7, 1), "x"), tree.text(generator.make(7, 2), "x"))
    end)

    it("can be read by the parser: " .. name, function()
      for i = 1, 50 do
        assert.equal(1, #parse.text("it", tree.text(generator.make(3, i))))
      end
    end)

    it("end by themselves: " .. name, function()
      if generator == tlsprograms and not has_tls then return pending("net.tls is not built") end
      for i = 1, 5 do
        local scenario = parse.text("it", tree.text(generator.make(13, i)))[1]
        assert.is_nil(table.concat(runner.run(scenario), "\n"):find("!!:", 1, true))
      end
    end)
  end
end)

describe("shrinking", function()
  --- Judges programs by their text.
  local function by_text(fails)
    return function(candidates)
      local judged = {}
      for i, candidate in ipairs(candidates) do
        judged[i] = fails(tree.text(candidate.program, "x"))
      end
      return judged
    end
  end

  it("leaves what is kept and what the failure needs", function()
    local body = { tree.kept("first") }
    for i = 1, 30 do body[#body + 1] = tree.node("line" .. i .. ".") end
    table.insert(body, 12, tree.node("block", { tree.node("a"), tree.node("b") }))
    local small = shrink.run({ title = "x", body = body }, by_text(function(text)
      return text:find("line3.", 1, true) and text:find("line29.", 1, true)
        and text:find("  b", 1, true) and true or false
    end))
    assert.equal("== x\nfirst\nline3.\nblock {\n  b\n}\nline29.\n", tree.text(small))
  end)

  it("takes what is one unit away together", function()
    local body = { tree.node("let A"), tree.node("other"), tree.node("use A") }
    body[1].unit, body[3].unit = "A", "A"
    local small = shrink.run({ title = "x", body = body }, by_text(function(text)
      return not text:find("use A", 1, true) or text:find("let A", 1, true) ~= nil
    end))
    assert.equal("== x\n", tree.text(small))
  end)
end)

describe("differences of logs", function()
  it("are the first of each object", function()
    assert.same({
      { object = "C", node = "b", lua = "x" }, { object = "S", node = "d", lua = "(no more)" },
    }, differ.between("C: a\nC: b\nC: c\nS: d\nT: e\n", "C: a\nC: x\nC: y\nT: e\n"))
  end)

  it("are not seen in fields that are blind, whatever lines of state these make", function()
    local node = "C:   a=1 b=2\nC:   c=3\nC: x\nC:   unchanged\n"
    local lua = "C:   b=2 c=3\nC: x\nC:   a=5\n"
    assert.same({}, differ.between(node, lua, { a = true }))
    assert.same({ { object = "C", node = "  b=2 c=3", lua = "  b=3 c=3" } },
      differ.between(node, (lua:gsub("b=2", "b=3")), { a = true }))
  end)

  it("are none where a row lists them", function()
    local program, text = { kind = "odd" }, "C.setEncoding(1)"
    local known = { object = "C", node = "  readableLength=1 a=2", lua = "  readableLength=2 a=2" }
    local other = { object = "C", node = "  readableLength=1 a=2", lua = "  readableLength=2 a=3" }
    assert.same({}, differ.unlisted(program, text, { known }))
    assert.same({ known }, differ.unlisted(program, "", { known }))
    assert.same({ other }, differ.unlisted(program, text, { other }))
  end)
end)

describe("edits", function()
  local function program(...) return { title = "x", kind = "program", body = { ... } } end

  it("take away what is at a path, and leave all else", function()
    local listener = tree.node("once C1 end", { tree.node("raise(1)"), tree.node("other") })
    local made = program(tree.node("raise(1)"), listener)
    local left = edits.without("^once C1 end\n.*raise")(made)
    assert.equal("== x\nraise(1)\nonce C1 end {\n  other\n}\n", tree.text(left))
    assert.is_nil(edits.without("^once C2")(made))
  end)

  it("put something else in a line", function()
    local made = program(tree.node('write("a", "hex")'), tree.node("b", { tree.node('w("", "hex")') }))
    local left = edits.instead(', "hex"', "")(made)
    assert.equal('== x\nwrite("a")\nb {\n  w("")\n}\n', tree.text(left))
    assert.is_nil(edits.instead(', "hex"', "")(left))
  end)

  it("settle before a node, once", function()
    local left = edits.settled("^if C1")(program(tree.node("a"), tree.node("if C1", { tree.node("b") })))
    assert.equal("== x\na\nsettle\nif C1 {\n  b\n}\n", tree.text(left))
    assert.is_nil(edits.settled("^if C1")(left))
  end)

  it("shut the eyes to fields, once", function()
    local left = edits.blind("a", "b")(edits.blind("c")(program(tree.node("x"))))
    assert.same({ a = true, b = true, c = true }, left.blind)
    assert.is_nil(edits.blind("a", "c")(left))
  end)

  it("choose the build, and are undone", function()
    local made = program(tree.node("a"))
    local eager = edits.eager(made)
    assert.equal("eager", eager.side)
    assert.is_nil(edits.eager(eager))
    assert.is_nil(edits.usual(eager).side)
    assert.is_nil(edits.usual(made))
  end)
end)

describe("what differs", function()
  --- Runs programs by their text: `answers` has the logs of each.
  local function explained(body, logs, answer)
    local item = { program = { title = "x", kind = "program", body = body }, logs = logs }
    explain.all(function(list)
      local found = {}
      for i, one in ipairs(list) do found[i] = answer(tree.text(one), one.side) end
      return found
    end, { item })
    return item
  end

  local SAME = { node = "C1: a\n", lua = "C1: a\n" }

  it("is explained by what is taken out of the program", function()
    local body = { tree.node('C1 << "setEncoding", try C1.setEncoding("hex")'), tree.node("a") }
    local item = explained(body, { node = "C1: a\n", lua = "C1: b\n" }, function(text, side)
      if text:find("setEncoding") then return { node = "C1: a\n", lua = "C1: " .. (side or "b") .. "\n" } end
      return SAME
    end)
    assert.same({}, item.left)
    assert.is_true(item.differs)
    assert.equal("lengths of text in UTF-16 units", item.rows[#item.rows].line)
  end)

  it("is unlisted where it stays without all that is listed, in both builds", function()
    local seen = {}
    local body = { tree.node('C1 << "setEncoding", try C1.setEncoding("hex")'), tree.node("a") }
    local item = explained(body, { node = "C1: a\n", lua = "C1: b\n" }, function(text, side)
      seen[#seen + 1] = side or "usual"
      return { node = "C1: a\n", lua = "C1: b" .. (text:find("setEncoding") and "c" or "") .. "\n" }
    end)
    assert.same({ { object = "C1", node = "a", lua = "b" } }, item.left)
    assert.is_nil(tree.text(item.program):find("setEncoding"))
    assert.same({ "eager", "eager", "usual" }, seen)
  end)

  it("is laid on small writes where each object is as in Node in one of the builds", function()
    local item = explained({ tree.node("a") }, { node = "A: 1\nB: 1\n", lua = "A: 2\nB: 1\n" },
      function() return { node = "A: 1\nB: 1\n", lua = "A: 1\nB: 2\n" } end)
    assert.same({}, item.left)
    assert.equal(1, #item.rows)
  end)

  it("is not laid on small writes where a callback is lost", function()
    local item = explained({ tree.node("a") }, { node = "C1: write callback 1\n", lua = "C1: b\n" },
      function() return SAME end)
    assert.equal(1, #item.left)
    assert.same({}, item.rows)
  end)
end)

describe("the listed differences", function()
  it("each name a line of docs/differences.md", function()
    local page = read("docs/differences.md")
    for _, row in ipairs(listed) do
      assert.is_truthy(page:find(row.line, 1, true), row.line)
    end
  end)

  it("are patterns, and each says what it is for", function()
    for _, row in ipairs(listed) do
      assert.is_true((row.fields or row.wash) ~= nil or (row.node ~= nil and row.lua ~= nil), row.line)
      for _, key in ipairs({ "node", "lua", "program", "wash", "object", "said", "anywhere" }) do
        if row[key] then assert.has_no_error(function() return (""):find(row[key]) end) end
      end
    end
  end)
end)
