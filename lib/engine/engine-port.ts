import type { BlockMap, BlockMapRange, Explanation, InvalidateTarget, Pin } from '../kv/index.js';
import type { EngineStats, PrefixTarget } from './engine-options.js';
import type { ForkMessage, StepOutput, SubmitMessage } from './messages.js';
import type { ChromeTrace } from './trace-ring.js';

/** What `pin` takes. */
export interface PinTarget extends PrefixTarget {
  readonly tag?: string;
  readonly ttlMs?: number;
}

type Awaitable<T> = T | Promise<T>;

/**
 * An engine as those above it see it, wherever it runs: `EngineCore` is one in the calling thread, `RemoteEngine`
 * one in a Worker. Requests go in and events come out; what asks the cache is answered in the order of the calls.
 */
export interface EnginePort {
  /** Calls `listener` with what happened, in order. */
  onStep(listener: (output: StepOutput) => void): void;
  submit(message: SubmitMessage): void;
  fork(message: ForkMessage): void;
  abort(id: number): void;
  releaseHandle(handle: number): void;
  pin(target: PinTarget): Awaitable<Pin>;
  unpin(id: number): Awaitable<boolean>;
  invalidate(target: InvalidateTarget): Awaitable<number>;
  explain(target: PrefixTarget): Awaitable<Explanation>;
  blockMap(range?: BlockMapRange): Awaitable<BlockMap>;
  trace(): Awaitable<ChromeTrace>;
  /** Of a remote engine: as it said last. */
  stats(): EngineStats;
  close(mode?: 'drain' | 'abort'): Promise<void>;
}
