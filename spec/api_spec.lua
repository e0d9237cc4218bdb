-- SPDX-License-Identifier: MIT

--- lua/net/meta.lua, docs/api.md and the table of Node's names in it, held against the module by
--- reflection, and against what reflection found in Node 26 (spec/data/node_api.lua).

local errors = require("net.internal.errors")
local meta = require("tools.meta")
local names = require("tools.node_names")
local net = require("net")
local public = require("tools.public")
local files = require("spec.support.files")
local within = require("spec.support").within

local model = meta.read()

local function sorted_keys(set)
  local list = {}
  for key in pairs(set) do
    list[#list + 1] = key
  end
  table.sort(list)
  return list
end

describe("lua/net/meta.lua", function()
  it("has every public name of the module, as what it is", within(function(t)
    assert.same({}, public.undocumented(model))
    t.run()
  end))

  it("has no name that the module does not have", within(function(t)
    assert.same({}, public.missing(model))
    t.run()
  end))

  it("is compared with every class of the core", within(function(t)
    assert.same({ "Dial" }, public.strangers()) -- a connection being made, which nobody is given
    t.run()
  end))

  it("names the options that are read, and no others", function()
    assert.same({}, public.options(model))
  end)

  it("is for editors: requiring it raises", function()
    local ok, err = pcall(require, "net.meta")
    assert.is_false(ok)
    assert.matches('net%.meta is for editors; require%("net"%)', err)
  end)

  it("tells of every class that a type in it names", function()
    local known = { net = true }
    for name in pairs(model.classes) do known[name] = true end
    for name in pairs(model.aliases) do known[name] = true end
    for line in io.lines("lua/net/meta.lua") do
      local types = line:match("^%-%-%-@%l+ (.*)$") or ""
      for name in types:gsub('".-"', ""):gmatch("%f[%w]net%.%u%w+") do
        assert.is_true(known[name] or known[name:match("^(net%.%u%w+)")] or false, name)
      end
    end
  end)
end)

describe("the comparison with lua/net/meta.lua", function()
  local function changed(change)
    local other = meta.read()
    change(other.classes)
    return other
  end

  it("finds a public name that is not there", within(function(t)
    local other = changed(function(classes)
      classes["net.Socket"].members.write = nil
      classes["net.EventEmitter"].members.once = nil
      classes["net"].members.isIP = nil
    end)
    local found = table.concat(public.undocumented(other), "\n")
    for _, name in ipairs({ "net.Socket.write", "net.Server.once", "net.isIP" }) do
      assert.truthy(found:find(name .. " is not in", 1, true), name)
    end
    t.run()
  end))

  it("finds a name of the wrong kind", within(function(t)
    local other = changed(function(classes) classes["net.Socket"].members.write = "field" end)
    assert.same({ "net.Socket.write is a function, and a field in lua/net/meta.lua" },
      public.undocumented(other))
    t.run()
  end))

  it("finds a name that the module does not have", within(function(t)
    local other = changed(function(classes)
      classes["net.Server"].members.nothing = "field"
      classes["net.dns"].members.resolve = "function"
      classes["net.Nothing"] = { kind = "class", members = {} }
    end)
    local found = table.concat(public.missing(other), "\n")
    for _, name in ipairs({ "net.Server.nothing", "net.dns.resolve", "net.Nothing" }) do
      assert.truthy(found:find(name .. " is in", 1, true), name)
    end
    t.run()
  end))

  it("finds an option that is read or documented only", function()
    local other = changed(function(classes)
      table.insert(classes["net.ListenOptions"].fields, { name = "nothing" })
      table.remove(classes["net.ServerOptions"].fields, 1)
    end)
    assert.same(2, #public.options(other))
  end)
end)

describe("an options table", function()
  --- Has `use` called with a table that notes which options are looked at.
  local function read_by(use, given)
    local seen = {}
    use(setmetatable({}, { __index = function(_, name)
      seen[name] = true
      return (given or {})[name]
    end }))
    return seen
  end

  --- The options of a class in lua/net/meta.lua, and of those it comes from.
  local function documented(name)
    local found, class = {}, model.classes[name]
    while class do
      for _, field in ipairs(class.fields) do found[field.name] = true end
      class = model.classes[class.parent]
    end
    return found
  end

  --- What a byte stream refuses, as Node does.
  local function without_modes(seen)
    for _, name in ipairs({ "objectMode", "readableObjectMode", "writableObjectMode" }) do
      assert.is_true(seen[name])
      seen[name] = nil
    end
    return seen
  end

  local function it_is_read(class, read)
    it("has the options that are read, and no others: " .. class, within(function(t)
      assert.same(sorted_keys(documented(class)), sorted_keys(read(t)))
      t.run()
    end))
  end

  it_is_read("net.ServerOptions", function() return read_by(net.createServer) end)

  it_is_read("net.ListenOptions", function()
    return read_by(function(options) net.createServer():listen(options):close() end, { port = 0 })
  end)

  it_is_read("net.SocketOptions", function() return without_modes(read_by(net.Socket)) end)

  it_is_read("net.ConnectOptions", function()
    local given = { port = 1, host = "a.name", lookup = function() end }
    return without_modes(read_by(function(options) net.connect(options):destroy() end, given))
  end)

  it_is_read("net.OnRead", function()
    return read_by(function(onread) net.Socket({ onread = onread }) end,
      { buffer = 1, callback = print })
  end)

  it_is_read("net.KeepAliveOptions", function()
    return read_by(function(options) net.Socket():setKeepAlive(options) end)
  end)

  it_is_read("net.SocketAddressOptions", function() return read_by(net.SocketAddress) end)

  it_is_read("net.BoundSocketOptions", function()
    return read_by(function(options) net.BoundSocket(options):close() end)
  end)

  it_is_read("net.LookupOptions", function()
    return read_by(function(options) net.dns.lookup("::1", options, print):cancel() end)
  end)

  it_is_read("net.EventsOnOptions", function()
    return read_by(function(options) net.events.on(net.events.EventEmitter(), "x", options) end)
  end)
end)

describe("an event", function()
  local documented = {}
  for _, class in pairs(model.classes) do
    for _, event in ipairs(class.events) do documented[event.name] = true end
  end

  --- All sources below a folder, in one string.
  local function source(folder, ending)
    local texts = {}
    for path in files.below(folder, ending) do
      if not path:find("/meta%.lua$") then
        local file <close> = assert(io.open(path))
        texts[#texts + 1] = file:read("a")
      end
    end
    return table.concat(texts)
  end

  local c, lua = source("src", ".c"), source("lua/net", ".lua")

  it("that is emitted is in lua/net/meta.lua", function()
    local emitted = {}
    local comments = lua:gsub("%-%-[^\n]*", "")
    for name in comments:gmatch(':emit%("(%w+)"') do emitted[name] = true end
    for name in comments:gmatch('announce%(%w+, "(%w+)"') do emitted[name] = true end
    for name in c:match("event_names%b[] = (%b{})"):gmatch('"(%w+)"') do emitted[name] = true end
    assert.truthy(emitted.drop and emitted.lookup and emitted.warning)
    for name in pairs(emitted) do assert.is_true(documented[name] or false, name) end
  end)

  it("that is in lua/net/meta.lua has a place in the source", function()
    documented.SIGINT = nil -- stands for all signals
    for name in pairs(documented) do
      assert.truthy((c .. lua):find('"' .. name .. '"', 1, true), name)
    end
  end)
end)

describe("an error", function()
  it("has the fields that lua/net/meta.lua says", function()
    local found = { localAddress = true, localPort = true } -- see spec/connect_spec.lua
    local function look(err)
      for name in pairs(err) do found[name] = true end
    end
    for _, make in pairs(errors.codes) do look(make("a", "b", "c")) end
    look(errors.system("EPIPE", "write", "a", 1))
    look(errors.lookup("ENOENT", "a"))
    look(errors.aggregate({}))
    look(select(2, pcall(errors.raise, "EPIPE")))
    local warning = { "detail", "emitter", "type", "count" } -- see spec/process_spec.lua
    for _, name in ipairs(warning) do found[name] = true end
    local of_tls = { "library", "reason", "opensslErrorStack", "cert", "path" } -- see spec/tls_*_spec.lua
    for _, name in ipairs(of_tls) do found[name] = true end
    local documented = {}
    for _, field in ipairs(model.classes["net.Error"].fields) do documented[field.name] = true end
    assert.same(sorted_keys(documented), sorted_keys(found))
  end)
end)

describe("the table of Node's names", function()
  local KINDS = { method = "function", ["function"] = "function", class = "class", field = "field" }
  local reflected = dofile("spec/data/node_api.lua")

  --- Whether lua/net/meta.lua, and so the module, has a name.
  local function is_there(section, kind, name)
    local class = assert(model.classes[section.owner], section.owner)
    if kind == "event" or kind == "option" then
      for _, field in ipairs(kind == "event" and class.events or class.fields) do
        if field.name == name then return true end
      end
      return false
    end
    return meta.member(model, section.owner, name) == KINDS[kind]
  end

  for _, section in ipairs(names.sections) do
    it("says what is there, and what is not: " .. section.title, within(function(t)
      local owner = public.owners()[section.owner]
      for kind, name in names.rows(section) do
        local here, absent = names.renamed(section, kind, name), names.state(section, kind, name)
        if here == "__close" then
          assert.is_function(getmetatable(owner.objects[1]).__close, name)
        else
          assert.equal(not absent, is_there(section, kind, here), kind .. " " .. name)
        end
      end
      t.run()
    end))

    it("explains nothing that it does not name: " .. section.title, function()
      local rows = {}
      for kind, name in names.rows(section) do
        rows[kind == "event" and ('"%s"'):format(name) or name] = true
      end
      for _, part in ipairs({ "renamed", "differs", "absent" }) do
        for name in pairs(section[part] or {}) do assert.is_true(rows[name] or false, name) end
      end
    end)
  end

  it("has every name that reflection finds in Node 26", function()
    for _, section in ipairs(names.sections) do
      local rows = {}
      for kind, name in names.rows(section) do
        local is_called = kind == "method" or kind == "function"
        rows[kind == "event" or name .. (is_called and "()" or "")] = true
      end
      for name in (reflected[section.object] or ""):gmatch("%S+") do
        assert.is_true(rows[name] or false, section.title .. ": " .. name)
      end
      reflected[section.object or false] = nil
    end
    assert.same({ "BoundSocket" }, sorted_keys(reflected)) -- the class, which has no functions
    assert.same("", reflected.BoundSocket:gsub("%s", ""))
  end)
end)

describe("docs/api.md", function()
  it("has a table of each list of options or fields, and not its name, of which nobody knows more", function()
    local file <close> = assert(io.open("docs/api.md"))
    local page = file:read("a")
    assert.is_nil(page:match("`net%.[%w.]*Options`") or page:match("Fields: `net"))
    for _, option in ipairs({ "ca", "minVersion", "checkServerIdentity", "requestCert", "isServer", "noDelay",
      "subjectaltname" }) do
      assert.truthy(page:find("\n| `" .. option .. "` | ", 1, true), option)
    end
  end)

  it("is what `make docs` makes, and its links lead somewhere", function()
    local command = ("'%s' tools/docs.lua --check 2>&1"):format(os.getenv("LUA") or "lua5.4")
    local pipe = assert(io.popen(command))
    local output = pipe:read("a")
    assert.same({ "", true }, { output, (pipe:close()) })
  end)
end)
