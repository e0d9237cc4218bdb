// SPDX-License-Identifier: MIT

// What a message to a child and back costs both processes, as messages.lua.

const UNDER_WAY = 16;

const cpu = () => { // seconds, of all threads
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

function answer() {
  process.on("message", (message) => {
    process.send(message.clock ? { clock: cpu() } : message);
  });
}

function measure(bytes, isText, seconds) {
  const value = require("./message.js")(bytes, isText);
  const kid = require("child_process").fork(__filename, ["child"]);
  let done = 0, begun, hasEnded = false;

  const onClock = (clock) => {
    const now = { cpu: cpu() + clock, done };
    if (!begun) {
      begun = now;
      setTimeout(() => kid.send({ clock: true }), seconds * 1000);
      return;
    }
    console.log(((now.cpu - begun.cpu) / (now.done - begun.done) * 1e9).toFixed(1),
      Math.round((now.done - begun.done) / seconds));
    hasEnded = true;
    setTimeout(() => kid.disconnect(), 50); // the last ones come back
  };

  kid.on("message", (message) => {
    if (message.clock) {
      onClock(message.clock);
    } else if (!hasEnded) {
      done++;
      kid.send(message);
    }
  });
  for (let i = 0; i < UNDER_WAY; i++)
    kid.send(value);
  setTimeout(() => kid.send({ clock: true }), 500); // when it is compiled
}

if (process.argv[2] === "child")
  answer();
else
  measure(Number(process.argv[2]), process.argv[3] === "text", Number(process.argv[4]));
