import { Device, type DeviceOptions, type Isa, type WeightDType } from '../../lib/device/index.js';
import {
  DeviceExecutor,
  EngineCore,
  type EngineCoreOptions,
  type StepBatch,
} from '../../lib/engine/index.js';
import { loadModel, type Model } from '../../lib/model/index.js';
import { randomConfig, temporaryCheckpoint } from '../model/random-checkpoint.js';
import { isQuantized } from '../reference/quantized.js';
import { Client, WatchedExecutor } from './harness.js';

/** A tiny random model, by what its kernels see of it. */
export interface TinyModel {
  /** Of the weights; int8 and int4 are stored as bf16. */
  readonly dtype: WeightDType;
  /** Query heads per KV head. */
  readonly group: number;
  readonly headDim: number;
}

export const tinyVocabSize = 300;

/** Writes the checkpoint of a tiny model: two layers, one KV head or (group 1) two. */
export function tinyCheckpoint({ dtype, group, headDim }: TinyModel) {
  const numKvHeads = group === 1 ? 2 : 1;
  const config = randomConfig({
    vocab_size: tinyVocabSize,
    hidden_size: 64,
    num_attention_heads: group * numKvHeads,
    num_key_value_heads: numKvHeads,
    head_dim: headDim,
    max_position_embeddings: 1024,
  });
  const stored = isQuantized(dtype) ? 'bf16' : dtype;
  return temporaryCheckpoint({ config, dtype: stored, seed: group * headDim });
}

export interface DeviceEngineOptions {
  readonly folder: string;
  /** Of the weights; default: as the checkpoint declares. */
  readonly dtype?: WeightDType;
  /** Default: the model's own. */
  readonly contextLen?: number;
  readonly threads?: number;
  readonly isa?: Isa;
  /** Another device than a CPU with `threads` and `isa`. */
  readonly on?: DeviceOptions;
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly maxSeqs?: number;
  readonly maxTokens?: number;
  readonly engine?: Partial<EngineCoreOptions>;
  /** Sees each step before it is submitted, and may spoil it. */
  readonly onSubmit?: (step: StepBatch) => void;
  /** Assert invariants after each step; default true. */
  readonly checks?: boolean;
}

/** An engine on a device of its own. */
export class DeviceEngine {
  private constructor(
    readonly device: Device,
    readonly model: Model,
    readonly core: EngineCore,
    readonly client: Client,
  ) {}

  /** When it rejects, the device is closed. */
  static async open(options: DeviceEngineOptions): Promise<DeviceEngine> {
    const { threads = 1, isa } = options;
    const device = Device.open(options.on ?? { backend: 'cpu', threads, isa });
    try {
      return await DeviceEngine.#over(device, options);
    } catch (error) {
      await device.close();
      throw error;
    }
  }

  static async #over(device: Device, options: DeviceEngineOptions): Promise<DeviceEngine> {
    const { folder, dtype, contextLen, numBlocks, blockSize } = options;
    const { maxSeqs = 8, maxTokens = 512, onSubmit = () => {}, checks } = options;
    const model = await loadModel(device, folder, { dtype, contextLen });
    const kv = { numBlocks, blockSize };
    const executor = new DeviceExecutor({ device, model, kv, maxSeqs, maxTokens });
    const core = new EngineCore({
      executor: new WatchedExecutor(executor, onSubmit),
      model: {
        vocabSize: model.config.vocabSize,
        contextLen: model.contextLen,
        eosTokenIds: [],
      },
      kv,
      ...options.engine,
    });
    return new DeviceEngine(device, model, core, new Client(core, checks));
  }

  async close(): Promise<void> {
    await this.core.close('abort');
    this.model.free();
    await this.device.close();
  }
}
