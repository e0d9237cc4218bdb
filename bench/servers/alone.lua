-- SPDX-License-Identifier: MIT

--- No server: what Lua itself takes to start, for the scenario "start".

print(0)
