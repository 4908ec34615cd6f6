// Calls a function of Stint over gRPC: node client.js HOST:PORT FUNCTION TEXT
const path = require('path');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const [address, name, text] = process.argv.slice(2);
const proto = process.env.STINT_PROTO ?? path.join(__dirname, '../../../proto/stint.proto');
const { stint } = grpc.loadPackageDefinition(loadSync(proto));

const client = new stint.v1.Functions(address, grpc.credentials.createInsecure());
// Metadata becomes headers of the function; the deadline is the function's too.
const metadata = new grpc.Metadata();
metadata.set('lab', 'node');
client.invoke({ function: name, body: Buffer.from(text) }, metadata, { deadline: Date.now() + 10_000 }, (error, answer) => {
  if (error) {
    console.error(`${grpc.status[error.code]}: ${error.details}`);
    process.exitCode = 1;
  } else {
    console.log(answer.status, answer.body.toString());
  }
  client.close();
});
