// The echo service as another implementation has it. Usage: server.mjs DESCRIPTORS. Prints its port; ends with its standard input.
import { readFileSync } from 'node:fs';
import * as grpc from '@grpc/grpc-js';
import * as loader from '@grpc/proto-loader';

const options = { keepCase: true, longs: Number, defaults: true, oneofs: true };
const root = grpc.loadPackageDefinition(loader.loadFileDescriptorSetFromBuffer(readFileSync(process.argv[2]), options));
let cancelled = 0;

const copied = (metadata, prefix) => {
  const copy = new grpc.Metadata();
  for (const key of Object.keys(metadata.getMap()).filter((k) => k.startsWith('x-'))) {
    for (const value of metadata.get(key)) copy.add(prefix + key, value);
  }
  return copy;
};
const failure = (request) => {
  const trailers = new grpc.Metadata();
  trailers.add('fail-text', 'why');
  trailers.add('fail-bytes-bin', Buffer.from([0, 255, 10]));
  return Object.assign(new Error(request.fail_detail), { code: request.fail_code, details: request.fail_detail, metadata: trailers });
};
const reply = (request, index = 0) => ({
  text: request.text,
  payload: request.reply_bytes ? Buffer.alloc(request.reply_bytes) : request.payload,
  index,
  total_bytes: request.payload.length,
});

const service = {
  Unary(call, done) {
    const request = call.request;
    if (request.text === 'cancelled?') return done(null, { index: cancelled });
    call.sendMetadata(copied(call.metadata, ''));
    const timer = setTimeout(() => {
      if (request.fail_code) done(failure(request));
      else done(null, reply(request), copied(call.metadata, 't-'));
    }, request.delay_ms);
    call.on('cancelled', () => { cancelled++; clearTimeout(timer); });
  },
  async ServerStream(call) {
    const request = call.request;
    let gone = false;
    call.on('cancelled', () => { cancelled++; gone = true; });
    for (let i = 0; !gone && i !== request.count; i++) {
      call.write(reply(request, i));
      await new Promise((r) => setTimeout(r, 2));
    }
    if (request.fail_code) call.emit('error', failure(request));
    else call.end();
  },
  ClientStream(call, done) {
    const texts = [];
    let total = 0;
    call.on('data', (request) => { texts.push(request.text); total += request.payload.length; });
    call.on('end', () => done(null, { text: texts.join(','), total_bytes: total }));
  },
  Duplex(call) {
    let index = 0;
    call.on('data', (request) => {
      if (request.fail_code) call.emit('error', failure(request));
      else call.write(reply(request, index++));
    });
    call.on('end', () => call.end());
  },
};

const server = new grpc.Server();
server.addService(root.reheat.tests.echo.Echo.service, service);
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
