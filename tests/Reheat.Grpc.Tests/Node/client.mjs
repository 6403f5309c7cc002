// Calls the server under test and prints one JSON line per result. Usage: client.mjs DESCRIPTORS ADDRESS SCENARIO
import { readFileSync } from 'node:fs';
import * as grpc from '@grpc/grpc-js';
import * as loader from '@grpc/proto-loader';

const [descriptors, address, scenario] = process.argv.slice(2);
const options = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };
const load = (set) => grpc.loadPackageDefinition(loader.loadFileDescriptorSetFromBuffer(set, options));
const root = load(readFileSync(descriptors));
const client = (service, channelOptions = {}) => new service(address, grpc.credentials.createInsecure(), channelOptions);
const echo = client(root.reheat.tests.echo.Echo);

const print = (value) => console.log(JSON.stringify(value));
const text = (metadata) => {
  const all = {};
  for (const key of Object.keys(metadata.getMap())) {
    if (key.startsWith('x-') || key.startsWith('t-') || key.startsWith('fail-')) {
      all[key] = metadata.get(key).map((v) => (typeof v === 'string' ? v : v.toString('hex')));
    }
  }
  return all;
};
const unary = (method, request, metadata = new grpc.Metadata(), callOptions = {}, on = {}, target = echo) => new Promise((resolve) => {
  const result = { code: 0, details: '', reply: null, headers: {}, trailers: {} };
  const call = target[method](request, metadata, callOptions, (error, reply) => { result.reply = reply ?? null; });
  call.on('metadata', (m) => { result.headers = text(m); });
  call.on('status', (s) => resolve({ ...result, code: s.code, details: s.details, trailers: text(s.metadata) }));
  on.call?.(call);
});
const stream = (call, onReply = () => {}) => new Promise((resolve) => {
  const replies = [];
  call.on('data', (reply) => { replies.push(reply); onReply(reply, replies.length); });
  call.on('error', () => {}); // The status event tells the same.
  call.on('status', (s) => resolve({ code: s.code, details: s.details, replies }));
});

const scenarios = {
  async unary() {
    const r = await unary('Unary', { text: 'hello', payload: Buffer.from([0, 1, 2, 255]) });
    print({ code: r.code, text: r.reply.text, payload: r.reply.payload.toString('hex') });
  },
  async server_stream() {
    const r = await stream(echo.ServerStream({ text: 's', count: 5 }));
    print({ code: r.code, indices: r.replies.map((x) => x.index), texts: r.replies.map((x) => x.text) });
  },
  async client_stream() {
    const r = await clientStream('ClientStream', ['a', 'b', 'c']);
    print({ code: r.code, text: r.reply.text, total: r.reply.total_bytes });
  },
  async duplex() {
    // Each request waits for the reply to the one before: only true duplex gets through.
    const words = ['one', 'two', 'three'];
    const call = echo.Duplex();
    const done = stream(call, (_, n) => (n < words.length ? call.write({ text: words[n] }) : call.end()));
    call.write({ text: words[0] });
    const r = await done;
    print({ code: r.code, texts: r.replies.map((x) => x.text), indices: r.replies.map((x) => x.index) });
  },
  async status() {
    for (let code = 1; code <= 16; code++) {
      const r = await unary('Unary', { fail_code: code, fail_detail: `détail ${code}: 100% – 漢字\n"end"` });
      print({ code: r.code, details: r.details, trailers: r.trailers });
    }
  },
  async metadata() {
    const m = new grpc.Metadata();
    m.add('x-ascii', 'value one');
    m.add('x-ascii', 'value two, with comma');
    m.add('x-bytes-bin', Buffer.from([...Array(256).keys()]));
    m.add('x-more-bin', Buffer.from([1, 2]));
    const r = await unary('Unary', { text: 'm' }, m);
    print({ code: r.code, headers: r.headers, trailers: r.trailers });
  },
  async deadline() {
    await unary('Unary', {}); // Connected: the deadline is not spent on that.
    const r = await unary('Unary', { delay_ms: 30000 }, new grpc.Metadata(), { deadline: Date.now() + 1000 });
    print({ code: r.code });
  },
  async cancel_by_client() {
    const call = echo.ServerStream({ count: -1 });
    const r = await stream(call, (_, n) => { if (n === 3) call.cancel(); });
    print({ code: r.code, enough: r.replies.length >= 3 });
  },
  async cancel_by_server() {
    const r = await stream(echo.ServerStream({ text: 's', count: 3, fail_code: 1, fail_detail: 'the server gave up' }));
    print({ code: r.code, details: r.details, received: r.replies.length });
  },
  async gzip() {
    const zipped = client(root.reheat.tests.echo.Echo, { 'grpc.default_compression_algorithm': 2 });
    const r = await unary('Unary', { text: 'z', payload: Buffer.alloc(1 << 20), reply_bytes: 1 << 20 }, undefined, {}, {}, zipped);
    print({ code: r.code, size: r.reply.payload.length, encoding: r.trailers['t-encoding'], received: r.reply.total_bytes });
  },
  async too_large_request() {
    const big = await unary('Unary', { payload: Buffer.alloc(5 << 20) });
    const after = await unary('Unary', { text: 'still here' });
    print({ code: big.code, after: after.reply?.text });
  },
  async too_large_reply() {
    const big = await unary('Unary', { reply_bytes: 5 << 20 });
    const after = await unary('Unary', { text: 'still here' });
    print({ code: big.code, after: after.reply?.text });
  },
  async unimplemented() {
    const call = (path) => new Promise((resolve) => echo.makeUnaryRequest(
      path, (x) => x, (x) => x, Buffer.alloc(0), (error) => resolve(error?.code ?? 0)));
    print({ method: await call('/reheat.tests.echo.Echo/Nothing'), service: await call('/reheat.tests.Nothing/Unary') });
  },
  async health() {
    const health = client(root.grpc.health.v1.Health);
    const check = async (service) => {
      const r = await unary('Check', { service }, undefined, {}, {}, health);
      return r.code === 0 ? r.reply.status : r.code;
    };
    print({ whole: await check(''), down: await check('down'), unknown: await check('unknown') });
  },
  async health_watch() {
    const call = client(root.grpc.health.v1.Health).Watch({ service: 'later' });
    const r = await stream(call, (reply) => print(reply.status));
    print({ code: r.code, details: r.details });
  },
  async reflection() {
    for (const version of ['v1', 'v1alpha']) {
      const call = client(root.grpc.reflection[version].ServerReflection).ServerReflectionInfo();
      call.write({ list_services: '*' });
      call.write({ file_containing_symbol: 'reheat.tests.echo.Echo.Unary' });
      call.write({ file_containing_symbol: 'reheat.tests.echo.Nothing' });
      call.end();
      const [list, file, missing] = (await stream(call)).replies;
      const set = Buffer.concat(file.file_descriptor_response.file_descriptor_proto.map(asSetEntry));
      const learned = client(load(set).reheat.tests.echo.Echo);
      const r = await unary('Unary', { text: 'by reflection' }, undefined, {}, {}, learned);
      print({
        services: list.list_services_response.service.map((s) => s.name),
        text: r.reply.text,
        missing: missing.error_response.error_code,
      });
    }
  },
  async reflection_open() {
    const call = client(root.grpc.reflection.v1.ServerReflection).ServerReflectionInfo();
    call.write({ list_services: '*' });
    const r = await stream(call, (reply) => print(reply.list_services_response.service.length));
    print({ code: r.code, details: r.details });
  },
};

// One entry of google.protobuf.FileDescriptorSet: field 1, length-delimited.
function asSetEntry(file) {
  const head = [0x0a];
  let n = file.length;
  for (; n > 127; n >>>= 7) head.push((n & 127) | 128);
  return Buffer.concat([Buffer.from([...head, n]), file]);
}

function clientStream(method, texts) {
  return new Promise((resolve) => {
    let reply;
    const call = echo[method]((error, r) => { reply = r; });
    call.on('status', (s) => resolve({ code: s.code, reply }));
    for (const t of texts) call.write({ text: t, payload: Buffer.alloc(10) });
    call.end();
  });
}

await scenarios[scenario]();
process.exit(0);
