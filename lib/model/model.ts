import type {
  Device,
  KvCache,
  KvLayout,
  Program,
  RecordLimits,
  Tensor,
  WeightDType,
} from '../device/index.js';
import { InvalidArgumentError } from '../errors.js';
import type { ModelConfig } from './config.js';
import { fingerprintOf } from './fingerprint.js';
import { type ForwardModel, recordForward } from './forward.js';
import { type LoadModelOptions, openModel } from './open-model.js';
import { identityRopeTable, ropeTable } from './rope.js';
import { type Freeable, loadWeights } from './weights.js';

/** What a KV cache must look like to hold this model's keys and values; the block size is free. */
export type ModelKvLayout = Omit<KvLayout, 'blockSize'>;

/** Sizes that a program is recorded for; the model knows its own vocabulary. */
export type ModelLimits = Omit<RecordLimits, 'vocabSize'>;

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
  const open = await openModel(device, folder, options);
  const { config, checkpoint, plan, weightsDtype, kvDtype, contextLen } = open;
  const owned: Freeable[] = [];
  try {
    const fingerprint = fingerprintOf({
      checkpoint,
      plan,
      config,
      contextLen,
      weightsDtype,
      kvDtype,
    });
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
