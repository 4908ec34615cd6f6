// Runs WebAssembly functions, any number of them, one call at a time: node runner.js SOCKET
//
// It speaks frames as other runtimes do (docs/runtime-interface.md), with messages of its own (docs/webassembly.md, "The runner"):
//
//   daemon  MODULE hash, size, … + bytes ▶ compiled and kept ──▶ READY microseconds | FAILURE
//           FUNCTION key, hash, … ──────▶ kept
//           FORGET hash ────────────────▶ dropped, with its functions
//           REQUEST key, size, … + body ▶ a fresh instance runs the call ──▶ [LOG …] [FETCH … ◀── FETCHED …] RESPONSE | FAILURE, and READY when it has tidied up after that
//
// There is no event loop: the socket is read and written with blocking system calls, so that a guest's request to the world is a plain call and nothing waits for a turn. A guest that loops holds
// this process and nobody else; the daemon kills it.
//
// What a guest reaches: its own memory, and the functions below, which check every pointer against that memory as it is now. All state of a call is in `call`, made anew for each.
'use strict';

const fs = require('fs');
const net = require('net');
const { guests } = require('./guests.js');
const { Memories } = require('./memories.js');

const HEADER = 12, MAX_PART = 64 * 1024;
const REQUEST = 1, BODY = 2, LOAD = 4, MODULE = 6, FUNCTION = 7, FORGET = 8, FETCHED = 9;
const HELLO = 16, RESPONSE = 17, READY = 18, FAILURE = 19, LOG = 21, FETCH = 22;

// V8 collects garbage in the middle of a call when much memory has been made and dropped since the last time; it is done between calls instead, before it comes to that (its own limit: 32 MiB and more).
const TIDY_AFTER = 24 * 1024 * 1024;

let fd = -1;
const incoming = Buffer.allocUnsafeSlow(4 * MAX_PART);
let start = 0, filled = 0;
const outgoing = Buffer.allocUnsafeSlow(HEADER + 2 * MAX_PART);
const pause = new Int32Array(new SharedArrayBuffer(4));

const modules = new Map();   // hash → { module, memories }
const functions = new Map(); // key → settings
let untidied = 0;            // bytes that have become garbage since the last collection

// 1. Frames

function receive() {
  for (;;) {
    try {
      const count = fs.readSync(fd, incoming, filled, incoming.length - filled, null);
      if (count === 0) process.exit(0); // the daemon has closed the connection
      filled += count;
      return;
    } catch (error) {
      if (error.code === 'EAGAIN') Atomics.wait(pause, 0, 0, 1);
      else if (error.code !== 'EINTR') process.exit(0);
    }
  }
}

// The next frame. Head and body lie in `incoming` until the next call.
function next() {
  if (start === filled) start = filled = 0;
  while (filled - start < HEADER) {
    if (incoming.length - start < HEADER) compact();
    receive();
  }
  const size = incoming.readUInt32LE(start);
  const headSize = incoming.readUInt32LE(start + 8);
  if (headSize > MAX_PART || size < headSize || size - headSize > MAX_PART) process.exit(3);
  if (incoming.length - start < HEADER + size) compact();
  while (filled - start < HEADER + size) receive();
  const head = start + HEADER;
  const frame = {
    type: incoming[start + 4], more: incoming[start + 5] === 1, status: incoming.readUInt16LE(start + 6),
    headStart: head, bodyStart: head + headSize, end: head + size,
  };
  start = frame.end;
  return frame;
}

function compact() {
  incoming.copy(incoming, 0, start, filled);
  filled -= start;
  start = 0;
}

const headOf = frame => incoming.utf8Slice(frame.headStart, frame.bodyStart).split('\0');

// A whole message's body, whose size is known.
function collect(frame, size) {
  const whole = new Uint8Array(size);
  let at = 0;
  for (;;) {
    const length = frame.end - frame.bodyStart;
    if (at + length > size) process.exit(3);
    whole.set(incoming.subarray(frame.bodyStart, frame.end), at);
    at += length;
    if (!frame.more) return at === size ? whole : process.exit(3);
    frame = next();
    if (frame.type !== BODY) process.exit(3);
  }
}

function send(type, more, status, head, body, from, to) {
  const headSize = head === '' ? 0 : outgoing.utf8Write(head, HEADER, MAX_PART);
  const size = to - from;
  outgoing.writeUInt32LE(headSize + size, 0);
  outgoing[4] = type;
  outgoing[5] = more ? 1 : 0;
  outgoing.writeUInt16LE(status, 6);
  outgoing.writeUInt32LE(headSize, 8);
  if (size > 0) outgoing.set(body.subarray(from, to), HEADER + headSize);
  for (let at = 0, length = HEADER + headSize + size; at < length;) {
    try {
      at += fs.writeSync(fd, outgoing, at, length - at);
    } catch (error) {
      if (error.code === 'EAGAIN') Atomics.wait(pause, 0, 0, 1);
      else if (error.code !== 'EINTR') process.exit(0);
    }
  }
}

function sendWhole(type, status, head, body) {
  let at = Math.min(body.length, MAX_PART);
  send(type, at < body.length, status, head, body, 0, at);
  while (at < body.length) {
    const to = Math.min(body.length, at + MAX_PART);
    send(BODY, to < body.length, 0, '', body, at, to);
    at = to;
  }
}

const NOTHING = new Uint8Array(0);
const sendHead = (type, head) => send(type, false, 0, head, NOTHING, 0, 0);

// A head that is cut where a text may be cut: at most MAX_PART bytes whatever the characters.
const shortened = text => text.length <= 4096 ? text : text.slice(0, 4095) + '…';

// 2. What guests ask of the daemon

guests.log = (bytes, from, to) => send(LOG, false, 0, '', bytes, from, to);

// A request to the world: {status, body}.
guests.fetch = (method, url, headers, body) => {
  const head = [method, url, ...headers].join('\0');
  if (Buffer.byteLength(head) > MAX_PART) return { status: 0, body: NOTHING };
  sendWhole(FETCH, 0, head, body);
  const frame = next();
  if (frame.type !== FETCHED) process.exit(3);
  const status = frame.status;
  return { status, body: collect(frame, Number(headOf(frame)[0])) };
};

// 3. Messages

function load(frame) {
  const [hash, size, initial, maximum] = headOf(frame);
  const bytes = collect(frame, Number(size));
  const began = process.hrtime.bigint();
  try {
    const entry = { module: new WebAssembly.Module(bytes), memories: new Memories(Number(initial), Number(maximum)) };
    // Whether its imports, data and tables fit; nothing of the guest runs (a start function is refused at deployment).
    const memory = entry.memories.take();
    guests.instantiate(entry.module, memory);
    untidied += entry.memories.cost(memory) + entry.memories.giveBack(memory);
    modules.set(hash, entry);
    sendHead(READY, String((process.hrtime.bigint() - began) / 1000n));
  } catch (error) {
    sendHead(FAILURE, shortened(String(error.message).replaceAll('\0', ' ').replace(/^WebAssembly\.\w+\(\): /, '')));
  }
  untidied += bytes.length;
}

function define(frame) {
  const [key, hash, kind, output, name, count, ...rest] = headOf(frame);
  const args = rest.splice(0, Number(count));
  functions.set(key, { hash, kind, output: Number(output), args: [name, ...args], env: rest });
}

function forget(frame) {
  const [hash] = headOf(frame);
  modules.get(hash)?.memories.drop();
  modules.delete(hash);
  for (const [key, settings] of functions) if (settings.hash === hash) functions.delete(key);
}

function serve(frame) {
  const head = headOf(frame);
  const input = collect(frame, Number(head[1]));
  const settings = functions.get(head[0]);
  const { module, memories } = modules.get(settings.hash);
  const memory = memories.take();
  const result = guests.run(module, memory, settings, head, input);
  untidied += memories.cost(memory) + input.length + (result.answer?.length ?? 0);
  const isTidy = untidied < TIDY_AFTER;
  const times = `${result.instantiated}\0${result.ran}\0${isTidy ? 0 : 1}`;
  if (result.answer) sendWhole(RESPONSE, 200, `${times}${result.contentType ? `\0Content-Type\0${result.contentType}` : ''}`, result.answer);
  else sendHead(FAILURE, `${result.failure}\0${times}\0${shortened(result.text.replaceAll('\0', ' '))}`);
  untidied += memories.giveBack(memory);
  if (isTidy) return;
  globalThis.gc();
  untidied = 0;
  sendHead(READY, '');
}

function talk() {
  sendHead(HELLO, '1\0wasm');
  for (;;) {
    const frame = next();
    switch (frame.type) {
      case REQUEST: serve(frame); break;
      case MODULE: load(frame); break;
      case FUNCTION: define(frame); break;
      case FORGET: forget(frame); break;
      case LOAD: sendHead(READY, ''); break; // modules come later
      default: process.exit(3);
    }
  }
}

const socket = net.connect(process.argv[2]);
socket.pause(); // Node.js is not to read from it
socket.on('error', () => process.exit(1));
socket.on('connect', () => {
  fd = socket._handle.fd;
  socket._handle.setBlocking(true);
  talk();
});
