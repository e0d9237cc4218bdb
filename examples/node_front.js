// SPDX-License-Identifier: MIT
//
// node_front.js - a server in Node, whose connections programs in Lua serve.
//
//     node examples/node_front.js [PORT [WORKERS]]         # 8010, 2
//     nc localhost 8010                                    # in another terminal
//
// Node accepts, and gives each connection to one of the workers (node_worker.lua), in turn:
// the socket itself goes there, and Node does not see a byte of it. What a worker needs to
// know of a connection goes along as the message. SIGINT and SIGTERM stop accepting; the
// program ends when the last connection has, wherever it is.
//
// LUANET names the interpreter, if it is not in PATH as `luanet`.
//
// Shows: `execPath` and `execArgv: []`, without which Node's own options would come before
// the script; `pauseOnConnect`, so that nothing is read here that the worker would miss;
// `getConnections` across processes; what becomes of a worker that dies.

'use strict';
const { fork } = require('child_process');
const net = require('net');
const path = require('path');

const [port = 8010, count = 2] = process.argv.slice(2).map(Number);
const workers = [];
let served = 0;
let closing = false;

function start() {
  const worker = fork(path.join(__dirname, 'node_worker.lua'), [], {
    execPath: process.env.LUANET || 'luanet',
    execArgv: [],
  });
  worker.on('error', (err) => console.error(`a worker: ${err.message}`));
  worker.on('exit', (code, signal) => {
    workers.splice(workers.indexOf(worker), 1);
    if (!closing) {
      console.log(`worker ${worker.pid} has ended (${signal || code}), here is another`);
      start();
    }
  });
  workers.push(worker);
}

const server = net.createServer({ pauseOnConnect: true }, (socket) => {
  const worker = workers[served++ % workers.length];
  if (!worker) return socket.destroy();
  worker.send({ from: `${socket.remoteAddress}:${socket.remotePort}`, number: served }, socket,
    (err) => { if (err) socket.destroy(); });
});

function stop() {
  if (closing) return;
  closing = true;
  server.getConnections((err, open) => console.log(`${err ? 'some' : open} connections are open`));
  server.close(() => {
    for (const worker of workers) worker.disconnect();
  });
}

for (let i = 0; i < count; i++) start();
process.on('SIGINT', stop).on('SIGTERM', stop);
server.listen(port, () => console.log(`listening on port ${server.address().port}`));
