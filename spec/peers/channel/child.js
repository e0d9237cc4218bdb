// The child of channel_peers.lua: child.js SCENARIO. As child.lua, line by line.
'use strict';
const scenario = process.argv[2];
const log = (...words) => console.log('C', ...words.map(String));

const SCENARIOS = {
  values() {
    process.on('message', (m) => {
      process.send({ got: m });
      if (m === 'bye') process.disconnect();
    });
  },
  order() {
    process.on('message', (m) => {
      log('message', m);
      process.nextTick(() => log('tick of', m));
      if (m === 3) process.disconnect();
    });
    process.on('disconnect', () => log('disconnect', process.connected));
  },
  answers() {
    const seen = [];
    process.on('message', (m) => {
      seen.push(m);
      if (seen.length === 2) process.send(seen, () => process.disconnect());
    });
  },
  big() {
    for (let i = 1; i <= 3; i++) process.send('x'.repeat(200000), (err) => log('sent', err));
  },
  nothing() {},
  exit() {
    process.send('a');
    process.exit(5);
  },
  own() {
    process.disconnect();
    log(process.connected, process.send('x', (err) => log('callback', err.code, err.message)));
    process.on('error', (err) => log('error', err.code, err.message));
    process.send('y');
    process.disconnect();
  },
  late() {
    process.send('up');
    process.on('disconnect', () => log('disconnect'));
    setTimeout(() => {
      process.nextTick(() => log('tick'));
      process.on('message', (m) => {
        log('message', m);
        if (m === 'b') setImmediate(() => process.disconnect()); // in here it ends Node
      });
    }, 300);
  },
  disconnect() {
    process.on('message', () => {});
    process.on('disconnect', () => log('disconnect', process.connected));
    process.send('up');
  },
  early() {
    process.on('message', (m) => log('message', m));
    process.on('disconnect', () => log('disconnect'));
  },
  killed() {
    process.on('message', () => {});
    process.send('up');
  },
  raises() {
    process.on('message', (m) => { if (m === 'bye') process.disconnect(); });
  },
};
SCENARIOS[scenario]();
