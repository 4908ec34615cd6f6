// Runs one request with the npm package coap and prints what came back as a line of JSON.
//   node client.js MODULES '{"port":5683,"path":"/echo","method":"POST","payload":"hi","observe":3,"block":5}'
'use strict';
const [modules, argument] = process.argv.slice(2);
const coap = require(require('path').join(modules, 'coap'));
const options = JSON.parse(argument);

const request = coap.request({
  host: '127.0.0.1',
  port: options.port,
  pathname: options.path,
  query: options.query,
  method: options.method || 'GET',
  confirmable: options.confirmable !== false,
  observe: !!options.observe,
});
if (options.block !== undefined) request.setOption('Block2', Buffer.of(options.block));
if (options.contentFormat) request.setOption('Content-Format', options.contentFormat);

function print(value) {
  console.log(JSON.stringify(value));
}

request.on('error', (error) => {
  print({ error: String(error) });
  process.exit(1);
});
request.on('response', (response) => {
  const seen = [];
  if (options.observe) {
    response.on('data', (data) => {
      seen.push(data.toString());
      if (seen.length < options.observe) return;
      response.close();
      print({ code: response.code, seen });
      setTimeout(() => process.exit(0), 200); // Time for the deregistration to leave.
    });
    return;
  }

  print({
    code: response.code,
    format: response.headers['Content-Format'],
    length: response.payload.length,
    text: response.payload.length < 2000 ? response.payload.toString() : undefined,
    sum: response.payload.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 0),
  });
  process.exit(0);
});
request.end(options.payload === undefined ? undefined : Buffer.from(options.payload));
setTimeout(() => {
  print({ error: 'no answer in 60 s' });
  process.exit(1);
}, 60000);
