// An arithmetic engine in a Worker, as `load({ worker: true })` has one over a device. `crash` ends it by an
// exception, as a bug would; the number in `steps` goes up with each step.

import { parentPort, workerData } from 'node:worker_threads';
import { makeTurningEngine } from '../../../build/test-worker/llm/turning-engine.js';
import { serveEngine } from '../../../dist/engine/index.js';

const { steps, refusal, ...options } = workerData;

parentPort.on('message', (message) => {
  if (message === 'crash') throw new Error('a bug in the Worker');
});

await serveEngine(parentPort, async () => {
  const core = makeTurningEngine(options);
  if (steps) core.onStep(() => Atomics.notify(steps, 0, Atomics.add(steps, 0, 1)));
  return { core, opened: undefined, free: async () => {} };
});
