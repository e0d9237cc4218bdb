// SPDX-License-Identifier: MIT
//
// peer.js - Node at one end of a wire (spec/support/wire.lua). As a server it answers in capitals;
// as a client it connects to each port that it reads, says hello, and ends when that is answered.
// It prints what each connection has told: a line of events, with commas between.
//
//   node peer.js server VERSION CERT KEY CA
//   node peer.js client VERSION CERT KEY CA [resume]
"use strict";
const fs = require("fs"), tls = require("tls");
const [, , role, version, cert, key, ca, resume] = process.argv;
const limits = { minVersion: version, maxVersion: version };
let session, connected = 0;

// How an error stands in a line: as in wirepeers.lua.
function said(value) {
  return value.code === "ECONNRESET" ? value.message : value.code || String(value).trim();
}

// Notes what a socket tells; calls back with the list when it is closed.
// An error behind the handshake does not close it, in Node.
function watch(socket, names, list, done) {
  let got = "";
  socket.on("error", () => socket.destroy());
  for (const name of names) {
    socket.on(name, (value) => {
      if (name === "data") {
        got += value;
        value = got.length > 40 ? got.length + " bytes" : got;
        if (list.length > 0 && list[list.length - 1].startsWith("data")) list.pop();
      }
      const word = name === "session" || value === undefined ? "" : " " + said(value);
      list.push(name + word);
      if (name === "close") done(list);
    });
  }
}

function say(list) {
  console.log("told " + list.join(","));
}

function serve() {
  const server = tls.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key), ...limits }, (socket) => {
    watch(socket, ["data", "end", "error", "close"], ["secureConnection"], say);
    socket.on("data", (chunk) => socket.write(String(chunk).toUpperCase()));
  });
  server.on("tlsClientError", (err) => say(["tlsClientError " + said(err)]));
  server.listen(0, "127.0.0.1", () => console.log("port " + server.address().port));
}

function connect(port) {
  const options = { port, host: "127.0.0.1", servername: "localhost", ca: fs.readFileSync(ca), ...limits };
  if (resume && session) options.session = session;
  const socket = tls.connect(options), list = [];
  let got = "";
  watch(socket, ["connect", "ready", "secureConnect", "secure", "session", "data", "end", "error", "close"], list, say);
  socket.once("secureConnect", () => list.push(socket.isSessionReused() ? "resumed" : "new"));
  if (connected++ === 0) socket.on("session", (bytes) => { session = bytes; });
  socket.write("hello\n", (err) => { if (err) list.push("wcb " + said(err)); });
  socket.on("data", (chunk) => {
    got += chunk;
    if (got === "HELLO\n") socket.end();
  });
}

if (role === "server") {
  serve();
} else {
  require("readline").createInterface({ input: process.stdin }).on("line", (line) => connect(+line));
}
