import { Device } from '../../lib/device/index.js';
import { DeviceExecutor, EngineCore, type StepBatch } from '../../lib/engine/index.js';
import { loadModel, type Model } from '../../lib/model/index.js';
import { Client, WatchedExecutor } from './harness.js';

/** What an engine has of everything that is scarce. */
export interface EngineSize {
  readonly blockSize: number;
  /** Tokens that the pool has room for. */
  readonly poolTokens: number;
  readonly maxSeqs: number;
  readonly maxTokensPerStep: number;
  readonly maxChunkTokens: number;
  readonly maxQueue?: number;
  readonly maxSeqsPerSalt?: number;
  readonly priorityAgeingMs?: number;
  /** Default 0: preemptions are to happen. */
  readonly admissionReserve?: number;
}

/** An executor that says whether a step is on, and looks at the engine after each. */
class CheckedExecutor extends WatchedExecutor {
  numInFlight = 0;
  afterStep = (): void => {};

  override submit(step: StepBatch) {
    const outcome = super.submit(step);
    this.numInFlight++;
    const done = (): void => {
      this.numInFlight--;
      setImmediate(() => this.afterStep());
    };
    outcome.then(done, done);
    return outcome;
  }
}

/** An engine over the recall model. */
export interface RecallEngine {
  readonly core: EngineCore;
  readonly client: Client;
  readonly executor: CheckedExecutor;
  /** What broke an invariant after a step, the first time. */
  violation: unknown;
}

/** One device and the recall model on it, for any number of engines, one after another or at once. */
export class RecallEngines {
  private constructor(
    readonly device: Device,
    readonly model: Model,
  ) {}

  static async open(threads = 2): Promise<RecallEngines> {
    const device = Device.open({ backend: 'cpu', threads });
    return new RecallEngines(device, await loadModel(device, 'models/recall'));
  }

  engine(size: EngineSize): RecallEngine {
    const { blockSize, poolTokens, maxSeqs, maxTokensPerStep, maxChunkTokens, maxQueue } = size;
    const { device, model } = this;
    const kv = { numBlocks: Math.ceil(poolTokens / blockSize) + 1, blockSize };
    const maxTokens = Math.max(maxTokensPerStep, maxSeqs);
    const inner = new DeviceExecutor({ device, model, kv, maxSeqs, maxTokens });
    const executor = new CheckedExecutor(inner, () => {});
    const core = new EngineCore({
      executor,
      model: { vocabSize: model.config.vocabSize, contextLen: model.contextLen, eosTokenIds: [] },
      kv,
      maxSeqs,
      maxChunkTokens,
      maxQueue,
      admissionReserve: size.admissionReserve ?? 0,
      maxSeqsPerSalt: size.maxSeqsPerSalt,
      priorityAgeingMs: size.priorityAgeingMs,
    });
    const engine: RecallEngine = {
      core,
      executor,
      client: new Client(core, false),
      violation: undefined,
    };
    executor.afterStep = () => {
      try {
        core.checkInvariants();
      } catch (error) {
        engine.violation ??= error;
      }
    };
    return engine;
  }

  async close(): Promise<void> {
    this.model.free();
    await this.device.close();
  }
}
