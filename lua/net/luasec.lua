-- SPDX-License-Identifier: MIT

--- net.luasec - LuaSec's `ssl` over net.luasocket: what is written for it runs in tasks.
--
-- Of the rock net-tls. A program that wants its libraries to use it says, before it loads
-- them,
--
--     package.loaded.socket = require("net.luasocket")
--     package.loaded.ssl = require("net.luasec")
--     package.loaded["ssl.https"] = require("net.luasec.https")
--
-- The last line is for where LuaSec's own is not installed, which does as well.

local context = require("net.internal.luasec.context")
local connection = require("net.internal.luasec.connection")
local sec = require("net.tls.core").open_sec()

---@type net.luasec
return {
  _VERSION = "1.2.0",
  config = {
    algorithms = { ec = true },
    capabilities = { alpn = true, curves_list = true, ecdh_auto = true },
    curves = sec.curves(),
    options = sec.options(),
    protocols = sec.protocols(),
  },
  loadcertificate = sec.load,
  newcontext = context.new,
  wrap = connection.wrap,
}
