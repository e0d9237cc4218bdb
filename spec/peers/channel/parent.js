// The parent of channel_peers.lua: parent.js CHILD EXECPATH SCENARIO. As parent.lua, line by line.
'use strict';
const { fork } = require('child_process');
const [, , script, execPath, scenario] = process.argv;
const log = (...words) => console.log('P', ...words.map(String));

function start() {
  const kid = fork(script, [scenario], { execPath, execArgv: [], silent: true });
  const out = [];
  kid.stdout.on('data', (chunk) => out.push(chunk));
  kid.stderr.on('data', (chunk) => out.push(chunk));
  kid.on('message', (m) => log('message', typeof m === 'string' && m.length > 1000 ? m.length : JSON.stringify(m)));
  kid.on('disconnect', () => log('disconnect', kid.connected));
  let ends = 0;
  const end = () => { if (++ends === 3) process.stdout.write(out.join('')); };
  kid.stdout.on('end', end);
  kid.stderr.on('end', end);
  kid.on('exit', (code, signal) => { log('exit', code, signal); end(); });
  return kid;
}

const SCENARIOS = {
  values() {
    const kid = start();
    for (const m of ['', 'hello\nworld é', '\u2028\u007f/"\\\b\f\r\t\u0001', 0, -1, 1.5, 1e21, 123456789012345, true, false,
      [], [1, [2]], { a: 1 }, { b: { c: [null, 'x'] } }]) kid.send(m);
    kid.send('bye');
  },
  order() {
    const kid = start();
    for (let i = 1; i <= 3; i++) kid.send(i);
  },
  answers() {
    const kid = start();
    log(kid.connected, kid.send('a', (err) => log('callback', err)), kid.send('b', undefined, (err) => log('callback', err)));
  },
  disconnect() {
    const kid = start();
    kid.once('message', () => {
      kid.disconnect();
      log(kid.connected);
      log(kid.send('late', (err) => log('callback', err.code, err.message)));
      kid.on('error', (err) => log('error', err.code, err.message));
      kid.send('later');
      kid.disconnect();
    });
  },
  early() {
    const kid = start();
    for (let i = 1; i <= 3; i++) kid.send(i);
    kid.disconnect();
  },
  late() {
    const kid = start();
    kid.send('a');
    kid.send('b');
  },
  killed() {
    const kid = start();
    kid.once('message', () => kid.kill('SIGKILL'));
  },
  raises() {
    const kid = start();
    for (const args of [[], [undefined], [() => {}], [1, {}], [1, null, 5]]) {
      try { kid.send(...args); } catch (err) { log(err.name, err.code); }
    }
    kid.send('bye');
  },
};
(SCENARIOS[scenario] || start)();
