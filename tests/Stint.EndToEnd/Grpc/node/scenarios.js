// What a second client that is not ours sees of the gRPC endpoint: @grpc/grpc-js, an implementation in JavaScript.
//
//   node scenarios.js HOST:PORT FOLDER SCENARIO PROTO-FOLDER    FOLDER: for files that functions and scenarios share
//
// A scenario asserts; exit code 0 means that all of it held.
const assert = require('assert/strict');
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const [address, folder, scenario, protos] = process.argv.slice(2);
const load = (file) => grpc.loadPackageDefinition(loadSync(path.join(protos, file), { defaults: true, longs: Number }));
const LIMIT = 30_000; // milliseconds: the longest that any step may take

const insecure = () => grpc.credentials.createInsecure();
const TinyFaaS = load('tinyfaas.proto').openfogstack.tinyfaas.tinyfaas.TinyFaaS;
const Functions = load('stint.proto').stint.v1.Functions;
const tiny = new TinyFaaS(address, insecure(), { 'grpc.max_receive_message_length': -1 });
const functions = new Functions(address, insecure(), { 'grpc.max_receive_message_length': -1 });

const within = (ms = LIMIT) => ({ deadline: Date.now() + ms });
const shared = (name) => path.join(folder, `node-${scenario}-${name}`);
const content = (file) => { try { return fs.readFileSync(file, 'utf8'); } catch { return ''; } };

function meta(values) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of values) metadata.add(name, value);
  return metadata;
}

function request(message, metadata = new grpc.Metadata(), options = within(), client = tiny) {
  return new Promise((resolve, reject) => {
    let head;
    client.request(message, metadata, options, (error, answer) => error ? reject(error) : resolve({ text: answer.response, head })).on('metadata', (received) => { head = received; });
  });
}

async function fails(call, code) {
  const error = await call.then(() => assert.fail('the call succeeded'), (failure) => failure);
  assert.equal(grpc.status[error.code], code, error.details);
  return error;
}

async function until(condition, what) {
  for (const end = Date.now() + LIMIT; !condition();) {
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const scenarios = {
  async call() {
    assert.equal((await request({ functionIdentifier: 'echo', data: 'Grüße' })).text, 'Grüße');
  },

  async metadata() {
    const { text, head } = await request({ functionIdentifier: 'describe' }, meta([['lab', '1'], ['raw-bin', Buffer.from([0, 255, 16])]]));
    const seen = JSON.parse(text).headers;
    assert.equal(seen.Lab, '1');
    assert.equal(seen['Raw-Bin'], 'AP8Q');
    assert.match(seen['User-Agent'], /^grpc-node-js/);
    assert.deepEqual(head.get('made-by'), ['describe']);
    assert.deepEqual(head.get('twice').join(', '), 'a, b');
    assert.deepEqual(head.get('trace-bin'), [Buffer.from([1, 2, 3])]);
    assert.deepEqual(head.get('umlaut'), []);
  },

  async deadline() {
    // An instance that is up already: a cold start on a busy machine may take longer than the deadline.
    const [warm, file] = [shared('warm'), shared('file')];
    const first = tiny.request({ functionIdentifier: 'wait', data: warm }, within(), () => {});
    await until(() => content(warm) === 'began', 'the function was not called');
    await fails(request({ functionIdentifier: 'wait', data: file }, undefined, within(2000)), 'DEADLINE_EXCEEDED');
    first.cancel();
    await until(() => content(file) === 'left', 'the deadline did not reach the function');
  },

  async cancellation() {
    const file = shared('file');
    let call;
    const ended = new Promise((resolve) => { call = tiny.request({ functionIdentifier: 'wait', data: file }, within(), (error) => resolve(error)); });
    await until(() => content(file) === 'began', 'the function was not called');
    call.cancel();
    assert.equal((await ended).code, grpc.status.CANCELLED);
    await until(() => content(file) === 'left', 'the cancellation did not reach the function');
  },

  async errors() {
    await fails(request({ functionIdentifier: 'nobody' }), 'NOT_FOUND');
    assert.match((await fails(request({ functionIdentifier: 'fail' }), 'INTERNAL')).details, /100 % Käse/);
  },

  async thousand() {
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => request({ functionIdentifier: 'echo', data: String(i) })));
    assert.deepEqual(answers.map((answer) => answer.text), Array.from({ length: 1000 }, (_, i) => String(i)));
  },

  async too_large() {
    await fails(request({ functionIdentifier: 'echo', data: 'x'.repeat(16 << 20) }), 'RESOURCE_EXHAUSTED');
    assert.equal((await request({ functionIdentifier: 'echo', data: 'still here' })).text, 'still here');
  },

  async gzip() {
    const client = new TinyFaaS(address, insecure(), { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
    const data = 'x'.repeat(100_000);
    assert.equal((await request({ functionIdentifier: 'echo', data }, undefined, within(), client)).text, data);
    client.close();
  },

  async streaming() {
    const file = shared('file');
    fs.writeFileSync(file, '');
    const answers = [];
    for await (const answer of functions.invokeStream({ function: 'pieces', body: Buffer.from(file) }, within())) {
      answers.push(answer);
      if (answer.body.toString().endsWith('\n')) fs.appendFileSync(file, 'seen\n');
    }
    assert.equal(answers[0].status, 206);
    assert.equal(answers[0].headers.Kind, 'pieces');
    assert.equal(Buffer.concat(answers.map((answer) => answer.body)).toString(), 'piece 0\npiece 1\npiece 2\n');
  },

  async health() {
    const client = new (load('grpc/health/v1/health.proto').grpc.health.v1.Health)(address, insecure());
    const answer = await new Promise((resolve, reject) => client.check({ service: 'stint.v1.Functions' }, within(), (error, value) => error ? reject(error) : resolve(value)));
    assert.equal(answer.status, 1);
    client.close();
  },
};

scenarios[scenario]().then(() => { tiny.close(); functions.close(); }, (failure) => { console.error(failure); process.exit(1); });
