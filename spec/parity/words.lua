-- SPDX-License-Identifier: MIT

--- The words of Node's texts that mean a value of JavaScript's, and what stands for
--- them here: the whole list, for who compares our texts with Node's.
--- docs/differences.md says so to users.

local WORDS = {
  -- One type is for both.
  { " or an instance of Buffer, TypedArray, or DataView", "" },
  -- nil is both undefined and null; JSON's null ("Received null") is not meant.
  { "Received undefined", "Received nil" },
  { "Invalid IP address: undefined", "Invalid IP address: nil" },
  { "Invalid address family: undefined", "Invalid address family: nil" },
  { "Unhandled error. (undefined)", "Unhandled error. (nil)" },
  { "May not write null values to stream", "May not write nil values to stream" },
  -- Of a local end that is not there nothing is told, and a path has no port.
  { " - Local (undefined:undefined)", "" },
  { ":undefined)", ")" },
  -- What a TLS socket had still to send when it was destroyed amid its handshake.
  { "write ECANCELED Canceled because of SSL destruction", "write ECANCELED" },
}

local words = {}

--- A text, or a log, of Node's as this library says it.
---@param text string
---@return string
function words.ours(text)
  for _, pair in ipairs(WORDS) do
    text = text:gsub(pair[1]:gsub("%p", "%%%0"), (pair[2]:gsub("%%", "%%%%")))
  end
  return text
end

return words
