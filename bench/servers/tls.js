// SPDX-License-Identifier: MIT
//
// The bench's TLS servers on Node: tls.js SCENARIO 0 PEM. See tls.lua.
'use strict';
const fs = require('fs');
const tls = require('tls');
const [scenario, , file] = process.argv.slice(2);
const PERIOD = 65521; // bytes; see pattern.h
const pem = fs.readFileSync(file);

// What "source" sends, over and over.
function makePeriod() {
  const period = Buffer.alloc(PERIOD);
  for (let i = 0; i < PERIOD; i++) period[i] = Math.imul(i, 2654435761 | 0) >>> 13;
  return period;
}
const period = scenario === 'source' && makePeriod();
const ignore = () => {};

const serve = {
  handshake(socket) { socket.resume(); },
  echo(socket) { socket.on('data', (chunk) => socket.write(chunk)); },
  sink(socket) { socket.on('data', ignore); },
  source(socket) {
    const fill = () => { while (socket.write(period)); };
    socket.on('drain', fill);
    fill();
  },
};
serve.hold = serve.handshake;

const server = tls.createServer({ key: pem, cert: pem, noDelay: true }, (socket) => {
  socket.on('error', ignore);
  serve[scenario](socket);
});
server.on('tlsClientError', ignore);
server.listen({ port: 0, host: '127.0.0.1' }, () => console.log(server.address().port));
