-- SPDX-License-Identifier: MIT

--- net.internal.task.listen - the listeners of a wait: all of them, or none.

local core = require("net.core")

local tasks = core.open_tasks()

local function add_all(emitter, listeners)
  for event, fn in next, listeners do
    emitter:on(event, fn)
  end
end

--- Adds listeners; returns a function that removes them. If one cannot be added, such as
--- "data" of a socket that a task reads, none is, and it raises.
---@param emitter table|userdata
---@param listeners table<any, function>
---@return fun() remove
return function(emitter, listeners)
  local function remove()
    for event, fn in next, listeners do
      emitter:off(event, fn)
    end
  end
  local ok, err = pcall(add_all, emitter, listeners)
  if not ok then
    remove()
    tasks.rethrow(err)
  end
  return remove
end
