// SPDX-License-Identifier: MIT
//
// The bench's servers on Node: node.js SCENARIO ADDRESS [UPSTREAM]. See net.lua.
'use strict';
const net = require('net');
const [scenario, address, upstream] = process.argv.slice(2);
const PERIOD = 65521; // bytes; see pattern.h

// What "source" sends, over and over.
function makePeriod() {
  const period = Buffer.alloc(PERIOD);
  for (let i = 0; i < PERIOD; i++) period[i] = Math.imul(i, 2654435761 | 0) >>> 13;
  return period;
}
const period = scenario === 'source' && makePeriod();

const bytes = Buffer.from(Array.from({ length: 64 }, (_, i) => 32 + i));
const [head, name, value, tail] = [0, 16, 32, 48].map((at) => bytes.subarray(at, at + 16));

const ignore = () => {};

const serve = {
  echo(socket) { socket.on('data', (chunk) => socket.write(chunk)); },
  // Corked, or each piece would be a system call of its own.
  four(socket) {
    socket.on('data', () => {
      socket.cork();
      socket.write(head);
      socket.write(name);
      socket.write(value);
      socket.write(tail);
      socket.uncork();
    });
  },
  sink(socket) { socket.on('data', ignore); },
  source(socket) {
    const fill = () => { while (socket.write(period)); };
    socket.on('drain', fill);
    fill();
  },
  timeout(socket) {
    socket.setTimeout(60000);
    socket.on('timeout', () => socket.destroy());
    serve.echo(socket);
  },
  proxy(socket) {
    const peer = net.connect({ port: +upstream, host: '127.0.0.1', noDelay: true });
    peer.on('error', () => socket.destroy());
    socket.pipe(peer);
    peer.pipe(socket);
  },
};
serve.connect = serve.echo;
serve.hold = serve.sink;

const server = net.createServer({ noDelay: scenario !== 'connect' }, (socket) => {
  if (scenario !== 'hold') socket.on('error', ignore);
  serve[scenario](socket);
});
const isPath = address.includes('/');
server.listen(isPath ? { path: address } : { port: 0, host: '127.0.0.1' },
  () => console.log(isPath ? 0 : server.address().port));
