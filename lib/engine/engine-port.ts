import type { BlockMap, BlockMapRange, Explanation, InvalidateTarget, Pin } from '../kv/index.js';
import type { EngineStats, PrefixTarget } from './engine-options.js';
import type { ForkMessage, StepOutput, SubmitMessage } from './messages.js';
import type { ChromeTrace } from './trace-ring.js';

/** What `pin` takes. */
export interface PinTarget extends PrefixTarget {
  readonly tag?: string;
  readonly ttlMs?: number;
}

/** At once from an engine in this thread, later from one in a Worker. */
export type Awaitable<T> = T | Promise<T>;

/**
 * An engine as those above it see it, wherever it runs: `EngineCore` is one in the calling thread, `RemoteEngine`
 * one in a Worker. Requests go in and events come out; what asks the cache is answered in the order of the calls.
 */
export interface EnginePort {
  /** Calls `listener` with what happened, in order. */
  onStep(listener: (output: StepOutput) => void): void;
  /** Queues a request; what is wrong with it arrives as its `failed` event. */
  submit(message: SubmitMessage): void;
  /** Splits a running request; the branch shares all of its blocks. */
  fork(message: ForkMessage): void;
  /** Ends a request; its blocks are free before the next step. Nothing happens when it has ended. */
  abort(id: number): void;
  /** Lets go of a finished request's prefix. */
  releaseHandle(handle: number): void;
  /** Keeps what is cached of a prompt. @throws {PinBudgetError} `ERR_PIN_BUDGET` */
  pin(target: PinTarget): Awaitable<Pin>;
  /** Lets a pin go; false when it went before. */
  unpin(id: number): Awaitable<boolean>;
  /** Makes cached tokens unhittable at once. @returns blocks dropped */
  invalidate(target: InvalidateTarget): Awaitable<number>;
  /** Why a prompt's tokens are not all cached; changes nothing. */
  explain(target: PrefixTarget): Awaitable<Explanation>;
  /** What each block of the pool holds, and who holds it. */
  blockMap(range?: BlockMapRange): Awaitable<BlockMap>;
  /** What happened lately, for Perfetto. */
  trace(): Awaitable<ChromeTrace>;
  /** Of a remote engine: as it said last. */
  stats(): EngineStats;
  /** Lets requests end, or aborts them; resolves when none runs. */
  close(mode?: 'drain' | 'abort'): Promise<void>;
}
