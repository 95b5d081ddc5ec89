import type {
  Device,
  FloatDType,
  KvCache,
  KvLayout,
  Program,
  RecordLimits,
  Tensor,
  WeightDType,
} from '../device/index.js';
import { InvalidArgumentError } from '../errors.js';
import { openCheckpoint } from './checkpoint.js';
import { type ModelConfig, readConfig } from './config.js';
import { fingerprintOf } from './fingerprint.js';
import { type ForwardModel, recordForward } from './forward.js';
import { identityRopeTable, ropeTable } from './rope.js';
import {
  deviceDtype,
  type Freeable,
  type LoadProgress,
  loadWeights,
  planCheckpoint,
} from './weights.js';

/** What {@link loadModel} may be told. */
export interface LoadModelOptions {
  /**
   * Dtype of the weights on the device; `auto` is the one that config.json names, else the stored one, and
   * bf16, which has f32's range, where the device does not have that one. `int8` and `int4` quantise
   * while loading.
   */
  readonly dtype?: 'auto' | WeightDType;
  /** Dtype of the KV cache; `auto` is what `dtype: 'auto'` would be for quantised weights, else the weights'. */
  readonly kvDtype?: 'auto' | FloatDType;
  /** Longest context, in tokens; default and upper bound is the model's own. */
  readonly contextLen?: number;
  /** Told how far loading is, after each tensor; what it throws ends the loading. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Ends the loading, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** What a KV cache must look like to hold this model's keys and values; the block size is free. */
export type ModelKvLayout = Omit<KvLayout, 'blockSize'>;

/** Sizes that a program is recorded for; the model knows its own vocabulary. */
export type ModelLimits = Omit<RecordLimits, 'vocabSize'>;

/** A rotary table beyond this is refused: lower `contextLen`. */
const maxRopeTableBytes = 2 ** 30;

/** A decoder on a device. Owns its weights until `free()`. */
export class Model {
  readonly config: ModelConfig;
  readonly weightsDtype: WeightDType;

  /** @internal made by {@link loadModel} */
  constructor(
    private readonly forward: ForwardModel,
    private readonly owned: readonly Freeable[],
    readonly kvLayout: ModelKvLayout,
    /** Longest context, in tokens. */
    readonly contextLen: number,
    /** 64 hexadecimal digits, see `fingerprintOf`. */
    readonly fingerprint: string,
  ) {
    this.config = forward.config;
    this.weightsDtype = forward.weights.embedding.dtype;
  }

  /**
   * Records the forward pass for steps of at most `limits`, over `kvCache`.
   *
   * The memory of the weights goes back when `free()` was called and the program is freed too.
   *
   * @throws {InvalidArgumentError} when the cache has another layout than {@link kvLayout}
   */
  record(device: Device, kvCache: KvCache, limits: ModelLimits): Program {
    for (const field of ['numLayers', 'numKvHeads', 'headDim', 'dtype'] as const) {
      const found = kvCache.layout[field];
      if (found === this.kvLayout[field]) continue;
      throw new InvalidArgumentError(`kvCache.layout.${field}`, found, `${this.kvLayout[field]}`);
    }
    return device.record(limits, kvCache, (recorder) => recordForward(recorder, this.forward));
  }

  /** Frees weights and tables. @throws {EngineError} `ERR_DOUBLE_FREE` the second time */
  free(): void {
    for (const resource of this.owned) resource.free();
  }
}

/**
 * Loads a Hugging Face model folder: config.json and `*.safetensors`.
 *
 * Everything is checked before anything is loaded; when this rejects or is aborted, no file stays mapped
 * and no device memory taken. Matrices are packed on the device's own thread; checks, fingerprint and rotary
 * tables hold the event loop, the tables for longer the longer the context is.
 *
 * @param folder with config.json; files are read during the call only
 * @throws {EngineError} codes of `readConfig`, `openCheckpoint` and `planCheckpoint`;
 *   `ERR_INVALID_ARGUMENT` for an option out of range; `ERR_UNSUPPORTED_DTYPE` for a dtype that the
 *   device has no kernels for
 */
export async function loadModel(
  device: Device,
  folder: string,
  options: LoadModelOptions = {},
): Promise<Model> {
  const { onProgress, signal } = options;
  const config = await readConfig(folder);
  const contextLen = resolveContextLen(options.contextLen, config);
  const checkpoint = await openCheckpoint(device, folder);
  const owned: Freeable[] = [];
  try {
    const plan = planCheckpoint(checkpoint, config);
    const stored = deviceDtype(checkpoint.getTensor(plan.embedding.parts[0].name).dtype);
    const declared = config.declaredDtype ?? stored;
    const { weightDtypes, cacheDtypes } = device.info;
    const auto = weightDtypes.includes(declared) ? declared : 'bf16';
    const weightsDtype = resolveDtype('dtype', options.dtype, auto, weightDtypes);
    const isQuantized = weightsDtype === 'int8' || weightsDtype === 'int4';
    const autoKv = isQuantized ? auto : weightsDtype;
    const kvDtype = resolveDtype('kvDtype', options.kvDtype, autoKv, cacheDtypes);
    const fingerprint = fingerprintOf({ checkpoint, plan, config, weightsDtype, kvDtype });
    signal?.throwIfAborted();
    const weights = await loadWeights(checkpoint, plan, {
      device,
      dtype: weightsDtype,
      owned,
      onProgress: (progress) => {
        onProgress?.(progress);
        signal?.throwIfAborted();
      },
    });
    const tables = await uploadRopeTables(device, config, contextLen, owned);
    signal?.throwIfAborted();
    const { numLayers, numKvHeads, headDim } = config;
    const kvLayout = { numLayers, numKvHeads, headDim, dtype: kvDtype };
    return new Model({ config, weights, ...tables }, owned, kvLayout, contextLen, fingerprint);
  } catch (error) {
    for (const resource of owned) resource.free();
    throw error;
  } finally {
    checkpoint.close();
  }
}

async function uploadRopeTables(
  device: Device,
  { rope, layers }: ModelConfig,
  contextLen: number,
  owned: Freeable[],
): Promise<Pick<ForwardModel, 'rope' | 'identityRope'>> {
  const upload = async (data: Float32Array): Promise<Tensor<'f32'>> => {
    const tensor = device.tensor({ dtype: 'f32', shape: [contextLen, rope.rotaryDim] });
    owned.push(tensor);
    await tensor.write(data);
    return tensor;
  };
  const skipsRope = layers.some((layer) => !layer.hasRope);
  return {
    rope: await upload(await ropeTable(rope, contextLen)),
    identityRope: skipsRope
      ? await upload(identityRopeTable(rope.rotaryDim, contextLen))
      : undefined,
  };
}

function resolveContextLen(
  contextLen: number | undefined,
  { maxPositions, rope }: ModelConfig,
): number {
  const tablePositions = Math.floor(maxRopeTableBytes / (rope.rotaryDim * 4));
  const limit = Math.min(maxPositions, tablePositions);
  const chosen = contextLen ?? maxPositions;
  if (Number.isInteger(chosen) && chosen >= 1 && chosen <= limit) return chosen;
  throw new InvalidArgumentError('contextLen', chosen, `an integer from 1 to ${limit}`);
}

function resolveDtype<D extends WeightDType>(
  field: string,
  dtype: 'auto' | D | undefined,
  auto: D,
  known: readonly D[],
): D {
  if (dtype === undefined || dtype === 'auto') return auto;
  if (known.includes(dtype)) return dtype;
  const names = ['auto', ...known].map((name) => `'${name}'`);
  const limit = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  const isDtype = ['f32', 'f16', 'bf16', 'int8', 'int4'].includes(dtype);
  throw new InvalidArgumentError(
    field,
    dtype,
    limit,
    isDtype ? 'ERR_UNSUPPORTED_DTYPE' : 'ERR_INVALID_ARGUMENT',
  );
}
