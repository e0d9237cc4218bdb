// SPDX-License-Identifier: MIT
//
// node_api.js - the public names of Node's net, and of what its objects inherit, by reflection:
//     node spec/data/node_api.js > spec/data/node_api.lua
// Left out are names for insiders (_read, kCapture) and symbols but those of the language.
const net = require('net');
const events = require('events');
const timers = require('timers');
const { Duplex, Readable } = require('stream');

const LANGUAGE = [Symbol.dispose, Symbol.asyncDispose, Symbol.asyncIterator];
const isPublic = (key) => (typeof key === 'symbol' ? LANGUAGE.includes(key) :
  !/^(_|k[A-Z])/.test(key) && !['constructor', 'length', 'name', 'prototype'].includes(key));
const spelled = (object, key) => {
  const name = typeof key === 'symbol' ? `[${key.description}]` : key;
  const value = Object.getOwnPropertyDescriptor(object, key).value;
  const isClass = typeof value === 'function' && /^[A-Z]/.test(name) && !/^[A-Z_]+$/.test(name);
  return typeof value === 'function' && !isClass ? `${name}()` : name;
};
const names = (...objects) => [...new Set(objects.flatMap((object) =>
  Reflect.ownKeys(object).filter(isPublic).map((key) => spelled(object, key))))].sort();

const timeout = timers.setTimeout(() => {}, 0);
const immediate = timers.setImmediate(() => {});
const socket = new net.Socket();
socket.setTimeout(1000).setTimeout(0); // makes the field `timeout`

const API = {
  net: names(net),
  server: names(net.Server.prototype, net.createServer()),
  socket: names(net.Socket.prototype, Duplex.prototype, Readable.prototype, socket)
    .filter((name) => !(name.replace('()', '') in events.prototype)),
  BlockList: names(net.BlockList),
  blockList: names(net.BlockList.prototype),
  SocketAddress: names(net.SocketAddress),
  socketAddress: names(net.SocketAddress.prototype),
  BoundSocket: names(net.BoundSocket),
  boundSocket: names(net.BoundSocket.prototype),
  events: names(events),
  emitter: names(events.prototype),
  timers: names(timers),
  timeout: names(Object.getPrototypeOf(timeout)),
  immediate: names(Object.getPrototypeOf(immediate)),
  AbortSignal: names(AbortSignal),
  abortSignal: names(AbortSignal.prototype, EventTarget.prototype),
  abortController: names(AbortController.prototype),
};

console.log(`-- Made by node_api.js from Node ${process.version}; "()" marks functions.\n\nreturn {`);
for (const [object, list] of Object.entries(API)) {
  const lines = list.length ? list.join(' ').match(/.{1,92}(?= |$)/g) : [''];
  console.log(`  ${object} = [[\n    ${lines.map((l) => l.trim()).join('\n    ')}]],`);
}
console.log('}');
