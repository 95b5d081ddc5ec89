import type { DeviceOptions, WeightDType } from '../../lib/device/index.js';
import type { SamplingParams } from '../../lib/engine/index.js';
import { DeviceEngine } from './device-engine.js';

/** Tokens and digests of one sample. */
export interface Answer {
  readonly tokens: readonly number[];
  readonly digests: readonly bigint[];
}

/**
 * What requests are answered when each runs alone: one at a time on one thread, with the cache off and
 * the whole prompt in one step. Remembered, since many variants ask for the same.
 */
export class ReferenceAnswers {
  readonly #answers = new Map<string, Promise<Answer>>();

  private constructor(readonly engine: DeviceEngine) {}

  /**
   * @param on a device of its own; one thread of the CPU when left out
   * @param dtype of the weights; as the checkpoint declares when left out
   */
  static async open(
    folder: string,
    on?: DeviceOptions,
    dtype?: WeightDType,
  ): Promise<ReferenceAnswers> {
    const pool = { numBlocks: 40, blockSize: 16 };
    const engine = await DeviceEngine.open({ folder, dtype, ...pool, checks: false, on });
    return new ReferenceAnswers(engine);
  }

  get(prompt: readonly number[], maxTokens: number, sampling: SamplingParams): Promise<Answer> {
    const key = [...prompt, maxTokens, ...Object.values(sampling)].join();
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = this.engine.client.runOne(prompt, { maxTokens, sampling, cache: 'off' });
    this.#answers.set(key, answer);
    return answer;
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}
