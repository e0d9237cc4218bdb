-- SPDX-License-Identifier: MIT
--
-- Runs busted under the very interpreter that runs this file. The `busted`
-- command would start whatever `lua` is, which need not be 5.4, and go on to
-- the right one through a shell; under ASan and valgrind that is two too many.

table.insert(arg, 1, "--ignore-lua")
require("busted.runner")({ standalone = false })
