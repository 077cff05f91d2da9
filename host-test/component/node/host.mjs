// A host of the component in JavaScript: workers on one store, and clocks that move when told to.
//
// It works on what `jco transpile --instantiation async` makes of the component. Values that `wit/`
// calls `result` errors are thrown, and `u64` is a BigInt.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const STORE = 'edge-breaker:guard/store';

const MONOTONIC_START = 1_000_000_000_000n;
const WALL_START = 1_714_564_800_000_000_000n;

/** What the store throws: the component is given the payload. */
class StoreError extends Error {
  constructor(payload) {
    super(payload.tag);
    this.payload = payload;
  }
}

/** The store, the clocks, the metrics and the log of one host. */
export class Shared {
  #entries = new Map();
  #lastVersion = 0;
  #elapsed = 0n;
  metrics = new Map();
  log = [];

  /** What the component imports. */
  imports() {
    return {
      [STORE]: {
        load: (key) => this.#entries.get(key),
        swap: (key, value, expected) => {
          if (this.#entries.get(key)?.version !== expected) {
            throw new StoreError({ tag: 'conflict' });
          }
          this.#lastVersion += 1;
          this.#entries.set(key, { value: value.slice(), version: this.#lastVersion });
        },
        now: () => ({
          monotonic: MONOTONIC_START + this.#elapsed,
          wall: WALL_START + this.#elapsed,
        }),
      },
    };
  }

  /** Lets time pass, in nanoseconds. */
  advance(nanos) {
    this.#elapsed += nanos;
  }

  /** How long it has been since the start of time, in whole milliseconds. */
  get elapsedMs() {
    return Number(this.#elapsed / 1_000_000n);
  }

  /** Does what a worker wants done besides its verdict. */
  apply({ metrics, lines }) {
    for (const { name, change } of metrics) {
      const before = this.metrics.get(name) ?? 0;
      this.metrics.set(name, change.tag === 'count' ? before + 1 : Number(change.val));
    }
    this.log.push(...lines);
  }
}

/** Loads what jco has made in a folder; the result makes one worker after the other. */
export async function load(folder, name = 'guard') {
  const { instantiate } = await import(pathToFileURL(join(folder, `${name}.js`)));
  const modules = new Map();
  const compiled = async (path) => {
    if (!modules.has(path)) {
      modules.set(path, await WebAssembly.compile(await readFile(join(folder, path))));
    }
    return modules.get(path);
  };
  return async (shared) => (await instantiate(compiled, shared.imports())).breaker;
}

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

/** Headers from pairs of strings. */
export const fields = (pairs) =>
  Object.entries(pairs).map(([name, value]) => ({ name, value: encoder.encode(value) }));

/** Headers as pairs of strings. */
export const texts = (list) =>
  Object.fromEntries(list.map(({ name, value }) => [name, decoder.decode(value)]));
