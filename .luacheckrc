-- Settings of luacheck, for `make check`.
std = "lua54"
max_line_length = 100
codes = true
-- 581: 'not (a >= b)' is no 'a < b' where NaN may come.
ignore = { "581" }

files["bin/luanet"] = { globals = { "arg" } }
files["spec"] = { std = "+busted", max_line_length = 120 }
-- What fail.c gives the scenes.
files["tools/torture"] = { read_globals = { "play", "mend", "activate", "victim", "failure", "lasting" } }
-- Definitions for editors: empty functions whose parameters are only named, and types
-- that have to stand on one line.
files["lua/net/meta.lua"] = { ignore = { "212", "241" }, max_line_length = false }
