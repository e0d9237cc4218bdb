-- SPDX-License-Identifier: MIT

--- The differences that random programs meet and that docs/differences.md lists.
--
-- A row: `line`, words of its line there; `node` and `lua`, patterns for the
-- first line in which an object's logs part, or instead `fields`, where they are
-- lines of `show` or `state` that part in these alone; `program`, one for the program's
-- text (of an odd call: for the lines about its object), `unless`, one that must
-- not be in it; `kind`, "program" or "odd" where it is for these alone.

return {
  {
    line = "lengths of text in UTF-16 units",
    program = "ncoding", fields = "readableLength writableLength",
  },
}
