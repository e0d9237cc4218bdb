// The parent of handles_peers.lua: parent.js CHILD [EXECPATH]. As parent.lua, line by line.
'use strict';
const { fork } = require('child_process');
const net = require('net');
const [, , script, execPath, version] = process.argv;
const kid = fork(script, [], { execPath, execArgv: [] });
const log = (...words) => console.log('P', ...words.map((w) => w === undefined ? 'nil' : String(w)));

const steps = [];
const next = () => steps.shift()();
const waiting = {};
const answer = (name, fn) => { waiting[name] = fn; };
kid.on('message', (m, handle) => {
  const fn = waiting[m];
  if (fn) { delete waiting[m]; fn(handle); } else if (m.log) m.log.forEach((line) => console.log('C', line));
});
kid.on('exit', (code) => log('exit', code));

// A server, then two plain messages in the same tick.
steps.push(() => {
  const server = net.createServer();
  server.listen(0, '127.0.0.1', () => {
    log('returns', kid.send({ what: 'server' }, server), kid.send('second'), kid.send('third'));
    answer('served', () => {
      log('listening', server.listening);
      server.close(next);
    });
  });
});

// An accepted socket, counted there, and the server's close.
steps.push(() => {
  const server = net.createServer({ pauseOnConnect: true });
  let client;
  server.listen(0, '127.0.0.1', () => {
    client = net.connect(server.address().port, '127.0.0.1');
    client.write('hello');
  });
  server.on('connection', (socket) => {
    log('returns', kid.send('sock', socket), socket.pending, socket.remoteAddress,
      socket.readyState, socket.destroyed, socket.timeout);
    const count = () => server.getConnections((err, count) => {
      log('connections', err === null ? undefined : err, count);
      server.close(() => {
        log('server close');
        next();
      });
      kid.send('end');
    });
    // The child's bytes and its message may come in any order.
    let awaited = 2;
    const heard = () => --awaited === 0 && count();
    answer('socked', heard);
    client.on('data', (data) => {
      log('client', data);
      heard();
    });
  });
});

// It is silent from then on, unless used.
steps.push(() => {
  const server = net.createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.3', () => net.connect(server.address().port, '127.0.0.3'));
  server.on('connection', (socket) => {
    const said = [];
    for (const event of ['data', 'end', 'timeout', 'finish', 'drain'])
      socket.on(event, () => said.push(event));
    socket.setTimeout(20);
    kid.send('quiet', socket);
    answer('quieted', () => {
      socket.on('error', (err) => said.push('error', err.code));
      socket.on('close', () => {
        log('said', said.join(' '));
        server.close(); // Node counts one less a second time, and never closes it
        kid.send('sync'); // what the child answers to that is behind it
        answer('synced', next);
      });
      log('write', socket.write('x', (err) => said.push('callback', err.code)));
    });
  });
});

// Both ends with keepOpen.
steps.push(() => {
  const server = net.createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.2', () => net.connect(server.address().port, '127.0.0.2').resume());
  server.on('connection', (socket) => {
    log('returns', kid.send('keep', socket, { keepOpen: true }), socket.pending);
    answer('kept', () => server.getConnections((err, count) => {
      log('connections', count);
      socket.destroy();
      server.close(() => {
        log('server close');
        next();
      });
      kid.send('end');
    }));
  });
});

// Without a descriptor: a plain message.
steps.push(() => {
  log('returns', kid.send('bare', net.createServer()), kid.send('bare', new net.Socket()));
  answer('bared', next);
});

// What was made by connect has no key; the child sends one back.
steps.push(() => {
  const server = net.createServer((socket) => socket.end('from the server'));
  server.listen(0, '127.0.0.1', () => kid.send({ connect: server.address().port }));
  answer('connected', (socket) => {
    log('back', socket.constructor.name, socket.server === null ? undefined : socket.server,
      socket.remoteAddress, socket.allowHalfOpen);
    socket.on('data', (data) => log('data', data));
    socket.on('close', () => server.close(next));
  });
});

if (version !== '20') {
  steps.push(() => {
    const bound = new net.BoundSocket({ host: '127.0.0.1' });
    log('returns', kid.send('bound', bound));
    try { bound.address(); } catch (err) { log(err.code); }
    answer('bounded', next);
  });
}

// Several in one tick, and plain ones between: their order.
steps.push(() => {
  const server = net.createServer();
  server.listen(0, '127.0.0.1', () => {
    log('returns', kid.send('one', server), kid.send('two'), kid.send('three', server),
      kid.send('four', server), kid.send('five'));
    answer('fived', () => server.close(next));
  });
});

steps.push(() => {
  kid.send('log');
  kid.send('done');
});
next();
