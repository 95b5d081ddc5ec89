/** The engine's own side with `worker: true`: device, model and engine, driven by messages from `RemoteEngine`. */
import { parentPort, workerData } from 'node:worker_threads';
import { serveEngine } from '../engine/index.js';
import { openFloor } from './load.js';
import type { EngineWorkerData } from './worker-floor.js';

const { folder, options } = workerData as EngineWorkerData;

void serveEngine(parentPort!, async (report) => {
  const { core, info, free } = await openFloor(folder, { ...options, onProgress: report });
  return { core, opened: info, free };
});
