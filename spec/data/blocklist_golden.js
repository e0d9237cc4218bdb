// SPDX-License-Identifier: MIT
//
// blocklist_golden.js - what Node's BlockList makes of random rules, added and removed, and asked.
// More of them, and others, for a run by hand, with a count and a seed:
//     node spec/data/blocklist_golden.js [40 [2026]] > spec/data/blocklist_golden.lua
const { BlockList, SocketAddress } = require('net');
const count = +process.argv[2] || 40;
let seed = +process.argv[3] || 2026;
const below = (n) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % n;
const pick = (list) => list[below(list.length)];
const address = (text) => new SocketAddress(
  { address: text, family: text.includes(':') ? 'ipv6' : 'ipv4' });

// Few addresses, near to each other, and to the ends and the seams of what there is.
const v4 = () => pick([`10.0.${below(2)}.${below(8)}`, `10.0.${below(2)}.${below(256)}`,
                       `10.${below(4)}.0.1`, '0.0.0.0', '255.255.255.255', '127.255.255.255']);
const v6 = () => pick([`2001:db8::${below(8)}`, `2001:db8:${below(4)}::`, `::${below(3) || ''}`,
                       `fe80::${below(9)}:1`, '::fffe:ffff:ffff', '::1:0:0:0', '::fffe:10.0.0.1',
                       'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '7fff::', '8000::']);
const any = () => pick([v4, v4, v6, v6, () => '::ffff:' + v4()])();
const prefix = (text) => (below(3) ? (text.includes(':') ? 128 : 32) - below(12)
  : below(text.includes(':') ? 129 : 33));

// What may be done, each a word: "+" or "-" for adding or removing, and the rule.
const rule = () => pick([() => 'a' + any(), () => 's' + any() + '/', () => 'r' + any() + '-'])();
const whole = (text) => (text[0] === 's' ? text + prefix(text)
  : text[0] === 'r' ? text + any() : text);
const apply = (list, word) => {
  const add = word[0] === '+' ? 'add' : 'remove', rest = word.slice(2).split(/[/-]/);
  try {
    if (word[1] === 'a')
      list[add + 'Address'](address(rest[0]));
    else if (word[1] === 's')
      list[add + 'Subnet'](address(rest[0]), +rest[1]);
    else
      list[add + 'Range'](address(rest[0]), address(rest[1]));
  } catch {
    return '!' + word; // a range the wrong way round
  }
  return word;
};
const story = () => {
  const list = new BlockList(), words = [], added = [];
  for (let todo = 5 + below(20); todo--;) {
    const again = added.length && !below(3), text = again ? pick(added) : whole(rule());
    added.push(text);
    words.push(apply(list, (again && below(3) ? '-' : '+') + text));
    if (!below(3))
      words.push(...Array.from({ length: 3 }, any).map((a) => 'ny'[+list.check(address(a))] + a));
  }
  // The same words for the rules that are left: "Subnet: IPv4 10.0.0.0/8" is s10.0.0.0/8. Node keeps
  // addresses in a hash table; their order means nothing.
  const left = list.rules.map((r) => r.replace(/^(.).*: IPv. /, (_, c) => c.toLowerCase()));
  const single = (word) => word[0] === 'a';
  return [...words, '=', ...left.filter(single).sort(), ...left.filter((word) => !single(word))];
};
const rows = Array.from({ length: count }, () => story().join(' ').replace(/(.{1,105})( |$)/g, '    $1\n'));
console.log(`-- Made by blocklist_golden.js from Node ${process.version}. Words: + adds a rule, - removes one,
-- which is refused if ! stands before; y is an address that is blocked, n one that is not; behind = are
-- the rules that are left. Of rules, a is an address, s a subnet, r a range.
return {
${rows.map((row) => `  [[\n${row}  ]],\n`).join('')}}`);
