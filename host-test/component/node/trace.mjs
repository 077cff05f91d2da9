// Drives the component through a trace, and prints what happened as JSON. `tests/component/trace.rs`
// does the same under wasmtime, and the two have to agree in every word.
//
// Usage: node trace.mjs FOLDER TRACE WORKERS

import { readFile } from 'node:fs/promises';

import { Shared, fields, load, texts } from './host.mjs';

const MILLISECOND = 1_000_000n;
const PATH = '/payment-service/charge';
const BODY = '{"amount":100.0}';
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const [folder, file, count] = process.argv.slice(2);
const trace = JSON.parse(await readFile(file, 'utf8'));
const shared = new Shared();
const make = await load(folder);
const workers = [];
for (let index = 0; index < Number(count); index += 1) {
  workers.push(await make(shared));
}

const timeline = [];
const say = (event) => timeline.push({ at_ms: shared.elapsedMs, ...event });

function apply(effects) {
  shared.apply(effects);
  for (const { level, text } of shared.log.splice(0)) {
    say({ event: 'log', level, text });
  }
}

let period;
for (const worker of workers) {
  const { tickPeriod, effects } = worker.configure(JSON.stringify(trace.config));
  period = tickPeriod;
  apply(effects);
}

/** Lets time pass, with a tick of each worker as often as it asks for, and its health checks. */
function pass(nanos, health) {
  for (let left = nanos; left > 0n; left -= period) {
    shared.advance(left < period ? left : period);
    for (const [index, worker] of workers.entries()) {
      const { errands, effects } = worker.tick();
      apply(effects);
      for (const { id, callout } of errands) {
        const status = health === 'healthy' ? 200 : 503;
        const path = texts(callout.fields)[':path'];
        say({ event: 'check', worker: index, cluster: callout.cluster, path, status });
        apply(worker.reported(id, status));
      }
    }
  }
}

/** One request, from its headers to the end of its answer. */
function call(index, service, health) {
  const worker = workers[index];
  const admission = worker.request({
    fields: fields({ ':method': 'POST', ':authority': 'edge', ':path': PATH }),
    cluster: undefined,
    endOfStream: false,
  });
  apply(admission.effects);
  const { call: number, verdict } = admission;
  const [first, second] = [BODY.slice(0, 8), BODY.slice(8)];
  worker.requestBody(number, encoder.encode(first), false);
  worker.requestBody(number, encoder.encode(second), true);

  let answer;
  let calls = 0;
  let head = { status: 200, fields: [], origin: 'service', cluster: undefined, endOfStream: false };
  if (verdict.tag === 'pass') {
    calls = 1;
    if (service === 'down') {
      for (const wait of trace.retry_waits_ms) {
        pass(BigInt(wait) * MILLISECOND, health);
        calls += 1;
      }
      head = { ...head, status: 503 };
    }
    answer = { by: 'downstream', status: head.status, body: 'from the service' };
  } else if (verdict.tag === 'divert') {
    const told = texts(verdict.val.fields)['x-circuit-breaker-state'];
    answer = { by: 'fallback', status: 200, body: `from the fallback, ${told}` };
  } else {
    throw new Error(`not in this trace: ${verdict.tag}`);
  }

  let judged = worker.response(number, head);
  apply(judged.effects);
  if (judged.verdict.tag === 'ask') {
    const { cluster, body, fields: asked } = judged.verdict.val;
    const { ':method': method, 'x-circuit-breaker-state': told } = texts(asked);
    const from = `from the ${cluster}, ${told}, for ${method} ${decoder.decode(body)}`;
    judged = worker.replayed(number, { status: 200, fields: [], body: encoder.encode(from) });
    apply(judged.effects);
  }
  let told;
  if (judged.verdict.tag === 'reply') {
    const { status, fields: own, body } = judged.verdict.val;
    answer = { by: 'fallback', status, body: decoder.decode(body) };
    told = texts(own);
  } else {
    told = texts(judged.verdict.val);
  }
  apply(worker.finished(number, { origin: 'service', trailers: [] }));
  return { answer, calls, told };
}

/** A breaker with names as in the admin API, and times as they are. */
function shown({ serviceName, state, failureCount, generation, tripReason, ...times }) {
  const name = (text) => text.replaceAll('-', '_');
  const time = (at) => (at === undefined ? null : String(at));
  return {
    service_name: serviceName,
    state: name(state).toUpperCase(),
    failure_count: failureCount,
    generation: Number(generation),
    trip_reason: tripReason === undefined ? null : name(tripReason),
    last_failure: time(times.lastFailure),
    last_success: time(times.lastSuccess),
    opened_at: time(times.openedAt),
    retry_at: time(times.retryAt),
  };
}

for (const [index, [service, health]] of trace.rows.entries()) {
  pass(BigInt(trace.pause_ms) * MILLISECOND, health);
  const number = index % workers.length;
  const { answer, calls, told } = call(number, service, health);
  const services = workers[number].status().map(shown);
  say({ event: 'answer', row: index + 1, worker: number, answer, calls, told, services });
}

const metrics = Object.fromEntries([...shared.metrics].filter(([, value]) => value !== 0));
console.log(JSON.stringify({ timeline, metrics }, null, 1));
