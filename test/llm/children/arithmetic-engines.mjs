// A Worker with any number of arithmetic engines, each behind a port of its own.

import { parentPort } from 'node:worker_threads';
import { makeTurningEngine } from '../../../build/test-worker/llm/turning-engine.js';
import { serveEngine } from '../../../dist/engine/index.js';

parentPort.on('message', ({ port, options }) => {
  const free = async () => {};
  serveEngine(port, async () => ({ core: makeTurningEngine(options), opened: undefined, free }));
});
