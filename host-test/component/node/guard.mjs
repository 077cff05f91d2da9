// A service fails three times; the fourth call does not reach it.
//
// Beside it, in `component/`, is what jco has made of the component.

import { readFile } from 'node:fs/promises';

import { instantiate } from './component/guard.js';

const config = {
  services: [{ name: 'payment-service', fallback: { cluster: 'payment-fallback' } }],
};

// What all instances of one host share: here it lasts as long as the process.
const entries = new Map();
let versions = 0;
const store = {
  load: (key) => entries.get(key),
  swap(key, value, expected) {
    if (entries.get(key)?.version !== expected) {
      throw Object.assign(new Error('conflict'), { payload: { tag: 'conflict' } });
    }
    versions += 1;
    entries.set(key, { value, version: versions });
  },
  now: () => ({ monotonic: process.hrtime.bigint(), wall: BigInt(Date.now()) * 1_000_000n }),
};

// One instance.
const compiled = async (file) =>
  WebAssembly.compile(await readFile(new URL(`component/${file}`, import.meta.url)));
const made = await instantiate(compiled, { 'edge-breaker:guard/store': store });
const guard = made['edge-breaker:guard/breaker@0.1.0'];
try {
  guard.configure(JSON.stringify(config));
} catch ({ payload }) {
  throw new Error(payload.message);
}

const headers = { ':method': 'GET', ':authority': 'pay', ':path': '/' };
const encoder = new TextEncoder();
const request = {
  fields: Object.entries(headers).map(([name, value]) => ({ name, value: encoder.encode(value) })),
  cluster: undefined,
  route: undefined,
  endOfStream: true,
};
// What the service answers, each time.
const answer = { status: 503, fields: [], origin: 'service', cluster: undefined, endOfStream: true };

for (let count = 0; count < 4; count += 1) {
  const { call, verdict } = guard.request(request);
  const went = {
    pass: () => 'to the service',
    divert: ({ cluster }) => `to ${cluster}`,
    reply: ({ status }) => `nowhere: answered with ${status}`,
  };
  console.log(went[verdict.tag](verdict.val));
  if (call !== undefined) {
    guard.response(call, answer);
    guard.finished(call, { origin: 'service', trailers: [] });
  }
}
