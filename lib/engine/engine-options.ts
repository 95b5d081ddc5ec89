import type { MaskSource } from '../grammar/index.js';
import type { CacheStats } from '../kv/index.js';
import type { Executor } from './executor.js';
import { checkInteger, checkPositive, type ModelLimits } from './validation.js';

/** What an engine is made of, and its limits. */
export interface EngineCoreOptions {
  /** Owned by the engine from here on. */
  readonly executor: Executor;
  readonly model: ModelLimits;
  /** Says what grammars allow; without it, requests have none. Stays the caller's, and must outlive the engine. */
  readonly masks?: MaskSource;
  readonly kv: {
    /** Blocks of the executor's KV cache, the null block 0 included. */
    readonly numBlocks: number;
    readonly blockSize: number;
    /** Blocks that nobody used for so long are forgotten; default: never. */
    readonly maxIdleMs?: number;
    /** Share of the pool that pins and handles may hold, 0 to 1. */
    readonly maxPinnedFraction?: number;
  };
  /** Sequences that run at once; default and maximum: what the executor's steps hold. */
  readonly maxSeqs?: number;
  /** Tokens of one step, at least `maxSeqs`; default and maximum: what the executor's steps hold. */
  readonly maxTokensPerStep?: number;
  /** Tokens of one sequence in one step; default: what time and `maxTokensPerStep` leave. */
  readonly maxChunkTokens?: number;
  /** Time that a step should take while anything decodes; default 100. */
  readonly maxStepMs?: number;
  /** Time that a step should take while nothing decodes; default 1,000. */
  readonly maxPrefillStepMs?: number;
  /**
   * Blocks that stay free for each running sequence that may still grow when another one starts, so that it does
   * not have to be preempted at once; default 1.
   */
  readonly admissionReserve?: number;
  /** Plan and submit a step while the one before it runs; default true. */
  readonly overlapSteps?: boolean;
  /** Sequences that may wait; default 1,024. */
  readonly maxQueue?: number;
  /** Sequences of one salt that may wait; default: `maxQueue`. */
  readonly maxQueuePerSalt?: number;
  /** Sequences of one salt that run at once; default: `maxSeqs`. */
  readonly maxSeqsPerSalt?: number;
  /** Waiting so long counts like one more of `priority`; default 10,000; Infinity: waiting counts nothing. */
  readonly priorityAgeingMs?: number;
  /** Events that `trace()` keeps, the newest; default 0: nothing is recorded. */
  readonly maxTraceEvents?: number;
  /** Milliseconds on a clock that never goes back; default `performance.now`. */
  readonly clock?: () => number;
}

/** What decides about steps, with everything checked and filled in. */
export interface StepOptions {
  readonly clock: () => number;
  readonly maxSeqs: number;
  readonly maxTokensPerStep: number;
  readonly maxChunkTokens: number;
  readonly maxStepMs: number;
  readonly maxPrefillStepMs: number;
  readonly admissionReserve: number;
  readonly overlapSteps: boolean;
  readonly priorityAgeingMs: number;
  readonly maxTraceEvents: number;
}

/** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for an option outside its range */
export function fillOptions(options: EngineCoreOptions): StepOptions {
  const { limits } = options.executor;
  const { maxSeqs = limits.maxSeqs, maxTokensPerStep = limits.maxTokens } = options;
  const { maxChunkTokens = maxTokensPerStep, maxTraceEvents = 0 } = options;
  const { admissionReserve = 1, priorityAgeingMs = 10_000 } = options;
  checkInteger('maxSeqs', maxSeqs, 1, limits.maxSeqs);
  checkInteger('maxTokensPerStep', maxTokensPerStep, maxSeqs, limits.maxTokens);
  checkInteger('maxChunkTokens', maxChunkTokens, 1, Number.MAX_SAFE_INTEGER);
  checkInteger('admissionReserve', admissionReserve, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('maxTraceEvents', maxTraceEvents, 0, Number.MAX_SAFE_INTEGER);
  checkPositive('priorityAgeingMs', priorityAgeingMs);
  const { clock = () => performance.now(), overlapSteps = true } = options;
  const { maxStepMs = 100, maxPrefillStepMs = 1000 } = options;
  checkPositive('maxStepMs', maxStepMs);
  checkPositive('maxPrefillStepMs', maxPrefillStepMs);
  const tokens = { maxSeqs, maxTokensPerStep, maxChunkTokens, admissionReserve };
  const times = { clock, maxStepMs, maxPrefillStepMs, priorityAgeingMs };
  return { ...tokens, ...times, overlapSteps, maxTraceEvents };
}

export interface EngineStats {
  readonly numRunning: number;
  readonly numWaiting: number;
  readonly numSteps: number;
  /** Steps of them that were submitted while another one ran. */
  readonly numStepsAhead: number;
  readonly numPreemptions: number;
  /** Sequences that waited for another to compute what both need. */
  readonly numCoalesced: number;
  /** Sequences that waited because others of their salt ran, `maxSeqsPerSalt` of them. */
  readonly numHeldBack: number;
  /** Requests and forks that were refused with `ERR_QUEUE_FULL`. */
  readonly numRefused: number;
  /** Prefix handles that callers hold. */
  readonly numHandles: number;
  /** As the executor counted them, over steps that did not fail. */
  readonly tokensComputed: number;
  readonly kvSlotsWritten: number;
  readonly blocksCopied: number;
  /** Part of `tokensComputed`: rows of sequences that had ended, or had to start again, when their step was done. */
  readonly tokensWasted: number;
  readonly cache: CacheStats;
}

/** A prompt's leading tokens, as the cache knows them. */
export interface PrefixTarget {
  readonly tokens: Int32Array;
  readonly salt?: string;
}
