// SPDX-License-Identifier: MIT

// What a message costs as JSON, as codec.lua: codec.js encode|decode BYTES SECONDS

const message = require("./message.js");

const [what, bytes, seconds] = process.argv.slice(2);
const value = message(Number(bytes));
const text = JSON.stringify(value);
const work = what === "encode" ? JSON.stringify : JSON.parse;
const argument = what === "encode" ? value : text;

const cpu = () => { // µs, of all threads: the collector's too
  const { user, system } = process.cpuUsage();
  return user + system;
};

function drive(duration) {
  const start = cpu();
  let done = 0, now;
  do {
    for (let i = 0; i < 100; i++)
      work(argument);
    done += 100;
    now = cpu();
  } while (now - start < duration * 1e6);
  return [(now - start) / done * 1000, done];
}

drive(Math.max(0.2, seconds / 4)); // until it is compiled
const [cost, done] = drive(Number(seconds));
console.log(cost.toFixed(1), Math.round(done / seconds));
