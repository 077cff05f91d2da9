// A service fails three times; the fourth call does not reach it.
//
// Usage: node example.mjs FOLDER

import { Shared, fields, load } from './host.mjs';

const config = {
  services: [{ name: 'payment-service', fallback: { cluster: 'payment-fallback' } }],
};

const shared = new Shared();
const guard = await (await load(process.argv[2]))(shared);
try {
  shared.apply(guard.configure(JSON.stringify(config)).effects);
} catch ({ payload }) {
  throw new Error(payload.message);
}

const request = {
  fields: fields({ ':method': 'GET', ':authority': 'pay', ':path': '/' }),
  cluster: undefined,
  endOfStream: true,
};
// What the service answers, each time.
const answer = { status: 503, fields: [], origin: 'service', cluster: undefined, endOfStream: true };

for (let count = 0; count < 4; count += 1) {
  const { call, verdict, effects } = guard.request(request);
  shared.apply(effects);
  const went = {
    pass: () => 'to the service',
    divert: ({ cluster }) => `to ${cluster}`,
    reply: ({ status }) => `nowhere: answered with ${status}`,
  };
  console.log(went[verdict.tag](verdict.val));
  if (call !== undefined) {
    shared.apply(guard.response(call, answer).effects);
    shared.apply(guard.finished(call, { origin: 'service', trailers: [] }));
  }
}
