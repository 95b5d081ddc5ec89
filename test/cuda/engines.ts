import type { DeviceOptions } from '../../lib/device/index.js';
import type { SamplingParams } from '../../lib/engine/index.js';
import { DeviceEngine, type DeviceEngineOptions, tinyVocabSize } from '../engine/device-engine.js';
import { greedy, randomFrom, randomTokens, type SampleResult } from '../engine/harness.js';
import { ReferenceAnswers } from '../engine/reference-answers.js';
import { deterministic, failCall, resetEmulatedGpu } from './emulated-gpu.js';

/** No limit in time: what a step holds is the same in every run, however slow the emulation is. */
export const untimed = { maxStepMs: 1e9, maxPrefillStepMs: 1e9 } as const;

/** The engines that one test file opens over one model, and what that model answers alone. */
export class Engines {
  readonly #open: DeviceEngine[] = [];
  readonly #random: () => number;
  #alone: Promise<ReferenceAnswers> | undefined;

  /** @param seed of the prompts */
  constructor(
    readonly checkpoint: { readonly folder: string; remove(): void },
    seed: number,
    readonly on: DeviceOptions = deterministic,
  ) {
    this.#random = randomFrom(seed);
  }

  /** An engine on a device of its own; closed by `closeAll`. */
  async open(changes: Partial<DeviceEngineOptions> = {}): Promise<DeviceEngine> {
    const { folder } = this.checkpoint;
    const pool = { numBlocks: 64, blockSize: 16 };
    const engine = { ...untimed, ...changes.engine };
    const opened = await DeviceEngine.open({ folder, on: this.on, ...pool, ...changes, engine });
    this.#open.push(opened);
    return opened;
  }

  /** The same, with one call to the driver that fails: the `n`-th from here. Nothing else may be open. */
  async openFailing(
    [call, n, result]: Parameters<typeof failCall>,
    changes: Partial<DeviceEngineOptions> = {},
  ): Promise<DeviceEngine> {
    failCall(call, n, result);
    try {
      return await this.open(changes);
    } finally {
      resetEmulatedGpu();
    }
  }

  promptOf(length: number): number[] {
    return randomTokens(this.#random, length, tinyVocabSize);
  }

  /** Expects tokens and logits, bit for bit, that the prompt gives alone, with the cache off. */
  async expectAsAlone(
    prompt: readonly number[],
    { tokens, digests }: SampleResult,
    sampling: SamplingParams = greedy,
  ): Promise<void> {
    this.#alone ??= ReferenceAnswers.open(this.checkpoint.folder, this.on);
    const wanted = await (await this.#alone).get(prompt, tokens.length, sampling);
    expect({ tokens, digests }).toEqual({ tokens: wanted.tokens, digests: wanted.digests });
    expect(digests).toHaveLength(tokens.length);
  }

  /** Closes what is open, so that the next device to be opened takes up what the emulated GPU was set to. */
  async closeAll(): Promise<void> {
    const alone = this.#alone;
    this.#alone = undefined;
    await Promise.all(this.#open.splice(0).map((engine) => engine.close()));
    await (await alone)?.close();
  }

  /** Closes what is open and removes the checkpoint. */
  async end(): Promise<void> {
    await this.closeAll();
    this.checkpoint.remove();
  }
}
