import { Device } from '../device/index.js';
import { inspectModel, type ModelInspection } from '../model/index.js';
import { readTokenizerFiles } from '../text/index.js';
import { defaultBlockSize, defaultsByBackend } from './defaults.js';
import { numKvBlocks } from './kv-budget.js';
import { checkOptionKeys, optionKeys } from './option-keys.js';
import type { InspectOptions } from './options.js';
import { findModelFolder } from './source.js';

/** How many sequences of one length fit at once, every one of them grown to its end. */
export interface Fit {
  /** Tokens of each sequence. */
  readonly contextLen: number;
  /** In the cache that `load` takes by itself with this `contextLen`; 0 where it refuses. */
  readonly numSeqsByDefault: number;
  /** In all the memory that weights and activations leave. */
  readonly numSeqsAtMost: number;
}

/** What a model is, and what of it this machine holds; plain data. */
export interface Inspection {
  readonly folder: string;
  readonly architecture: string;
  readonly numParameters: number;
  /** Parameters by the dtype that they are stored in. */
  readonly storedParameters: Readonly<Record<string, number>>;
  /** Of the tensors in the checkpoint. */
  readonly storedBytes: number;
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  /** Tokens that a row attends to in the layers that have a window. */
  readonly slidingWindow: number | undefined;
  readonly hasChatTemplate: boolean;
  /** Longest sequence, in tokens. */
  readonly contextLen: number;
  readonly weightsDtype: string;
  readonly kvDtype: string;
  /** Keys and values of one token, without the padding of its block. */
  readonly kvBytesPerToken: number;
  readonly blockSize: number;
  readonly kvBlockBytes: number;
  /** On the device, tables included. */
  readonly weightsBytes: number;
  /** Activations and logits of the largest step, at most. */
  readonly activationBytes: number;
  readonly backend: 'cpu' | 'cuda';
  readonly deviceName: string;
  /** That this process may still take, on the device. */
  readonly freeBytes: number;
  /** The largest `kvCacheBytes` that leaves room for the rest; 0 when the weights alone do not fit. */
  readonly maxKvCacheBytes: number;
  /** By context, the model's own last. */
  readonly fits: readonly Fit[];
}

/** What is never given to the cache by {@link Inspection.maxKvCacheBytes}: the process's own needs. */
const usableFraction = 0.9;
/** Contexts that people ask about; those below the model's own are shown. */
const commonContextLens = [2048, 8192, 32768, 131072];

/**
 * Says what a model is and what of it fits into this machine, without loading it.
 *
 * Reads config, headers and tokenizer files only; a model of the hub is downloaded for it. Memory is counted as `load` would take it with the same options.
 *
 * @throws {EngineError} what `load` throws for files and options that it refuses
 */
export async function inspect(
  source?: string | URL,
  options: InspectOptions = {},
): Promise<Inspection> {
  checkOptionKeys(options, optionKeys.inspect);
  const folder = await findModelFolder(source, options);
  const { templates } = await readTokenizerFiles(folder);
  const device = Device.open({ backend: options.backend, index: options.index });
  try {
    const model = await inspectModel(device, folder, options);
    const memory = memoryOf(device, model, options);
    return { folder, hasChatTemplate: templates.length > 0, ...describe(model), ...memory };
  } finally {
    await device.close();
  }
}

type Description = Omit<
  Inspection,
  'folder' | 'hasChatTemplate' | keyof ReturnType<typeof memoryOf>
>;

function describe(model: ModelInspection): Description {
  const { config, kvLayout } = model;
  return {
    architecture: config.architecture,
    numParameters: model.numParameters,
    storedParameters: model.storedParameters,
    storedBytes: model.storedBytes,
    numLayers: config.numLayers,
    hiddenSize: config.hiddenSize,
    numHeads: config.numHeads,
    numKvHeads: config.numKvHeads,
    headDim: config.headDim,
    vocabSize: config.vocabSize,
    slidingWindow: config.slidingWindow,
    contextLen: model.contextLen,
    weightsDtype: model.weightsDtype,
    kvDtype: kvLayout.dtype,
    kvBytesPerToken:
      kvLayout.numLayers *
      2 *
      kvLayout.numKvHeads *
      kvLayout.headDim *
      (kvLayout.dtype === 'f32' ? 4 : 2),
  };
}

function memoryOf(device: Device, model: ModelInspection, options: InspectOptions) {
  const { backend, name } = device.info;
  const { blockSize = defaultBlockSize } = options;
  const steps = defaultsByBackend[backend];
  const kvBlockBytes = Device.kvBlockBytes({ ...model.kvLayout, blockSize });
  const activationBytes =
    steps.maxTokensPerStep * model.bytesPerStepToken + steps.maxSeqs * model.bytesPerLogitRow;
  const freeBytes = device.freeBytes() ?? process.availableMemory();
  const leftBytes = Math.max(0, freeBytes - model.weightsBytes - activationBytes);
  const maxKvCacheBytes = Math.floor(leftBytes * usableFraction);
  const budget = { kvBlockBytes, blockSize, leftBytes, isGpu: backend === 'cuda' };
  return {
    blockSize,
    kvBlockBytes,
    weightsBytes: model.weightsBytes,
    activationBytes,
    backend,
    deviceName: name,
    freeBytes,
    maxKvCacheBytes,
    fits: contextLensUpTo(model.contextLen).map((contextLen) => ({
      contextLen,
      numSeqsByDefault: numSeqs(undefined, contextLen, budget),
      numSeqsAtMost: numSeqs(maxKvCacheBytes, contextLen, budget),
    })),
  };
}

const contextLensUpTo = (contextLen: number): number[] => [
  ...commonContextLens.filter((common) => common < contextLen),
  contextLen,
];

interface KvBudget {
  readonly kvBlockBytes: number;
  readonly blockSize: number;
  readonly leftBytes: number;
  readonly isGpu: boolean;
}

/** Whole contexts in the cache that `load` would make; 0 when it would refuse. */
function numSeqs(kvCacheBytes: number | undefined, contextLen: number, budget: KvBudget): number {
  const { kvBlockBytes: blockBytes, blockSize, leftBytes, isGpu } = budget;
  const numPerContext = Math.ceil(contextLen / blockSize);
  if (Math.floor((kvCacheBytes ?? leftBytes) / blockBytes) <= numPerContext) return 0;
  const sizes = { blockBytes, blockSize, contextLen, freeBytes: () => leftBytes, isGpu };
  try {
    return Math.floor((numKvBlocks({ kvCacheBytes, ...sizes }) - 1) / numPerContext);
  } catch {
    return 0; // ERR_POOL_TOO_SMALL: the default is a share of what is left
  }
}
