// SPDX-License-Identifier: MIT
//
// The bench's servers on Node: node.js SCENARIO ADDRESS. See net.lua.
'use strict';
const net = require('net');
const [scenario, address] = process.argv.slice(2);
const PERIOD = 65521; // bytes; as load.c has it

const serve = {
  echo(socket) { socket.on('data', (chunk) => socket.write(chunk)); },
  sink(socket) { socket.on('data', () => {}); },
  source(socket) {
    const period = Buffer.alloc(PERIOD);
    for (let i = 0; i < PERIOD; i++) period[i] = Math.imul(i, 2654435761 | 0) >>> 13;
    const fill = () => { while (socket.write(period)); };
    socket.on('drain', fill);
    fill();
  },
};
serve.connect = serve.echo;

const server = net.createServer((socket) => {
  socket.on('error', () => {});
  serve[scenario](socket);
});
const isPath = address.includes('/');
server.listen(isPath ? { path: address } : { port: 0, host: '127.0.0.1' },
  () => console.log(isPath ? 0 : server.address().port));
