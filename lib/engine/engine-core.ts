import type { CacheStats, Explanation, InvalidateTarget } from '../kv/index.js';
import type { Executor } from './executor.js';
import type { ForkMessage, StepOutput, SubmitMessage } from './messages.js';

/** What the engine must know of the model that its executor runs. */
export interface ModelLimits {
  readonly vocabSize: number;
  /** Tokens of a sequence, prompt and output together. */
  readonly contextLen: number;
  readonly eosTokenIds: readonly number[];
}

export interface EngineCoreOptions {
  readonly executor: Executor;
  readonly model: ModelLimits;
  readonly kv: {
    /** Blocks of the executor's KV cache, the null block 0 included. */
    readonly numBlocks: number;
    readonly blockSize: number;
    /** Default for requests without `maxIdleMs`; never where absent. */
    readonly maxIdleMs?: number;
    /** Share of the pool that pins and handles may hold, 0 to 1. */
    readonly maxPinnedFraction?: number;
  };
  /** Sequences that run at once; default and maximum: what the executor's steps hold. */
  readonly maxSeqs?: number;
  /** Tokens of one step; default and maximum: what the executor's steps hold. */
  readonly maxTokensPerStep?: number;
  /** Tokens of one prompt that one step runs at most; default: what the budget leaves. */
  readonly maxChunkTokens?: number;
  /** Time a step should take while anything decodes; default 100. */
  readonly maxStepMs?: number;
  /** Time a step should take while nothing decodes; default 1,000. */
  readonly maxPrefillStepMs?: number;
  /** Sequences that may wait; default 1,024. */
  readonly maxQueue?: number;
  /** Milliseconds on a clock that never goes back; default `performance.now`. */
  readonly clock?: () => number;
}

export interface EngineStats {
  readonly numRunning: number;
  readonly numWaiting: number;
  readonly numSteps: number;
  readonly numPreemptions: number;
  /** As the executor counted them. */
  readonly tokensComputed: number;
  readonly blocksCopied: number;
  readonly cache: CacheStats;
}

/** Interface first: the bodies follow. */
export class EngineCore {
  constructor(readonly options: EngineCoreOptions) {}

  /** Queues a request. What is wrong with it comes back as a `failed` event, never as an exception. */
  submit(_message: SubmitMessage): void {}

  /** Splits a running sample; refusals come back as `failed` events of the new id. */
  fork(_message: ForkMessage): void {}

  /** Ends a request: its blocks are free before the next step; an id that has ended is ignored. */
  abort(_id: number): void {}

  /** Calls `listener` after each step that gave events, before the next step is planned. */
  onStep(_listener: (output: StepOutput) => void): void {}

  /** Lets go of a prefix handle; false when it is gone already. */
  releaseHandle(_handle: number): boolean {
    return false;
  }

  /** Holds the cached blocks of a prompt against eviction; gives the pin's id. */
  pin(_target: { tokens: Int32Array; salt?: string; tag?: string; ttlMs?: number }): {
    id: number;
    numBlocks: number;
  } {
    return { id: 0, numBlocks: 0 };
  }

  unpin(_id: number): boolean {
    return false;
  }

  /** Makes cached tokens unhittable at once; gives the number of dropped blocks. */
  invalidate(_target: InvalidateTarget): number {
    return 0;
  }

  /** Says why a prompt is not, or not fully, cached. */
  explain(_target: { tokens: Int32Array; salt?: string }): Explanation {
    throw new Error('not built');
  }

  stats(): EngineStats {
    throw new Error('not built');
  }

  /** Ends after all requests are done (`drain`), or at once; frees the executor. Idempotent. */
  async close(_mode: 'drain' | 'abort' = 'drain'): Promise<void> {}

  /** Asserts that every block, seat and count is accounted for. */
  checkInvariants(): void {}
}
