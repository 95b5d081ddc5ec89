import { Worker } from 'node:worker_threads';
import { RemoteEngine } from '../engine/index.js';
import { InvalidArgumentError } from '../errors.js';
import type { LoadProgress } from '../model/index.js';
import { workerProgram } from '../package-folder.js';
import type { LlmInfo } from './llm.js';
import type { Floor } from './load.js';
import type { LoadOptions } from './options.js';

/** What the engine's Worker is started with; plain data. */
export interface EngineWorkerData {
  readonly folder: string;
  readonly options: Omit<LoadOptions, 'onProgress' | 'signal'>;
}

/**
 * Opens device, model and engine in a Worker.
 *
 * @throws {EngineError} as `load` does in the calling thread; `ERR_ENGINE_WORKER` when the Worker crashed
 */
export async function openWorkerFloor(
  folder: string,
  { onProgress, signal, ...options }: LoadOptions,
): Promise<Floor<RemoteEngine>> {
  const worker = startWorker({ folder, options });
  const { engine, opened } = await RemoteEngine.open<Omit<LlmInfo, 'templateWarnings'>>(worker, {
    onOpening: (news) => onProgress?.(news as LoadProgress),
    signal,
  });
  return { core: engine, info: opened, free: async () => {} };
}

function startWorker(workerData: EngineWorkerData): Worker {
  try {
    return new Worker(workerProgram('llm/engine-worker.js'), {
      name: 'paged-attention engine',
      workerData,
      execArgv: [],
    });
  } catch {
    throw new InvalidArgumentError('options', 'not plain data', 'what can be cloned');
  }
}
