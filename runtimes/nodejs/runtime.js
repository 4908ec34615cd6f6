'use strict';
/*
 * Stint's runtime for nodejs: loads a function's module and answers the daemon's requests. The wire is described in docs/runtime-interface.md,
 * what a function may do in docs/writing-functions.md.
 *
 *   1  Connection   bytes from the daemon → frames → calls
 *   2  Request      what the function gets: the part of Express's request that functions use
 *   3  Response     what it answers with: the part of Express's response that functions use
 *   4  call         runs the function, and sees to it that there is one answer
 *   5  load         environment, working folder, module
 *   6  compiled     what V8 compiled at deployment
 *
 * Started as `node runtime.js SOCKET`, Node.js 18 or newer, no packages. Everything runs in one event loop: a function for n concurrent requests has n
 * connections here. Modules other than net, path and events are loaded when a function first needs them: each costs every cold start.
 */
const net = require('node:net');
const path = require('node:path');
const EventEmitter = require('node:events');

const HEADER_SIZE = 12;
const PIECE = 65536; // The most bytes in a frame's head, and in its body.
const FRAME_LIMIT = HEADER_SIZE + 2 * PIECE;
const REQUEST = 1, BODY = 2, CANCEL = 3, LOAD = 4, PING = 5, HELLO = 16, RESPONSE = 17, READY = 18, FAILURE = 19, PONG = 20;
const MORE = 1;
const MESSAGE_LIMIT = 4096; // Bytes of a FAILURE's message.
const SMALL = 4096; // Answers up to this size are built in the connection's own buffer.
const NOTHING = Buffer.alloc(0);

const running = new Set(); // The responses that are not finished, of all connections.
let handler;

// 1 -------------------------------------------------------------------------------------------------------------------------------------------

class Connection {
  constructor(socketPath, onLoad) {
    this.onLoad = onLoad;
    this.response = null; // The call that is being answered.
    this.fields = null; // Of a REQUEST whose body is still coming.
    this.pieces = null;
    this.partial = null; // Collects a frame that does not come in one piece.
    this.partialSize = 0; // How much of it has come; 0: none is begun.
    this.small = Buffer.allocUnsafeSlow(HEADER_SIZE + 2 * SMALL);
    this.socket = net.connect({
      path: socketPath,
      // One buffer for everything that is received: no allocation and no stream machinery per request.
      onread: { buffer: Buffer.allocUnsafeSlow(FRAME_LIMIT), callback: (size, buffer) => { this.receive(buffer, size); return true; } },
    });
    this.socket.on('close', () => process.exit(0));
    this.socket.on('error', () => process.exit(0));
    this.socket.on('drain', () => this.response?.emit('drain'));
    this.send(HELLO, 0, 0, '1\0nodejs', NOTHING);
  }

  receive(buffer, size) {
    let at = 0;
    while (at < size) {
      if (this.partialSize === 0) {
        if (size - at >= HEADER_SIZE) {
          const end = at + HEADER_SIZE + checkedSize(buffer, at);
          if (end <= size) {
            this.take(buffer, at, end);
            at = end;
            continue;
          }
        }
        this.partial ??= Buffer.allocUnsafeSlow(FRAME_LIMIT);
      }
      const wanted = this.partialSize < HEADER_SIZE ? HEADER_SIZE : HEADER_SIZE + checkedSize(this.partial, 0);
      const copied = Math.min(wanted - this.partialSize, size - at);
      buffer.copy(this.partial, this.partialSize, at, at + copied);
      this.partialSize += copied;
      at += copied;
      if (this.partialSize >= HEADER_SIZE && this.partialSize === HEADER_SIZE + checkedSize(this.partial, 0)) {
        const end = this.partialSize;
        this.partialSize = 0;
        this.take(this.partial, 0, end);
      }
    }
  }

  /** One whole frame, from at to end in the buffer, which is used again afterwards. */
  take(buffer, at, end) {
    const type = buffer[at + 4];
    const more = (buffer[at + 5] & MORE) !== 0;
    const head = at + HEADER_SIZE;
    const body = head + buffer.readUInt32LE(at + 8);
    switch (type) {
      case REQUEST: {
        if (this.response !== null || this.fields !== null) broken('a REQUEST before the last one was answered');
        const fields = buffer.utf8Slice(head, body).split('\0');
        if (fields.length < 5 || fields.length % 2 === 0) broken('a REQUEST with a broken head');
        const piece = end > body ? Buffer.from(buffer.subarray(body, end)) : NOTHING;
        if (more) {
          this.fields = fields;
          this.pieces = [piece];
        } else {
          call(this, fields, piece);
        }
        break;
      }
      case BODY: {
        if (this.fields === null) broken('a BODY without its REQUEST');
        if (end > body) this.pieces.push(Buffer.from(buffer.subarray(body, end)));
        if (more) break;
        const fields = this.fields;
        const whole = Buffer.concat(this.pieces);
        this.fields = this.pieces = null;
        call(this, fields, whole);
        break;
      }
      case CANCEL:
        if (this.fields !== null) {
          this.fields = this.pieces = null;
          this.fail('cancelled');
        } else {
          this.response?.cancel();
        }
        break;
      case PING:
        this.send(PONG, 0, 0, '', NOTHING);
        break;
      case LOAD:
        if (this.onLoad === null) broken('a second LOAD');
        this.onLoad(buffer.utf8Slice(head, body).split('\0'));
        this.onLoad = null;
        break;
      default:
        broken(`a frame of type ${type}`);
    }
  }

  /** Sends one frame. head is a string, body a string of at most SMALL / 3 characters or bytes. False when the daemon should be given time to read. */
  send(type, flags, status, head, body) {
    // A small frame is built in the connection's buffer, which is free again as soon as the kernel has taken it: nearly always at once.
    const text = typeof body === 'string';
    const free = this.socket.writableLength === 0 && head.length * 3 <= SMALL && (text || body.length <= SMALL);
    const frame = free ? this.small : Buffer.allocUnsafe(HEADER_SIZE + (head.length + (text ? body.length : 0)) * 3 + (text ? 0 : Math.min(body.length, SMALL)));
    const headSize = head.length === 0 ? 0 : frame.utf8Write(head, HEADER_SIZE);
    let end = HEADER_SIZE + headSize;
    let rest = NOTHING;
    if (text) end += body.length === 0 ? 0 : frame.utf8Write(body, end);
    else if (body.length <= SMALL) end += body.copy(frame, end);
    else rest = body;
    const size = end - HEADER_SIZE + rest.length;
    frame[0] = size; frame[1] = size >>> 8; frame[2] = size >>> 16; frame[3] = size >>> 24;
    frame[4] = type; frame[5] = flags; frame[6] = status; frame[7] = status >>> 8;
    frame[8] = headSize; frame[9] = headSize >>> 8; frame[10] = headSize >>> 16; frame[11] = 0;
    if (rest.length > 0) {
      this.socket.cork();
      this.socket.write(free ? Buffer.from(frame.subarray(0, end)) : frame.subarray(0, end));
      const ready = this.socket.write(rest);
      this.socket.uncork();
      return ready;
    }
    const ready = this.socket.write(frame.subarray(0, end));
    if (free && this.socket.writableLength !== 0) this.small = Buffer.allocUnsafeSlow(HEADER_SIZE + 2 * SMALL); // The kernel has not: this one is in use.
    return ready;
  }

  fail(message) {
    let field = Buffer.from(message.replaceAll('\0', ' '));
    if (field.length > MESSAGE_LIMIT) field = field.subarray(0, MESSAGE_LIMIT);
    // A character cut in two is left out.
    this.send(FAILURE, 0, 0, field.toString().replace(/\uFFFD$/, ''), NOTHING);
  }
}

/** The size that a frame's header gives, checked against the interface's limits. */
function checkedSize(buffer, at) {
  const size = buffer.readUInt32LE(at);
  const head = buffer.readUInt32LE(at + 8);
  if (head > size || head > PIECE || size - head > PIECE) broken('a frame larger than the interface allows');
  return size;
}

function broken(what) {
  console.error(`stint: the daemon sent ${what}`);
  process.exit(1);
}

// 2 -------------------------------------------------------------------------------------------------------------------------------------------

const lowerCase = new Map(); // Names of headers: the same few in every request.

function lower(name) {
  let found = lowerCase.get(name);
  if (found === undefined) {
    found = name.toLowerCase();
    if (lowerCase.size < 1000) lowerCase.set(name, found);
  }
  return found;
}

function Request(fields, rawBody) {
  this.method = fields[0];
  this.path = fields[1];
  this.rawBody = rawBody;
  this.aborted = false;
  this.fields = fields;
}

Object.setPrototypeOf(Request.prototype, EventEmitter.prototype); // Its methods need no constructor.

/** A property that is computed when it is first read, and then is a plain one. */
function lazy(prototype, name, compute) {
  Object.defineProperty(prototype, name, {
    configurable: true,
    get() {
      const value = compute(this);
      Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true });
      return value;
    },
    set(value) { Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true }); },
  });
}

Object.defineProperty(Request.prototype, 'fields', { value: null, writable: true, enumerable: false });
// Always a string, '' when the request had no body: what JSON.parse, split, length and send expect.
lazy(Request.prototype, 'body', (req) => req.rawBody.length === 0 ? '' : req.rawBody.utf8Slice(0, req.rawBody.length));
lazy(Request.prototype, 'url', (req) => req.fields[2] === '' ? req.path : `${req.path}?${req.fields[2]}`);
lazy(Request.prototype, 'originalUrl', (req) => req.url);
lazy(Request.prototype, 'query', (req) => req.fields[2] === '' ? {} : { ...require('node:querystring').parse(req.fields[2]) });
lazy(Request.prototype, 'headers', (req) => {
  const headers = {};
  for (let i = 5; i < req.fields.length; i += 2) headers[lower(req.fields[i])] = req.fields[i + 1];
  return headers;
});
lazy(Request.prototype, 'params', () => ({}));
lazy(Request.prototype, 'callId', (req) => req.fields[3]);
lazy(Request.prototype, 'timeLeft', (req) => Number(req.fields[4]));

Request.prototype.get = Request.prototype.header = function (name) {
  name = name.toLowerCase();
  if (name === 'referer' || name === 'referrer') return this.headers.referrer ?? this.headers.referer;
  return this.headers[name];
};

// 3 -------------------------------------------------------------------------------------------------------------------------------------------

const SHORT_TYPES = {
  html: 'text/html; charset=utf-8', htm: 'text/html; charset=utf-8', text: 'text/plain; charset=utf-8', txt: 'text/plain; charset=utf-8',
  json: 'application/json; charset=utf-8', xml: 'application/xml', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8',
  csv: 'text/csv; charset=utf-8', md: 'text/markdown; charset=utf-8', svg: 'image/svg+xml', png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg',
  gif: 'image/gif', webp: 'image/webp', ico: 'image/x-icon', pdf: 'application/pdf', zip: 'application/zip', wasm: 'application/wasm',
  bin: 'application/octet-stream',
};

function Response(connection, req) {
  this.statusCode = 200;
  this.headersSent = false;
  this.writableEnded = false;
  this.connection = connection;
  this.req = req;
  this.fields = null; // Headers: lower-case name → [name, value or values].
  this.cancelled = false;
}

Object.setPrototypeOf(Response.prototype, EventEmitter.prototype);

Object.assign(Response.prototype, {
  writable: true, // What stream.pipe and stream.pipeline ask a destination.

  status(code) {
    this.statusCode = code;
    return this;
  },

  setHeader(name, value) {
    if (this.headersSent) throw new Error(`Cannot set the header ${name}: the answer's head has been sent`);
    name = String(name);
    const values = Array.isArray(value) ? value.map(String) : String(value);
    if (value === undefined || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new TypeError(`Invalid header ${name}: ${value}`);
    if (/[\0\r\n]/.test(Array.isArray(values) ? values.join('') : values)) throw new TypeError(`Invalid character in the header ${name}`);
    (this.fields ??= new Map()).set(lower(name), [name, values]);
    return this;
  },

  set(name, value) {
    if (typeof name === 'object') {
      for (const [key, each] of Object.entries(name)) this.set(key, each);
      return this;
    }
    // As Express does: a text type without a charset is UTF-8.
    if (lower(name) === 'content-type' && typeof value === 'string' && /^(text\/[^;]+|application\/(json|javascript))$/.test(value)) value += '; charset=utf-8';
    return this.setHeader(name, value);
  },

  append(name, value) {
    const had = this.getHeader(name);
    return this.set(name, had === undefined ? value : [].concat(had, value));
  },

  getHeader(name) { return this.fields?.get(String(name).toLowerCase())?.[1]; },
  hasHeader(name) { return this.getHeader(name) !== undefined; },
  getHeaderNames() { return this.fields === null ? [] : [...this.fields.keys()]; },
  getHeaders() { return this.fields === null ? {} : Object.fromEntries([...this.fields].map(([key, field]) => [key, field[1]])); },

  removeHeader(name) {
    if (this.headersSent) throw new Error(`Cannot remove the header ${name}: the answer's head has been sent`);
    this.fields?.delete(String(name).toLowerCase());
    return this;
  },

  writeHead(code, reason, headers) {
    this.statusCode = code;
    for (const [name, value] of Object.entries((typeof reason === 'object' ? reason : headers) ?? {})) this.setHeader(name, value);
    return this;
  },

  flushHeaders() { if (!this.headersSent) this.begin(NOTHING, MORE); },

  type(type) {
    return this.set('Content-Type', type.includes('/') ? type : SHORT_TYPES[type.replace(/^\./, '')] ?? 'application/octet-stream');
  },

  location(url) { return this.set('Location', url === 'back' ? this.req.get('Referer') ?? '/' : encodeURI(url).replace(/%25([0-9A-Fa-f]{2})/g, '%$1')); },

  redirect(status, url) {
    if (typeof status !== 'number') [status, url] = [302, status];
    this.status(status).location(url).type('text').send(`Redirecting to ${this.getHeader('Location')}`);
  },

  sendStatus(code) { return this.status(code).type('text').send(require('node:http').STATUS_CODES[code] ?? String(code)); },

  json(value) {
    if (!this.hasHeader('Content-Type')) this.fallbackType = 'application/json; charset=utf-8';
    return this.finish(JSON.stringify(value) ?? '');
  },

  send(body) {
    if (typeof body === 'string') {
      if (this.fields === null || !this.hasHeader('Content-Type')) this.fallbackType = 'text/html; charset=utf-8';
      return this.finish(body);
    }
    if (body === undefined || body === null) return this.finish('');
    if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) {
      if (!this.hasHeader('Content-Type')) this.fallbackType = 'application/octet-stream';
      return this.finish(toBuffer(body));
    }
    return this.json(body);
  },

  write(chunk, encoding, done) {
    if (typeof encoding === 'function') [encoding, done] = [undefined, encoding];
    if (this.writableEnded) throw new Error('write after end');
    const data = toBuffer(chunk, encoding);
    let ready = true;
    if (this.cancelled) this.headersSent = true; // Nobody reads it.
    else if (!this.headersSent) ready = this.begin(data, MORE);
    else if (data.length > 0) ready = this.pieces(data, MORE);
    if (done) process.nextTick(done);
    return ready;
  },

  end(chunk, encoding, done) {
    if (typeof chunk === 'function') [chunk, done] = [undefined, chunk];
    else if (typeof encoding === 'function') [encoding, done] = [undefined, encoding];
    if (done) this.once('finish', done);
    return this.finish(chunk === undefined || chunk === null ? NOTHING : toBuffer(chunk, encoding));
  },

  /** Completes the answer with this last piece, a string or a Buffer. */
  finish(data) {
    if (this.writableEnded) throw new Error('The answer has already been sent');
    if (this.cancelled) {
      this.release();
      this.connection.fail('cancelled');
      return this;
    }
    if (!this.headersSent) this.begin(data, 0);
    else this.pieces(toBuffer(data), 0);
    this.release();
    this.emit('finish');
    this.emit('close');
    return this;
  },

  release() {
    this.writableEnded = true;
    this.writable = false;
    this.connection.response = null;
    running.delete(this);
  },

  /** Sends the head and the first piece; flags are MORE when others follow. */
  begin(data, flags) {
    if (!Number.isInteger(this.statusCode) || this.statusCode < 200 || this.statusCode > 599) {
      const status = this.statusCode;
      this.statusCode = 500;
      throw new RangeError(`Invalid status code ${status}: use an integer from 200 to 599`);
    }
    let head = this.fallbackType === undefined ? '' : `Content-Type\0${this.fallbackType}`;
    if (this.fields !== null) {
      for (const [name, value] of this.fields.values()) {
        for (const each of Array.isArray(value) ? value : [value]) head += `${head === '' ? '' : '\0'}${name}\0${each}`;
      }
      if (head.length > PIECE / 3 && Buffer.byteLength(head) > PIECE) throw new RangeError("The answer's headers have more than 64 KiB");
    }
    this.headersSent = true;
    if (typeof data === 'string' && data.length * 3 > SMALL) data = Buffer.from(data);
    if (data.length <= PIECE) return this.connection.send(RESPONSE, flags, this.statusCode, head, data);
    this.connection.send(RESPONSE, MORE, this.statusCode, head, data.subarray(0, PIECE));
    return this.pieces(data.subarray(PIECE), flags);
  },

  /** Sends data in BODY frames, the last with these flags. */
  pieces(data, flags) {
    let ready = true;
    let at = 0;
    do {
      const end = Math.min(at + PIECE, data.length);
      ready = this.connection.send(BODY, end < data.length ? MORE : flags, 0, '', data.subarray(at, end));
      at = end;
    } while (at < data.length);
    return ready;
  },

  /** The function failed. After the head has been sent this breaks the answer off. */
  fail(error) {
    if (this.writableEnded) return;
    this.release();
    this.connection.fail(messageOf(error));
    this.emit('close');
  },

  /** Nobody waits any more. A function that listens for 'close' is told and done with; another's end is waited for. */
  cancel() {
    this.cancelled = true;
    this.req.aborted = true;
    if (this.listenerCount('close') + this.req.listenerCount('close') + this.req.listenerCount('aborted') === 0) return;
    this.req.emit('aborted');
    this.req.emit('close');
    this.emit('close');
    if (this.writableEnded) return;
    this.release();
    this.connection.fail('cancelled');
  },
});
Response.prototype.header = Response.prototype.set;
Response.prototype.get = Response.prototype.getHeader;
Response.prototype.contentType = Response.prototype.type;
Response.prototype.fallbackType = undefined;

function toBuffer(data, encoding) {
  if (Buffer.isBuffer(data)) return data;
  if (typeof data === 'string') return Buffer.from(data, encoding);
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  throw new TypeError(`A piece of an answer must be a string or bytes, not ${data === null ? 'null' : typeof data}`);
}

// 4 -------------------------------------------------------------------------------------------------------------------------------------------

function call(connection, fields, body) {
  const req = new Request(fields, body);
  const res = new Response(connection, req);
  connection.response = res;
  running.add(res);
  try {
    const result = handler(req, res);
    if (res.writableEnded || result === undefined) return;
    if (typeof result?.then === 'function') result.then((value) => sendReturned(res, value)).catch((error) => failed(res, error));
    else sendReturned(res, result);
  } catch (error) {
    failed(res, error);
  }
}

/** A function may return its answer instead of sending it. Not so the objects that callback code returns by the way: timers, streams, numbers. */
function sendReturned(res, value) {
  if (res.writableEnded) return;
  if (res.cancelled) res.finish(''); // The function has ended: the connection is free.
  if (res.headersSent || res.writableEnded) return;
  if (typeof value === 'string' || value instanceof Uint8Array || Array.isArray(value)) res.send(value);
  else if (typeof value === 'object' && value !== null && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)) res.send(value);
}

function failed(res, error) {
  console.error(error);
  res.fail(error);
}

function messageOf(error) {
  try {
    return String(error instanceof Error ? error.message || error.name : error) || 'the function failed';
  } catch {
    return 'the function failed';
  }
}

/** An error that belongs to no call for certain. The process's state is unknown, so it ends, as Node's own would; the daemon starts another. */
function uncaught(error) {
  console.error(error);
  const sockets = [...running].map((res) => {
    res.fail(error);
    return res.connection.socket;
  }).filter((socket) => socket.writableLength > 0);
  if (sockets.length === 0) process.exit(1);
  for (const socket of sockets) socket.end(() => process.exit(1));
}

// 5 -------------------------------------------------------------------------------------------------------------------------------------------

async function load(fields) {
  const folder = fields[0];
  for (let i = 2; i < fields.length; i += 2) process.env[fields[i]] = fields[i + 1];
  process.chdir(folder);
  const fromFolder = require('node:module').createRequire(folder + path.sep);
  const main = find(fromFolder, folder);
  process.argv = [process.argv[0], main];
  useCompiled(folder);
  let loaded;
  try {
    loaded = main.endsWith('.mjs') ? await importFile(main) : fromFolder(main);
  } catch (error) {
    if (error?.code === 'ERR_REQUIRE_ESM' || error?.code === 'ERR_REQUIRE_ASYNC_MODULE') loaded = await importFile(main);
    else throw error;
  }
  for (const candidate of [loaded, loaded?.default, loaded?.default?.default]) if (typeof candidate === 'function') return candidate;
  throw new NotLoadable(`${path.relative(folder, main)} exports no function: write \`module.exports = (req, res) => { … }\``);
}

class NotLoadable extends Error {}

function find(fromFolder, folder) {
  // The folder itself: what package.json names as main, else index.js.
  for (const name of ['.', './index.mjs', './index.cjs', './fn.js', './fn.mjs', './fn.cjs']) {
    try {
      return fromFolder.resolve(name === '.' ? folder : name);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new NotLoadable('there is no index.js or fn.js, and package.json names no other file as "main"');
}

function importFile(file) {
  return import(require('node:url').pathToFileURL(file).href);
}

/** What to do about an error that loading raised. */
function hintFor(error) {
  if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') return '; add the package to "dependencies" in package.json';
  if (error instanceof SyntaxError && /import statement|token 'export'/.test(error.message)) return '; add "type": "module" to package.json or name the file .mjs';
  return '';
}

// 6 -------------------------------------------------------------------------------------------------------------------------------------------
//
// `node runtime.js --compile FOLDER TARGET`, in the build's sandbox, loads a function once and keeps what V8 compiled. Loading calls functions, and V8 compiles a function when it is first
// called: compiling alone would keep little more than the names. The file: the index's size (4 bytes, little-endian), the index ({ path below the folder: [offset, size, characters of source] }),
// the code, each part from a multiple of 8 on. V8 itself refuses what another version made, or one with other flags, of which the heap's limit is one; the module is then compiled as ever. It compares the length of the source
// only: who makes the file sees to it that it is that of this very code.

const COMPILED = '.stint-compiled';

/** Replaces how CommonJS modules of the folder are compiled; `scriptOf` may return nothing, for those that Node.js is to compile. */
function compileBy(folder, scriptOf) {
  const Module = require('node:module');
  const vm = require('node:vm');
  const compile = Module.prototype._compile;
  Module.prototype._compile = function (content, filename, format) {
    let script;
    if ((format === undefined || format === 'commonjs') && filename.startsWith(folder + path.sep)) {
      script = scriptOf(filename.slice(folder.length + 1), content, (cachedData) => new vm.Script(Module.wrap(content), { filename, columnOffset: -Module.wrapper[0].length, cachedData }));
    }
    if (!script) return compile.call(this, content, filename, format);
    // What Node.js gives to a module.
    const own = (id) => this.require(id);
    own.resolve = (request, options) => Module._resolveFilename(request, this, false, options);
    own.resolve.paths = (request) => Module._resolveLookupPaths(request, this);
    own.main = require.main;
    own.extensions = Module._extensions;
    own.cache = Module._cache;
    return script.runInThisContext().call(this.exports, this.exports, own, this, filename, path.dirname(filename));
  };
}

/** Takes the code of the function's modules from the file, when there is one. */
function useCompiled(folder) {
  let codes;
  let index;
  try {
    const file = require('node:fs').readFileSync(path.join(folder, COMPILED));
    const end = 4 + file.readUInt32LE(0);
    index = new Map(Object.entries(JSON.parse(file.toString('utf8', 4, end))));
    codes = file.subarray(end + (-end & 7));
  } catch {
    return; // A small function has none.
  }
  compileBy(folder, (name, source, script) => {
    const [offset, size, length] = index.get(name) ?? [];
    if (length !== source.length) return null;
    const made = script(codes.subarray(offset, offset + size));
    if (!made.cachedDataRejected) return made;
    index.clear(); // The others will not be taken either.
    return null;
  });
}

/** V8 copies what does not begin at a multiple of 8. */
function padded(bytes, filler = 0) {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 7, filler)]);
}

/** Makes the file. Whatever becomes of loading, what was compiled until then is kept. */
function makeCompiled(folder, target) {
  const scripts = new Map();
  process.once('exit', () => {
    const index = {};
    const codes = [];
    let offset = 0;
    for (const [name, { script, length }] of scripts) {
      const code = script.createCachedData();
      index[name] = [offset, code.length, length];
      codes.push(padded(code));
      offset += codes.at(-1).length;
    }
    const head = Buffer.from(`....${JSON.stringify(index)}`);
    head.writeUInt32LE(head.length - 4);
    require('node:fs').writeFileSync(target, Buffer.concat([padded(head, ' '), ...codes]));
  });
  compileBy(folder, (name, source, script) => {
    if (/\bimport\s*(\/[*/][^]*?)?\(/.test(source)) return null; // V8 forgets who is to answer an import() in code that it did not compile itself.
    try {
      const made = script();
      scripts.set(name, { script: made, length: source.length });
      return made;
    } catch {
      return null; // Node.js says what is wrong with it, or sees that it is no CommonJS.
    }
  });
  load([folder, '1']).then(() => process.exit(), () => process.exit());
}

// 7 -------------------------------------------------------------------------------------------------------------------------------------------

const socketPath = process.argv[2];
// Once nobody reads them any more, what is written is dropped instead of failing the function.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
process.on('uncaughtException', uncaught);
process.on('unhandledRejection', uncaught);

if (socketPath === '--compile') return makeCompiled(process.argv[3], process.argv[4]);

const first = new Connection(socketPath, (fields) => {
  load(fields).then(async (loaded) => {
    handler = loaded;
    const others = [];
    for (let i = Number(fields[1]); i > 1; i--) others.push(new Connection(socketPath, null).socket);
    await Promise.all(others.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    first.send(READY, 0, 0, '', NOTHING);
  }).catch((error) => {
    if (!(error instanceof NotLoadable)) console.error(error);
    const message = messageOf(error).split('\nRequire stack:')[0];
    first.fail(error instanceof NotLoadable ? message : `the module cannot be loaded: ${error?.name ?? 'error'}: ${message}${hintFor(error)}`);
    first.socket.end(() => process.exit(1));
  });
});
