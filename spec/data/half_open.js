// SPDX-License-Identifier: MIT
//
// half_open.js - the original of examples/half_open.lua, for Node.
//
//     node spec/data/half_open.js [PORT [HOST]]
//
// The specs run both beside each other; what this one prints is right.
'use strict';

const net = require('node:net');

const port = Number(process.argv[2] ?? 8050);
const host = process.argv[3] ?? 'localhost';
const sockets = new Set();

const server = net.createServer();

function countConnections() {
  server.getConnections((err, count) => {
    console.log(`connection count: ${count}`);
  });
}

server.on('listening', () => {
  const { address, port } = server.address();
  console.log(`server.listening: ${server.listening}`);
  console.log(`listening on ${address}:${port}`);
  countConnections();
});

server.on('connection', (socket) => {
  const peer = `${socket.remoteAddress}:${socket.remotePort}`;
  sockets.add(socket);
  console.log(`incoming connection: ${peer}`);
  countConnections();

  socket.on('end', () => {
    console.log(`rec FIN, half close(${peer})`);
  });
  socket.on('close', () => {
    console.log(`fully close(${peer})`);
    sockets.delete(socket);
  });
  socket.on('error', (err) => {
    console.log(`${err.message}(${peer})`);
  });
});

server.on('close', () => {
  console.log('server shutdown');
});

server.on('error', (err) => {
  console.error(`half_open: ${err}`);
  process.exit(1);
});

process.once('SIGINT', () => {
  console.log('server.close() called.');
  for (const socket of sockets) {
    console.log(`connection end,  ${socket.remoteAddress}:${socket.remotePort}`);
    socket.end();
  }
  countConnections();
  server.close(() => {
    console.log('server.close callback');
  });
});

console.log(`server.listening: ${server.listening}`);
server.listen(port, host, 5, () => {
  console.log('im test');
});
