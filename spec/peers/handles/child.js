// The child of handles_peers.lua. As child.lua, line by line.
'use strict';
const net = require('net');
const lines = [];
const log = (...words) => lines.push(words.map((w) => w === undefined ? 'nil' : String(w)).join(' '));
let last;

process.on('message', (m, handle) => {
  if (m.what === 'server') {
    log('server', handle instanceof net.Server, handle.listening, handle.address().address);
    handle.close();
  } else if (m === 'second' || m === 'third') {
    log(m, handle);
    if (m === 'third') process.send('served');
  } else if (m === 'sock') {
    log('socket', handle instanceof net.Socket, handle.allowHalfOpen,
      handle.readableFlowing === null ? undefined : handle.readableFlowing,
      handle.server === null ? undefined : handle.server, handle.remoteAddress);
    last = handle;
    handle.on('data', (data) => {
      handle.write(`got ${data}`);
      process.send('socked');
    });
  } else if (m === 'quiet') {
    handle.on('data', () => log('never'));
    handle.write('x', () => {
      handle.destroy();
      setTimeout(() => process.send('quieted'), 100);
    });
  } else if (m === 'keep') {
    last = handle;
    process.send('kept');
  } else if (m === 'end') {
    last.end();
    last.destroy();
  } else if (m === 'bare') {
    log('bare', handle);
    lines.filter((line) => line.startsWith('bare')).length === 2 && process.send('bared');
  } else if (['one', 'two', 'three', 'four', 'five'].includes(m)) {
    log(m, handle === undefined ? undefined : handle instanceof net.Server);
    if (handle) handle.close();
    if (m === 'five') process.send('fived');
  } else if (m.connect) {
    const socket = net.connect(m.connect, '127.0.0.1', () => {
      socket.pause();
      log('returns', process.send('connected', socket));
    });
  } else if (m === 'bound') {
    log('bound', handle instanceof net.BoundSocket, handle.address().address, handle.isPipe);
    const server = net.createServer();
    server.listen(handle, () => {
      log('listens', server.address().address);
      server.close();
      process.send('bounded');
    });
  } else if (m === 'sync') {
    process.send('synced');
  } else if (m === 'log') {
    process.send({ log: lines });
  } else if (m === 'done') {
    process.disconnect();
  }
});
