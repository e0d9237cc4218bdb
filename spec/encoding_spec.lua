-- SPDX-License-Identifier: MIT

--- Text encodings: what setEncoding makes of bytes, and write of text.
---
--- Expected values are Node's; spec/data/encoding_golden.lua holds those it gave in bulk.

local assert = require("luassert")
local core = require("net.core")
local golden = dofile((debug.getinfo(1, "S").source:match("^@(.*)encoding_spec") or "spec/")
  .. "data/encoding_golden.lua")

local REPLACED = "\u{FFFD}"

--- "e2 82" -> "\xe2\x82"; blanks and "-" (Node gave nothing) count for nothing.
local function unhex(digits)
  return (digits:gsub("[%s-]", ""):gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function hex(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

--- Decodes the chunks one by one; returns the text of each, and that of the end last.
local function decode(encoding, chunks)
  local decoder, texts = core.decoder(encoding), {}
  for i, chunk in ipairs(chunks) do
    texts[i] = decoder:write(chunk)
  end
  texts[#texts + 1] = decoder:finish()
  return texts
end

local function whole(encoding, bytes)
  return table.concat(decode(encoding, { bytes }))
end

--- The words of `list`, each one unhexed.
local function chunks_of(list)
  local chunks = {}
  for word in list:gmatch("%S+") do
    chunks[#chunks + 1] = unhex(word)
  end
  return chunks
end

--- Each row is { bytes in hex, text at once, text at the end }.
local function reads(encoding, rows)
  for _, row in ipairs(rows) do
    local texts = decode(encoding, { unhex(row[1]) })
    assert.same({ row[2], row[3] or "" }, texts, encoding .. " " .. row[1])
  end
end

--- Each row is { text, bytes in hex }.
local function writes(encoding, rows)
  for _, row in ipairs(rows) do
    assert.equal(row[2], hex(core.encode(row[1], encoding)), encoding .. " " .. row[1])
  end
end

describe("an encoding's name", function()
  it("is canonical whatever alias and case it was given in", function()
    local names = {
      utf8 = { "utf8", "utf-8", "UTF-8", "Utf8" },
      utf16le = { "utf16le", "utf-16le", "ucs2", "ucs-2", "UCS-2", "UTF16LE" },
      latin1 = { "latin1", "binary", "BINARY" },
      ascii = { "ascii", "ASCII" },
      hex = { "hex", "HEX" },
      base64 = { "base64", "Base64" },
      base64url = { "base64url", "BASE64URL" },
    }
    for canonical, aliases in pairs(names) do
      for _, alias in ipairs(aliases) do
        assert.equal(canonical, core.encodingName(alias))
      end
    end
  end)

  it("is nil for what Node does not know", function()
    for _, name in ipairs({
      "", "utf", "utf8 ", "utf8\0", "utf\r8", "utf16", "latin-1", "iso-8859-1", "us-ascii",
      "buffer", "base64u",
    }) do
      assert.is_nil(core.encodingName(name))
    end
  end)

  it("must be known to encode or decode with", function()
    assert.error_matches(function() core.decoder("klingon") end, "unknown encoding")
    assert.error_matches(function() core.encode("a", "klingon") end, "unknown encoding")
    assert.error_matches(function() core.decoder() end, "string expected")
  end)
end)

describe("a decoder", function()
  it("keeps a valid text as it is, byte order mark and all", function()
    local text = "\u{FEFF}plain, \0, é, €, 😀, \u{10FFFF}"
    reads("utf8", { { hex(text), text }, { "", "" } })
  end)

  it("gives one U+FFFD for each maximal valid prefix in utf8", function()
    reads("utf8", {
      { "c080 41", REPLACED:rep(2) .. "A" },
      { "eda080 41", REPLACED:rep(3) .. "A" },
      { "f09f 41", REPLACED .. "A" },
      { "f09f98 c3a9", REPLACED .. "é" },
      { "80bf 41", REPLACED:rep(2) .. "A" },
      { "ff fe 41", REPLACED:rep(2) .. "A" },
      { "f8 80808080 41", REPLACED:rep(5) .. "A" },
      { "f4908080 41", REPLACED:rep(4) .. "A" },
      { "e08080 41", REPLACED:rep(3) .. "A" },
      { "41 ff 42", "A" .. REPLACED .. "B" },
    })
  end)

  it("keeps an unfinished utf8 character back, and replaces it at the end", function()
    reads("utf8", {
      { "41 e2", "A", REPLACED },
      { "e282", "", REPLACED },
      { "f09f98", "", REPLACED },
      { "c3", "", REPLACED },
      { "f580", "", REPLACED:rep(2) },
      { "e080", "", REPLACED:rep(2) },
      { "f490", "", REPLACED:rep(2) },
      { "eda0", "", REPLACED:rep(2) },
      { "f8", REPLACED },
    })
  end)

  it("reads utf16le, pairs of surrogates and lone ones", function()
    reads("utf16le", {
      { "6100 e900 ac20 3dd800de", "aé€😀" },
      { "feff 0000", "\u{FFFE}\0" },
      { "00de 6100", REPLACED .. "a" },
      { "3dd8 6100", REPLACED .. "a" },
      { "3dd8 3dd8 00de", REPLACED .. "😀" },
    })
  end)

  it("drops an odd byte of utf16le at the end, and delivers half a pair", function()
    reads("utf16le", {
      { "6100 62", "a", "" },
      { "6100 3dd8", "a", REPLACED },
      { "3dd8 00", "", REPLACED },
      { "3dd8 3dd8", REPLACED, REPLACED },
    })
  end)

  it("reads latin1 byte for byte, and ascii without the high bit", function()
    reads("latin1", { { "61 e9 80 ff", "aé\u{80}ÿ" }, { "610062", "a\0b" } })
    reads("ascii", { { "61 e9 80 ff", "ai\0\x7f" }, { "610062", "a\0b" } })
  end)

  it("spells hex in lower case", function()
    reads("hex", { { "00 7f AB ff", "007fabff" }, { "", "" } })
  end)

  it("spells base64 in groups of three bytes, and pads the rest at the end", function()
    reads("base64", {
      { "616263", "YWJj" },
      { "61626364", "YWJj", "ZA==" },
      { "6162636465", "YWJj", "ZGU=" },
      { "fbff", "", "+/8=" },
      { "fbefbe", "++++" },
    })
  end)

  it("spells base64url in its own alphabet, unpadded", function()
    reads("base64url", { { "fbff", "", "-_8" }, { "fbefbe fb", "----", "-w" } })
  end)

  it("keeps what it holds when nothing comes", function()
    assert.same({ "", "", "€", "" }, decode("utf8", { "\xe2\x82", "", "\xac" }))
  end)

  it("begins anew after its end", function()
    local decoder = core.decoder("utf8")
    assert.equal("", decoder:write("\xe2\x82"))
    assert.equal(REPLACED, decoder:finish())
    assert.equal("", decoder:finish())
    assert.equal(REPLACED, decoder:write("\xac"))
  end)

  it("gives the same text wherever the bytes are cut", function()
    local sequences = {
      utf8 = {
        "c3a9", "e282ac", "f09f9880", "41 f09f9880 42", "efbbbf 41", "c080", "eda080", "f09f41",
        "f09fc3a9", "e08080", "f4908080", "f5808080", "f8808080", "80808080", "e282 f09f98 c3",
        "ff41ff", "ed9fbf ee8080",
      },
      utf16le = {
        "6100 62", "3dd800de", "6100 3dd800de 62", "3dd8 3dd8 3dd8 00de", "00de 3dd8",
        "3dd8 6100", "3dd8 00",
      },
      latin1 = { "61e980ff" }, ascii = { "61e980ff" }, hex = { "007fabff" },
      base64 = { "61626364656667", "fbffbf" }, base64url = { "61626364656667", "fbffbf" },
    }
    for encoding, list in pairs(sequences) do
      for _, digits in ipairs(list) do
        local bytes = unhex(digits)
        local text, single = whole(encoding, bytes), {}
        for i = 0, #bytes do
          for j = i, #bytes do
            local parts = { bytes:sub(1, i), bytes:sub(i + 1, j), bytes:sub(j + 1) }
            assert.equal(text, table.concat(decode(encoding, parts)),
              ("%s %s cut at %d and %d"):format(encoding, digits, i, j))
          end
        end
        for i = 1, #bytes do
          single[i] = bytes:sub(i, i)
        end
        assert.equal(text, table.concat(decode(encoding, single)), encoding .. " " .. digits)
      end
    end
  end)

  it("reads long chunks, whatever stands where in them", function()
    local long = ("0123456"):rep(10000)
    for shift = 0, 8 do
      local before = long:sub(1, 9000 + shift)
      assert.equal(before .. "é" .. long, whole("utf8", before .. "é" .. long))
      assert.equal(before .. REPLACED .. long, whole("utf8", before .. "\xff" .. long))
      assert.equal(before .. "é" .. long, whole("latin1", before .. "\xe9" .. long))
      assert.equal(before .. "i" .. long, whole("ascii", before .. "\xe9" .. long))
      assert.same({ "", "€" .. long, "" }, decode("utf8", { "\xe2", "\x82\xac" .. long }))
    end
    assert.equal(long, whole("utf16le", (long:gsub(".", "%0\0"))))
    assert.equal(REPLACED:rep(70000), whole("utf8", ("\xff"):rep(70000)))
    assert.equal(("YWJj"):rep(70000), whole("base64", ("abc"):rep(70000)))
    assert.equal(("616263"):rep(70000), whole("hex", ("abc"):rep(70000)))
  end)

  it("agrees with Node, chunk by chunk", function()
    for i, row in ipairs(golden.reading) do
      local encoding, chunks, texts = row[1], chunks_of(row[2]), chunks_of(row[3])
      local ours, what = decode(encoding, chunks), ("row %d: %s %s"):format(i, encoding, row[2])
      if encoding == "utf16le" then -- a JavaScript string may end in half a pair, ours may not
        ours = { table.concat(ours) }
      end
      assert.same(texts, ours, what)
      assert.equal(table.concat(texts), whole(encoding, table.concat(chunks)), what)
    end
  end)
end)

describe("encoding text to be written", function()
  it("leaves utf8 alone, valid or not", function()
    for _, bytes in ipairs({ "", "aé😀", "\xff\0\xe2\x82" }) do
      assert.equal(bytes, core.encode(bytes, "utf8"))
    end
  end)

  it("makes utf16le, with U+FFFD for what is no text", function()
    writes("utf16le", {
      { "", "" }, { "aé€😀", "6100e900ac203dd800de" }, { "\u{10FFFF}", "ffdbffdf" },
      { "\xff", "fdff" }, { "\xe2\x82", "fdff" }, { "\xed\xa0\xbd", "fdfffdfffdff" },
    })
  end)

  it("takes the low byte of each UTF-16 unit for latin1 and ascii", function()
    local rows = {
      { "", "" }, { "abc\0\x7f", "616263007f" }, { "aéÿ", "61e9ff" }, { "ł", "42" },
      { "😀", "3d00" }, { "\u{FFFD}", "fd" }, { "\xff\xe2\x82", "fdfd" },
    }
    writes("latin1", rows)
    writes("ascii", rows)
  end)

  it("reads hex up to the first bad pair, without an odd digit", function()
    writes("hex", {
      { "", "" }, { "abc", "ab" }, { "ABcDeF", "abcdef" }, { "zz", "" }, { "a", "" },
      { "abzz12", "ab" }, { "agbc", "" }, { "ab cd", "ab" }, { "abcg", "ab" }, { "abé1", "ab" },
      { "ab\u{161}\u{162}", "abab" },
    })
  end)

  it("reads both alphabets of base64, past blanks and junk, up to a '='", function()
    local rows = {
      { "", "" }, { "Y", "" }, { "YQ", "61" }, { "YQ==", "61" }, { "YWI", "6162" },
      { "YWI=", "6162" }, { "YWJj", "616263" }, { "YWJjZ", "616263" }, { "YR", "61" },
      { "Y W\tJ\r\nj", "616263" }, { "Y!W*Jéj", "616263" },
      { "YW-_", "616fbf" }, { "YW+/", "616fbf" }, { "Y-W+J_/", "63e5be27ff" },
      { "=YQ==", "" }, { "YQ==YQ==", "61" }, { "Y=Q=", "" }, { "YWJj=ZGVm", "616263" },
      { "YWJj====", "616263" },
      { "Y\u{159}WJj", "618589" }, { "\u{1F041}ABC", "000042" }, { "A😀BCD", "" },
    }
    writes("base64", rows)
    writes("base64url", rows)
  end)

  it("undoes decoding, for all byte values and lengths", function()
    local bytes = {}
    for i = 0, 255 do
      bytes[i + 1] = string.char(i)
    end
    local all = table.concat(bytes)
    for _, encoding in ipairs({ "latin1", "hex", "base64", "base64url" }) do
      for length = 0, 256 do
        local some = all:sub(-length)
        assert.equal(some, core.encode(whole(encoding, some), encoding))
      end
      assert.equal(all:rep(300), core.encode(whole(encoding, all:rep(300)), encoding))
    end
  end)

  it("agrees with Node", function()
    for i, row in ipairs(golden.writing) do
      local encoding, text, bytes = table.unpack(row)
      assert.equal(hex(unhex(bytes)), hex(core.encode(unhex(text), encoding)),
        ("row %d: %s %s"):format(i, encoding, text))
    end
  end)
end)
