// SPDX-License-Identifier: MIT
//
// The session of channel_session.txt, in both seats. It was recorded by
//
//     ulimit -n 200; strace -f -y -s 20000 -xx -e trace=write,sendmsg -o FILE node channel_session.js
//
// and has the writes to the channel of either process in their order.
'use strict';
const { fork } = require('child_process'), fs = require('fs'), net = require('net');

function child() {
  const files = [], silent = ['a', false, 0, 'second', 'lost'];
  let kept;
  const answers = {
    full() { try { for (;;) files.push(fs.openSync('/dev/null')); } catch { process.send('full'); } },
    free() { files.forEach((file) => fs.closeSync(file)); process.send('free'); },
    sock(handle) { process.send({ back: true }, handle); },
    kept(handle) { kept = handle.on('error', () => {}); process.send('kept'); },
    'end it'() { kept.destroy(); process.send('ended'); },
  };
  process.on('message', (message, handle) => {
    if (silent.includes(message)) return;
    if (message && message.what) handle.close();
    else if (answers[message]) answers[message](handle);
    else process.send({ got: message });
  });
  process.send('ready');
}

function parent() {
  const kid = fork(__filename, [], { execArgv: [] });
  const server = net.createServer(), other = net.createServer({ pauseOnConnect: true }, (socket) => kid.send('kept', socket));
  const steps = [
    () => kid.send('hello\nworld é'),
    () => kid.send([1, 2.5, -0, true, null, 'a"\\\b\f\n\r\t\u0001\u2028\u007f/\u{1F600}', { empty: {} }, [],
      2 ** 53, 1e-7, 1e21, -5]),
    () => { for (const message of ['a', false, 0, null]) kid.send(message); },
    () => server.listen(0, '127.0.0.1', () => {
      kid.send({ what: 'server' }, server);
      kid.send('second');
      kid.send('third');
    }),
    () => kid.send('full'),
    () => { kid.send('lost', server); kid.send('behind'); },
    () => kid.send('free'),
    () => { const socket = net.connect(server.address().port, '127.0.0.1', () => kid.send('sock', socket)); },
    () => other.listen(0, '127.0.0.1', () => net.connect(other.address().port, '127.0.0.1').on('error', () => {})),
    () => other.getConnections(() => { other.close(() => kid.send('bye')); kid.send('end it'); }),
    () => server.close(),
    () => kid.disconnect(),
  ];
  kid.on('message', (message, handle) => {
    if (handle) handle.destroy();
    steps.shift()();
  });
  kid.on('exit', () => process.exit());
}

if (process.send) child(); else parent();
