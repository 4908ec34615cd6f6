// One call of a guest: an instance with a memory of its own, the functions that it may import, and how it ended.
//
// Guests are strangers' code. Each number that comes from one is a claim: pointers and lengths are made unsigned and checked against the memory as it is at that moment, which may have grown since.
'use strict';

const fs = require('fs');

const random = fs.openSync('/dev/urandom', 'r');
const pause = new Int32Array(new SharedArrayBuffer(4));
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const MAX_FETCH = 8 * 1024 * 1024; // bytes of a request's body; the daemon has the same limit
const MAX_LOG = 1024 * 1024;      // bytes of one call's log; the rest is dropped
const LOG_PIECE = 8 * 1024;       // sent at the latest when so much has come together

const guests = {
  // Set by runner.js.
  log: null,
  fetch: null,
  instantiate,
  run,
};

// What an import throws: the call is over. A guest cannot make one of these.
class Ended extends Error { }

let call = null;

const fail = (kind, text) => {
  call.failure ??= kind;
  call.text ??= text;
  throw new Ended(text);
};

// 1. Memory

let bytes = new Uint8Array(0), view = new DataView(bytes.buffer);

// After the guest has run: its memory may have grown, which leaves the old views empty.
function look() {
  if (bytes.byteLength !== 0) return;
  bytes = new Uint8Array(call.memory.buffer);
  view = new DataView(call.memory.buffer);
}

const fits = (pointer, length) => pointer + length <= bytes.length;

// A piece of the guest's memory for FunLess's imports, for which a bad pointer is the end.
function piece(pointer, length, what) {
  look();
  pointer >>>= 0;
  length >>>= 0;
  if (!fits(pointer, length)) fail('trap', `${what} was given ${length} bytes at ${pointer}, which is outside of its memory of ${bytes.length} bytes`);
  return bytes.subarray(pointer, pointer + length);
}

// 2. The log

function log(source) {
  for (let at = 0; at < source.length;) {
    const room = LOG_PIECE - call.logged;
    const end = Math.min(source.length, at + room);
    call.lines.set(source.subarray(at, end), call.logged);
    call.logged += end - at;
    at = end;
    if (call.logged === LOG_PIECE) flush();
  }
  if (source.length > 0 && source[source.length - 1] === 10) flush();
}

function flush() {
  if (call.logged === 0) return;
  const fitting = Math.min(call.logged, MAX_LOG - call.sentLog);
  if (fitting > 0) guests.log(call.lines, 0, fitting);
  call.sentLog += fitting;
  if (fitting < call.logged && !call.cutLog) {
    call.cutLog = true;
    const note = encoder.encode('\n(the call logged more than 1 MiB; the rest is left out)\n');
    guests.log(note, 0, note.length);
  }
  call.logged = 0;
}

// 3. FunLess's imports

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];

const funless = {
  __get_input_data(pointer) {
    piece(pointer, call.input.length, '__get_input_data').set(call.input);
  },
  __insert_response(pointer, length) {
    if (length >>> 0 > call.settings.output) tooLong();
    call.response = piece(pointer, length, '__insert_response').slice();
  },
  __insert_error(pointer, length) {
    call.error = decoder.decode(piece(pointer, Math.min(length >>> 0, 64 * 1024), '__insert_error'));
  },
  __console_log(pointer, length) {
    const line = piece(pointer, Math.min(length >>> 0, MAX_LOG), '__console_log');
    log(line);
    if (line.length === 0 || line[line.length - 1] !== 10) log(LINE_END);
  },
  __http_request(response, responseLength, status, method, uri, uriLength, header, headerLength, body, bodyLength) {
    const name = '__http_request';
    piece(status, 2, name);
    piece(responseLength, 4, name);
    const address = decoder.decode(piece(uri, uriLength, name));
    const headers = headerPairs(decoder.decode(piece(header, headerLength, name)));
    const content = piece(body, bodyLength, name);
    const isSound = METHODS[method] !== undefined && headers !== null && content.length <= MAX_FETCH && !address.includes('\0');
    let answer = isSound ? guests.fetch(METHODS[method], address, headers, content) : { status: 0, body: NOTHING };
    look();
    response >>>= 0;
    // How much room the guest has there is not ours to know; beyond its memory there is none.
    if (!fits(response, answer.body.length)) answer = { status: 0, body: NOTHING };
    bytes.set(answer.body, response);
    view.setUint16(status >>> 0, answer.status, true);
    view.setUint32(responseLength >>> 0, answer.body.length, true);
  },
};

const LINE_END = Uint8Array.of(10), NOTHING = new Uint8Array(0);

// `Key:Value` lines → [key, value, …]; null when one cannot be a header.
function headerPairs(text) {
  const pairs = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const colon = line.indexOf(':');
    if (colon <= 0 || line.includes('\0')) return null;
    pairs.push(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return pairs;
}

const tooLong = () => fail('output', `the answer is longer than the function's limit of ${call.settings.output / 1048576} MiB; raise \`output\` in [wasm]`);

// 4. WASI preview 1, of which there are: arguments, environment, clocks, random numbers, standard input and output. No files, no sockets.
//    Numbers: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md

const SUCCESS = 0, BADF = 8, FAULT = 21, INVAL = 28, NOSYS = 52, NOTSUP = 58, SPIPE = 70;
const SOCKET_STREAM = 6; // the file type of standard input and output: neither seekable nor a terminal, so that libc buffers whole blocks

// Runs with a view of the guest's memory; what lies outside is the guest's mistake.
const checked = action => (...numbers) => {
  look();
  try {
    return action(...numbers);
  } catch (error) {
    if (error instanceof RangeError && !(error instanceof Ended)) return FAULT; // DataView's and TypedArray's own check
    throw error;
  }
};

const onStandard = action => checked((descriptor, ...numbers) => descriptor >>> 0 > 2 || call.closed[descriptor] ? BADF : action(descriptor, ...numbers));

function putList(list, pointers, texts) {
  pointers >>>= 0;
  texts >>>= 0;
  for (const text of list) {
    if (!fits(pointers, 4) || !fits(texts, text.length)) return FAULT;
    view.setUint32(pointers, texts, true);
    bytes.set(text, texts);
    pointers += 4;
    texts += text.length;
  }
  return SUCCESS;
}

function putSizes(list, count, size) {
  view.setUint32(count >>> 0, list.length, true);
  view.setUint32(size >>> 0, list.reduce((sum, text) => sum + text.length, 0), true);
  return SUCCESS;
}

const zeroEnded = text => encoder.encode(text + '\0');

function environment() {
  if (call.env !== null) return call.env;
  const pairs = call.settings.env;
  const [, , method, path, query, id, , ...headers] = call.head;
  const list = [];
  for (let i = 0; i < pairs.length; i += 2) list.push(zeroEnded(`${pairs[i]}=${pairs[i + 1]}`));
  const length = String(call.input.length);
  list.push(zeroEnded(`Http_Method=${method}`), zeroEnded(`Http_Path=${decoded(path)}`), zeroEnded(`Http_ContentLength=${length}`), zeroEnded(`Http_Content_Length=${length}`));
  if (query !== '') list.push(zeroEnded(`Http_Query=${query}`));
  list.push(zeroEnded(`Http_X_Call_Id=${id}`));
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i];
    if (/^[A-Za-z0-9-]+$/.test(name) && !/^(content-length|x-call-id|method|path|query)$/i.test(name)) list.push(zeroEnded(`Http_${name.replaceAll('-', '_')}=${headers[i + 1]}`));
  }
  return call.env = list;
}

function decoded(path) {
  try {
    const text = decodeURIComponent(path);
    return text.includes('\0') ? path : text;
  } catch {
    return path; // a percent sign without two digits
  }
}

const commandLine = () => call.args ??= call.settings.args.map(zeroEnded);

function vectors(pointer, count, each) {
  pointer >>>= 0;
  count >>>= 0;
  if (!fits(pointer, count * 8)) return FAULT;
  for (let i = 0; i < count; i++) {
    const at = view.getUint32(pointer + 8 * i, true), length = view.getUint32(pointer + 8 * i + 4, true);
    if (!fits(at, length)) return FAULT;
    if (!each(at, length)) break;
  }
  return SUCCESS;
}

// A guest may write byte by byte: one buffer that grows takes it all.
function write(source) {
  const length = call.written + source.length;
  if (length > call.settings.output) tooLong();
  if (length > call.output.length) {
    const larger = new Uint8Array(Math.min(call.settings.output, Math.max(length, 2 * call.output.length, 4096)));
    larger.set(call.output.subarray(0, call.written));
    call.output = larger;
  }
  call.output.set(source, call.written);
  call.written = length;
}

const now = id => id === 0 ? BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n : process.hrtime.bigint();

const wasi = {
  args_get: checked((pointers, texts) => putList(commandLine(), pointers, texts)),
  args_sizes_get: checked((count, size) => putSizes(commandLine(), count, size)),
  environ_get: checked((pointers, texts) => putList(environment(), pointers, texts)),
  environ_sizes_get: checked((count, size) => putSizes(environment(), count, size)),
  clock_res_get: checked((id, result) => {
    if (id >>> 0 > 3) return INVAL;
    view.setBigUint64(result >>> 0, id === 0 ? 1000n : 1n, true);
    return SUCCESS;
  }),
  clock_time_get: checked((id, precision, result) => {
    if (id >>> 0 > 3) return INVAL;
    view.setBigUint64(result >>> 0, now(id), true);
    return SUCCESS;
  }),
  random_get: checked((pointer, length) => {
    pointer >>>= 0;
    length >>>= 0;
    if (!fits(pointer, length)) return FAULT;
    while (length > 0) {
      const count = fs.readSync(random, bytes, pointer, Math.min(length, 1 << 20), null);
      pointer += count;
      length -= count;
    }
    return SUCCESS;
  }),
  sched_yield: () => SUCCESS,
  proc_exit(code) {
    call.exit ??= code >>> 0;
    throw new Ended('exit');
  },
  proc_raise: () => NOSYS,

  fd_read: onStandard((descriptor, pointer, count, result) => {
    if (descriptor !== 0) return BADF;
    let total = 0;
    const problem = vectors(pointer, count, (at, length) => {
      const some = call.input.subarray(call.taken, call.taken + length);
      bytes.set(some, at);
      call.taken += some.length;
      total += some.length;
      return some.length === length;
    });
    if (problem === SUCCESS) view.setUint32(result >>> 0, total, true);
    return problem;
  }),
  fd_write: onStandard((descriptor, pointer, count, result) => {
    if (descriptor === 0) return BADF;
    let total = 0;
    const problem = vectors(pointer, count, (at, length) => {
      const source = bytes.subarray(at, at + length);
      if (length > 0) descriptor === 1 ? write(source) : log(source);
      total += length;
      return true;
    });
    if (problem === SUCCESS) view.setUint32(result >>> 0, total, true);
    return problem;
  }),
  fd_close: onStandard(descriptor => {
    call.closed[descriptor] = true;
    return SUCCESS;
  }),
  fd_fdstat_get: onStandard((descriptor, result) => {
    result >>>= 0;
    if (!fits(result, 24)) return FAULT;
    bytes.fill(0, result, result + 24);
    bytes[result] = SOCKET_STREAM;
    view.setBigUint64(result + 8, descriptor === 0 ? 2n : 64n, true); // the right to read, or to write
    return SUCCESS;
  }),
  fd_fdstat_set_flags: onStandard(() => SUCCESS),
  fd_filestat_get: onStandard((descriptor, result) => {
    result >>>= 0;
    if (!fits(result, 64)) return FAULT;
    bytes.fill(0, result, result + 64);
    bytes[result + 16] = SOCKET_STREAM;
    return SUCCESS;
  }),
  fd_seek: onStandard(() => SPIPE),
  fd_tell: onStandard(() => SPIPE),
  fd_pread: onStandard(() => SPIPE),
  fd_pwrite: onStandard(() => SPIPE),
  fd_sync: onStandard(() => INVAL),
  fd_datasync: onStandard(() => INVAL),
  poll_oneoff: checked(poll),
};

// Waits for the first of some clocks; standard input and output are always ready.
function poll(subscriptions, events, count, result) {
  subscriptions >>>= 0;
  events >>>= 0;
  count >>>= 0;
  if (count === 0) return INVAL;
  if (!fits(subscriptions, count * 48) || !fits(events, count * 32) || !fits(result >>> 0, 4)) return FAULT;
  const wanted = [];
  for (let i = 0; i < count; i++) {
    const at = subscriptions + 48 * i;
    const item = { token: view.getBigUint64(at, true), type: bytes[at + 8], due: 0n, error: SUCCESS };
    if (item.type === 0) {
      const clock = view.getUint32(at + 16, true), time = view.getBigUint64(at + 24, true), isAbsolute = (view.getUint16(at + 40, true) & 1) === 1;
      if (clock > 3) item.error = INVAL;
      else item.due = isAbsolute ? process.hrtime.bigint() + (time > now(clock) ? time - now(clock) : 0n) : process.hrtime.bigint() + time;
    } else if (item.type > 2) {
      item.error = INVAL;
    } else if (view.getUint32(at + 16, true) > 2) {
      item.error = BADF;
    }
    wanted.push(item);
  }
  const isReady = item => item.error !== SUCCESS || item.type !== 0 || item.due <= process.hrtime.bigint();
  while (!wanted.some(isReady)) {
    const first = wanted.reduce((least, item) => item.due < least ? item.due : least, wanted[0].due);
    const left = Number(first - process.hrtime.bigint()) / 1e6;
    if (left > 0) Atomics.wait(pause, 0, 0, Math.min(left, 1e9));
  }
  let happened = 0;
  for (const item of wanted.filter(isReady)) {
    const at = events + 32 * happened++;
    bytes.fill(0, at, at + 32);
    view.setBigUint64(at, item.token, true);
    view.setUint16(at + 8, item.error, true);
    bytes[at + 10] = item.type;
    if (item.type === 1) view.setBigUint64(at + 16, BigInt(call.input.length - call.taken), true);
  }
  view.setUint32(result >>> 0, happened, true);
  return SUCCESS;
}

// There is no folder, so no descriptor of one, and no socket.
for (const name of ['fd_advise', 'fd_allocate', 'fd_fdstat_set_rights', 'fd_filestat_set_size', 'fd_filestat_set_times', 'fd_prestat_get', 'fd_prestat_dir_name', 'fd_readdir', 'fd_renumber',
  'path_create_directory', 'path_filestat_get', 'path_filestat_set_times', 'path_link', 'path_open', 'path_readlink', 'path_remove_directory', 'path_rename', 'path_symlink', 'path_unlink_file',
  'sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown']) {
  wasi[name] = () => BADF;
}

// AssemblyScript's way to give up: strings are UTF-16 with their length in bytes before them.
const assemblyScript = {
  abort(message, file, line, column) {
    look();
    const text = pointer => {
      pointer >>>= 0;
      if (pointer < 4 || !fits(pointer, 0)) return '';
      const length = Math.min(view.getUint32(pointer - 4, true), 1024) & ~1;
      return fits(pointer, length) ? Buffer.from(bytes.subarray(pointer, pointer + length)).toString('utf16le') : '';
    };
    fail('trap', `abort: ${text(message)} at ${text(file)}:${line >>> 0}:${column >>> 0}`);
  },
};

const imports = { fl_imps: funless, wasi_snapshot_preview1: wasi, env: assemblyScript, stint: { memory: null } };

// A new instance: globals, tables and the data in its memory as the module has them. The memory is all zeroes.
function instantiate(module, memory) {
  imports.stint.memory = memory;
  try {
    return new WebAssembly.Instance(module, imports);
  } finally {
    imports.stint.memory = null;
  }
}

// 5. A call

const microseconds = (from, to) => Number(to - from) / 1000 | 0;

function run(module, memory, settings, head, input) {
  const began = process.hrtime.bigint();
  call = {
    settings, head, input, memory, taken: 0, output: NOTHING, written: 0, response: null, error: null, exit: null, failure: null, text: null,
    closed: [false, false, false], env: null, args: null, lines: new Uint8Array(LOG_PIECE), logged: 0, sentLog: 0, cutLog: false,
  };
  const result = { instantiated: 0, ran: 0, answer: null, contentType: '', failure: '', text: '' };
  let made = began;
  try {
    const { exports } = instantiate(module, memory);
    bytes = NOTHING;
    made = process.hrtime.bigint();
    if (settings.kind === 'funless') runFunLess(exports, result);
    else runCommand(exports, result);
  } catch (error) {
    explain(error, result);
  }
  flush();
  result.instantiated = microseconds(began, made);
  result.ran = microseconds(made, process.hrtime.bigint());
  // Nothing of the call stays behind where the next could find it.
  call = null;
  bytes = NOTHING;
  view = new DataView(bytes.buffer);
  return result;
}

function runFunLess(exports, result) {
  exports._initialize?.();
  const code = exports.__invoke(call.input.length);
  if (code === 0 && call.response !== null) {
    result.answer = call.response;
    result.contentType = 'application/json';
  } else if (call.error !== null) {
    result.failure = 'error';
    result.text = call.error;
  } else {
    result.failure = 'nothing';
    result.text = code === 0 ? 'the function ended without an answer: it called neither __insert_response nor __insert_error' : `the function failed (__invoke returned ${code}) and did not say why`;
  }
}

function runCommand(exports, result) {
  try {
    exports._start();
  } catch (error) {
    if (call.exit === null || call.failure !== null) throw error;
  }
  if (call.exit !== null && call.exit !== 0) {
    result.failure = 'exit';
    result.text = `the function exited with code ${call.exit}; what it wrote to standard error is in its log`;
    return;
  }
  result.answer = call.output.subarray(0, call.written);
}

function explain(error, result) {
  result.answer = null;
  if (call.failure !== null) {
    result.failure = call.failure;
    result.text = call.failure === 'trap' ? `the function broke off: ${call.text}` : call.text;
  } else if (call.exit !== null) {
    result.failure = 'exit';
    result.text = `the function exited with code ${call.exit} instead of returning from __invoke`;
  } else {
    result.failure = 'trap';
    const isStack = error instanceof RangeError && /call stack/i.test(error.message);
    result.text = `the function broke off: ${isStack ? 'its calls are nested too deeply (stack overflow)' : String(error?.message ?? error)}`;
  }
}

module.exports = { guests };
