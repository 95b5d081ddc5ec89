import { Device } from '../device/index.js';
import { DeviceExecutor, EngineCore, type EnginePort } from '../engine/index.js';
import { InvalidArgumentError } from '../errors.js';
import { GrammarWorker } from '../grammar/index.js';
import { loadModel, type Model } from '../model/index.js';
import { TextWorker } from '../text/index.js';
import { defaultBlockSize, defaultsByBackend } from './defaults.js';
import { numKvBlocks } from './kv-budget.js';
import { Llm, type LlmInfo } from './llm.js';
import { checkOptionKeys, optionKeys } from './option-keys.js';
import type { LoadOptions } from './options.js';
import { readSamplingDefaults } from './sampling.js';
import { findModelFolder } from './source.js';
import { saltOf } from './submit-message.js';
import { warnOfTemplate } from './template-warnings.js';
import { openWorkerFloor } from './worker-floor.js';

/**
 * Loads a model: nothing or `'recall'` is the one that comes with the package, `'./dir'` a folder, `'./x.gguf'` a file, `'owner/name'` or
 * `'owner/name@revision'` one of the Hugging Face hub, which is downloaded into the cache of the Hugging Face tools.
 *
 * Takes the event loop for parts of its work (tokenizer, tables); afterwards nothing does. When it rejects, nothing
 * stays taken; a `signal` ends it between two tensors.
 *
 * @throws {EngineError} `ERR_MODEL_NOT_FOUND` naming each reading of `source`; `ERR_INVALID_ARGUMENT` naming the option;
 *   `ERR_POOL_TOO_SMALL`, `ERR_OUT_OF_MEMORY`; `ERR_HUB_…`; the codes of a malformed checkpoint (docs/errors.md)
 */
export async function load(source?: string | URL, options: LoadOptions = {}): Promise<Llm> {
  checkOptionKeys(options, optionKeys.load);
  checkProgressOptions(options);
  checkTimes(options);
  options.signal?.throwIfAborted();
  const salt = saltOf(options, undefined);
  const folder = await findModelFolder(source, options);
  const sampling = await readSamplingDefaults(folder);
  const text = TextWorker.start({ folder });
  text.catch(() => {}); // awaited below
  try {
    const floor = await (options.worker ? openWorkerFloor : openFloor)(folder, options);
    try {
      const { core, info } = floor;
      const worker = await text;
      const { toolFormat } = worker;
      const defaults = { sampling, salt, contextLen: info.contextLen, toolFormat };
      options.signal?.throwIfAborted();
      const templateWarnings = warnOfTemplate(folder, worker);
      return new Llm({
        core,
        text: worker,
        defaults,
        info: { ...info, templateWarnings },
        free: floor.free,
      });
    } catch (error) {
      await floor.core.close();
      await floor.free();
      throw error;
    }
  } catch (error) {
    await text.then((worker) => worker.close()).catch(() => {});
    throw error;
  }
}

/** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` */
function checkTimes(options: LoadOptions): void {
  for (const field of ['maxStepMs', 'maxPrefillStepMs', 'maxIdleMs'] as const) {
    const value: unknown = options[field];
    if (value === undefined || (typeof value === 'number' && value > 0)) continue;
    throw new InvalidArgumentError(field, value, 'a number of milliseconds > 0');
  }
}

/** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` */
function checkProgressOptions({ onProgress, signal, worker }: LoadOptions): void {
  if (worker !== undefined && typeof worker !== 'boolean') {
    throw new InvalidArgumentError('worker', worker, 'true or false');
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new InvalidArgumentError('onProgress', onProgress, 'a function');
  }
  if (signal !== undefined && typeof signal?.throwIfAborted !== 'function') {
    throw new InvalidArgumentError('signal', signal, 'an AbortSignal');
  }
}

/** What stands under the face: device, model and engine. */
export interface Floor<Engine extends EnginePort = EngineCore> {
  readonly core: Engine;
  readonly info: Omit<LlmInfo, 'templateWarnings'>;
  /** Frees model and device. */
  readonly free: () => Promise<void>;
}

/** Opens them in order; what is open is closed when the next one fails. */
export async function openFloor(folder: string, options: LoadOptions): Promise<Floor> {
  const { backend, index, threads, isa, deterministic } = options;
  const device = Device.open({ backend, index, threads, isa, deterministic });
  try {
    const { dtype, kvDtype, contextLen, onProgress, signal } = options;
    const model = await loadModel(device, folder, {
      dtype,
      kvDtype,
      contextLen,
      onProgress,
      signal,
    });
    const grammars = new GrammarWorker({ folder, vocabSize: model.config.vocabSize });
    const free = async () => {
      await grammars.close();
      model.free();
      await device.close();
    };
    try {
      return { ...(await openEngine(device, model, folder, options, grammars)), free };
    } catch (error) {
      await grammars.close();
      model.free();
      throw error;
    }
  } catch (error) {
    await device.close();
    throw error;
  }
}

async function openEngine(
  device: Device,
  model: Model,
  folder: string,
  options: LoadOptions,
  grammars: GrammarWorker,
): Promise<Pick<Floor, 'core' | 'info'>> {
  const defaults = defaultsByBackend[device.info.backend];
  const { blockSize = defaultBlockSize, maxSeqs = defaults.maxSeqs } = options;
  const { maxTokensPerStep = Math.max(defaults.maxTokensPerStep, maxSeqs) } = options;
  if (maxTokensPerStep < maxSeqs) {
    const limit = `an integer >= maxSeqs, ${maxSeqs}`;
    throw new InvalidArgumentError('maxTokensPerStep', maxTokensPerStep, limit);
  }
  const steps = { maxSeqs, maxTokens: maxTokensPerStep };
  const { numBlocks, blockBytes } = await planKv(device, model, { ...options, blockSize }, steps);
  const kv = { numBlocks, blockSize };
  const executor = new DeviceExecutor({ device, model, kv, ...steps });
  const { contextLen, config } = model;
  const { maxIdleMs, maxPinnedFraction } = options;
  const core = new EngineCore({
    executor,
    model: { vocabSize: config.vocabSize, contextLen, eosTokenIds: config.eosTokenIds },
    kv: { ...kv, maxIdleMs, maxPinnedFraction },
    maxSeqs,
    maxTokensPerStep,
    maxChunkTokens: options.maxChunkTokens,
    maxStepMs: options.maxStepMs ?? defaults.maxStepMs,
    maxPrefillStepMs: options.maxPrefillStepMs,
    maxQueue: options.maxQueue,
    maxQueuePerSalt: options.maxQueuePerSalt,
    maxSeqsPerSalt: options.maxSeqsPerSalt,
    priorityAgeingMs: options.priorityAgeingMs,
    maxTraceEvents: options.maxTraceEvents,
    masks: grammars,
  });
  return { core, info: infoOf(device, model, folder, { ...kv, blockBytes }) };
}

/** How many KV blocks there are, and how large they are. */
async function planKv(
  device: Device,
  model: Model,
  { kvCacheBytes, blockSize }: { kvCacheBytes?: number; blockSize: number },
  steps: { maxSeqs: number; maxTokens: number },
): Promise<{ numBlocks: number; blockBytes: number }> {
  const blockBytes = Device.kvBlockBytes({ ...model.kvLayout, blockSize });
  const leftBytes =
    kvCacheBytes === undefined && device.info.backend === 'cuda'
      ? await gpuBytesLeft(device, model, blockSize, steps)
      : undefined;
  const numBlocks = numKvBlocks({
    kvCacheBytes,
    blockBytes,
    blockSize,
    contextLen: model.contextLen,
    freeBytes: () => leftBytes ?? process.availableMemory(),
    isGpu: leftBytes !== undefined,
  });
  return { numBlocks, blockBytes };
}

/** What weights and activations leave of a GPU: activations are known once a program was recorded. */
async function gpuBytesLeft(
  device: Device,
  model: Model,
  blockSize: number,
  steps: { maxSeqs: number; maxTokens: number },
): Promise<number> {
  const kv = { numBlocks: 2, blockSize };
  const executor = new DeviceExecutor({ device, model, kv, ...steps });
  await device.whenIdle();
  const leftBytes = device.freeBytes() as number;
  await executor.close();
  return leftBytes;
}

function infoOf(
  device: Device,
  model: Model,
  folder: string,
  kv: { numBlocks: number; blockSize: number; blockBytes: number },
): Floor['info'] {
  const { backend, name, isa, threads, deterministic, computeCapability } = device.info;
  return {
    folder,
    architecture: model.config.architecture,
    backend,
    deviceName: name,
    isa,
    threads,
    deterministic,
    computeCapability,
    weightsDtype: model.weightsDtype,
    kvDtype: model.kvLayout.dtype,
    vocabSize: model.config.vocabSize,
    contextLen: model.contextLen,
    blockSize: kv.blockSize,
    numKvBlocks: kv.numBlocks,
    kvBlockBytes: kv.blockBytes,
    kvCacheBytes: kv.numBlocks * kv.blockBytes,
    fingerprint: model.fingerprint,
  };
}
