// SPDX-License-Identifier: MIT
//
// encoding_golden.js - what Node makes of pseudo-random bytes in pseudo-random chunks, and of
// text to write:
//     node spec/data/encoding_golden.js > spec/data/encoding_golden.lua
const { StringDecoder } = require('string_decoder');
const utf8 = '61 0a c3a9 e282ac f09f9880 efbbbf efbfbd f48fbfbf ed9fbf 80 bf a0 9f 90 '
  + 'c0 c3 e0 e2 ed f0 f4 f5 ff';
const utf16le = '6100 e900 ac20 3dd8 00de 3dd800de 3dd8 00de ffdb ffdf ffff 61 d8';
const digits = '30 39 61 62 46 30 39 61 62 46 30 39 61 62 46 c3a9 c5a1 67';
const base64 = '51 57 4a 6a 5a 2b 2f 2d 5f 51 57 4a 6a 5a 2b 2f 20 0a c3a9 c5a1 f09f8181 3d';
const read = { utf8, utf16le }; // what to build from, in hex; random bytes alone for the others
const written = {
  utf16le: utf8, latin1: utf8, ascii: utf8, hex: digits, base64, base64url: base64,
};
let seed = 2026;
const below = (n) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % n;
const pick = (list) => list[below(list.length)];
const hex = (v) => Buffer.from(v).toString('hex') || '-';
const bytes = (size, pool, random) => { // one in 'random' pieces is a random byte
  let all = '';
  while (all.length < 2 * size)
    all += pool && below(random) ? pick(pool.split(' ')) : hex([below(256)]);
  return Buffer.from(all, 'hex');
};

function reading(encoding) {
  const decoder = new StringDecoder(encoding), chunks = [], texts = [];
  for (let n, rest = bytes(14, read[encoding], 9); rest.length; rest = rest.subarray(n)) {
    n = 1 + below(below(2) ? 3 : 9);
    chunks.push(rest.subarray(0, n));
    texts.push(decoder.write(rest.subarray(0, n)));
  }
  texts.push(decoder.end());
  if (encoding === 'utf16le') // Node may cut inside a surrogate pair, where UTF-8 has no place to
    texts.splice(0, Infinity, texts.join(''));
  return [encoding, chunks.map(hex).join(' '), texts.map(hex).join(' ')];
}

function writing(encoding) {
  const text = bytes(below(24), written[encoding], 40);
  return [encoding, hex(text), hex(Buffer.from(text.toString(), encoding))];
}

const rows = (make, names, each) => names
  .flatMap((name) => Array.from({ length: each }, () => make(name)))
  .map((row) => `    { "${row.join('",\n      "')}" },\n`).join('');
const names = ['utf8', 'utf16le', 'latin1', 'ascii', 'hex', 'base64', 'base64url'];
console.log(`-- Made by encoding_golden.js from Node ${process.version}; all in hex, "-" for nothing.
return {
  -- encoding, chunks read, the text of each and of the end (utf16le: all in one)
  reading = {
${rows(reading, [...names, 'utf8', 'utf16le', 'utf8'], 30)}  },
  -- encoding, UTF-8 text, the bytes that writing it sends
  writing = {
${rows(writing, Object.keys(written), 20)}  },
}`);
