// SPDX-License-Identifier: MIT
//
// socketaddress_golden.js - what Node makes of random addresses, given as options and as text to
// parse. More rows than are kept, and others, for a run by hand, with a count and a seed:
//     node spec/data/socketaddress_golden.js [200 [2026]] > spec/data/socketaddress_golden.lua
const { SocketAddress } = require('net');
const count = +process.argv[2] || 200;
let seed = +process.argv[3] || 2026;
const below = (n) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % n;
const pick = (...list) => list[below(list.length)];
const some = (n, make, join = '') => Array.from({ length: n }, make).join(join);
const maybe = (odds, make) => (below(odds) ? '' : make());

const group = () => pick('0', '0', '0', '1', 'ffff', 'FE80', '00ab', 'c0A8', '7f00', '2001', 'db8');
const byte = () => pick('0', '1', '9', '10', '127', '192', '254', '255', String(below(256)));
const v4 = () => some(4, byte, '.');
const v6 = () => {
  const tail = maybe(4, v4), groups = 8 - (tail ? 2 : 0), skip = below(3) ? below(groups) + 1 : 0;
  const before = below(groups - skip + 1);
  const left = some(before, group, ':'), right = some(groups - skip - before, group, ':');
  const rest = [right, tail].filter(Boolean).join(':');
  return skip ? `${left}::${rest}` : [left, rest].filter(Boolean).join(':');
};
const odd = () => pick('.', ':', '::', '%', '%1', '%2e', '[', ']', '@', '/', '\\', '?', '#', ' ', '\t',
  '\n', '0', '1', '9', 'g', 'x', '-', '+', '_', '\0', '\x7f', '\u00ad', 'é', '٣', '１', '。', '½', '²',
  'ｘ', '𝟐', '⑫', 'ﬀ', 'Ⅹ', '%E3%80%82', '%ff', '!', '{', '~', '\u0301', 'ß', 'xn--');
const broken = (text) => { // a bit is inserted, dropped, or put in another's place
  const at = below(text.length + 1);
  return text.slice(0, at) + maybe(2, odd) + odd() + text.slice(at + below(3));
};
const number = () => pick(byte(), byte(), byte(), byte(), '0x' + byte(), '0' + byte(), '0xfF', '0x',
  '0X1', '256', '65536', '08', '00000000000000000377', '16777216', '4294967295', '4294967296', '１２',
  '%31', '⑰', '', 'a', '𝟘ｘ𝓐', '0x00000000000000000001', '1e1', '99999999999999999999');
const port = () => pick('', '0', '80', '443', '65535', '65536', '00080', '000000', '8080', '1', 'x',
  '-1', '8 0', String(below(70000)));
const url = () => maybe(9, () => pick('/', '//', '\\', '\t', ' '))
  + maybe(6, () => pick('u@', 'u:p@', '@', 'a@b@', ':@', 'x:8@', 'u/x@', '%40@', 'é@', '[@'))
  + pick(v4, () => some(below(5) + 1, number, '.'), () => `[${v6()}]`)() + maybe(9, () => '.')
  + maybe(2, () => ':' + port())
  + maybe(5, () => pick('/', '/x@y', '?q', '#f', '\\', ' ', '\n', '\0 ', '/:1', '?[', '.', ':'));

const made = (options) => {
  try {
    return new SocketAddress(options).address;
  } catch (e) {
    return e.code;
  }
};
const given = () => { // an address and a family, and what it is called then, or the error
  const family = pick('ipv4', 'ipv6', 'ipv6'), right = family === 'ipv4' ? v4() : v6();
  const address = pick(right, right, right + maybe(4, () => pick('%lo', '%')), broken(right), v6());
  // Before a zone libuv reads no more than 39 characters; without one it reads them all.
  const read = family === 'ipv6' ? address.replace(/%[^]*/, '') : address;
  return [family, address, made({ family, address: read })];
};
const parsed = () => { // a text, and the address and the port in it, or nothing
  const input = below(4) ? url() : broken(url()), found = SocketAddress.parse(input);
  // 26.10 loses port 80, which is the default of http. It is not that of https.
  const port = found && (found.port || +new URL('https://' + input).port);
  return [input, found ? `${found.address} ${port}` : ''];
};
const lua = (text) => '"' + text.replace(/["\\]/g, '\\$&').replace(/[\0-\x1f\x7f-\u{10ffff}]/gu,
  (c) => `\\u{${c.codePointAt(0).toString(16)}}`) + '"';
const rows = (make) => some(count, () => `    { ${make().map(lua).join(', ')} },\n`);
console.log(`-- Made by socketaddress_golden.js from Node ${process.version}.
-- luacheck: no max line length
return {
  -- family, address, its normal form or the error's code
  given = {
${rows(given)}  },
  -- text, the address and the port in it, "" for none
  parsed = {
${rows(parsed)}  },
}`);
