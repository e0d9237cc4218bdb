// SPDX-License-Identifier: MIT

// What it costs both processes to send a socket to a child, or back, as sockets.lua.

const net = require("net");

const CONNECTIONS = 16;

const cpu = () => { // seconds, of all threads
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

function answer() {
  process.on("message", (message, socket) => {
    if (socket)
      process.send(message, socket);
    else
      process.send({ clock: cpu() });
  });
}

function measure(seconds) {
  const kid = require("child_process").fork(__filename, ["child"]);
  let done = 0, begun, hasEnded = false;

  const onClock = (clock) => {
    const now = { cpu: cpu() + clock, done };
    if (!begun) {
      begun = now;
      setTimeout(() => kid.send("clock"), seconds * 1000);
      return;
    }
    hasEnded = true;
    console.log(((now.cpu - begun.cpu) / (now.done - begun.done) * 1e9).toFixed(1),
      Math.round((now.done - begun.done) / seconds));
    setTimeout(() => kid.disconnect(), 50); // the last ones come back
  };

  kid.on("exit", () => process.exit(0)); // waited for: its CPU time is known to be ours
  kid.on("message", (message, socket) => {
    if (message.clock) {
      onClock(message.clock);
    } else if (!hasEnded) {
      if (!socket)
        throw new Error("a socket is lost");
      done += 2;
      kid.send({ n: done }, socket);
    }
  });

  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    kid.send({ n: 0 }, socket);
  });
  server.listen(0, "127.0.0.1", () => {
    for (let i = 0; i < CONNECTIONS; i++)
      net.connect(server.address().port, "127.0.0.1").on("error", () => {});
  });
  setTimeout(() => kid.send("clock"), 500); // when it is compiled
}

if (process.argv[2] === "child")
  answer();
else
  measure(Number(process.argv[2]));
