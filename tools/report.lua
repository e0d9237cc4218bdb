-- SPDX-License-Identifier: MIT
--
-- What the specs print: busted's own report, with the name of each file before
-- its dots, so that a hang has a place, and the counts alone on the last line.

return function(options)
  local busted = require("busted")
  local style = os.getenv("TERM") and require("term").isatty(io.stdout) and "utf" or "plain"
  local report = require("busted.outputHandlers." .. style .. "Terminal")(options)

  busted.subscribe({ "file", "start" }, function(file)
    io.write("\n", file.name, " ")
    io.flush()
    return nil, true
  end)

  busted.subscribe({ "exit" }, function()
    local failed = report.failuresCount + report.errorsCount
    io.write(("\n%d passed, %d failed, %d skipped\n"):format(
      report.successesCount, failed, report.pendingsCount))
    return nil, true
  end)

  return report
end
