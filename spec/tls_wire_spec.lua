-- SPDX-License-Identifier: MIT

--- TLS over a wire that cuts what passes at any byte, brings one byte at a time, holds ends back,
--- ends and resets at any byte: a client and a server of ours. Those of others are in
--- spec/peers/tls_wire_peers.lua. With WIRE_STEP=1 it does so at each byte there is.

local in_task = require("spec.support.tlstasks").in_task
local law = require("spec.support.wirelaw")

--- `it` for each version, with a new session and an old one.
local function each_way(text, check)
  for _, version in ipairs({ "TLSv1.2", "TLSv1.3" }) do
    for _, resumes in ipairs({ false, true }) do
      it(("%s: %s%s"):format(text, version, resumes and ", resumed" or ""),
        in_task(function() check("ours", version, resumes) end))
    end
  end
end

describe("A TLS client over a hostile wire", function()
  each_way("tells the same however the bytes come, and as soon as they do", law.client_agrees)
  each_way("tells what becomes of it where its server is cut off", law.client_tells)
  each_way("hears that its own bytes were cut off", law.client_hears)
end)

describe("A TLS client over another socket, over a hostile wire #slow", function()
  local function over(check)
    return function(name, version, resumes) check(name, version, resumes, true) end
  end
  each_way("tells the same however the bytes come, and as soon as they do", over(law.client_agrees))
  each_way("tells what becomes of it where its server is cut off", over(law.client_tells))
end)

describe("A TLS server over a hostile wire", function()
  each_way("tells the same however the bytes come, and as soon as they do", law.server_agrees)
  each_way("tells what becomes of it where its client is cut off", law.server_tells)
end)
