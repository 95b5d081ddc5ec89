import type { BlockAllocator } from './block-allocator.js';
import type { BlockCopy, BlockTable } from './block-table.js';
import type { KvEvent } from './events.js';
import type { ExtraKeys } from './extra-keys.js';

/** Why cached blocks lost their place. */
export type RemovalReason =
  | 'evicted'
  | 'expired'
  | 'invalidated'
  | 'dropped'
  | 'discarded'
  | 'superseded';

/** What `new PrefixCache()` takes. */
export interface PrefixCacheOptions {
  readonly allocator: BlockAllocator;
  /** Milliseconds on a clock that never goes back; default `performance.now`. */
  readonly clock?: () => number;
  /** Share of the pool that pins may hold, 0 to 1; default 0.5. */
  readonly maxPinnedFraction?: number;
  /** Removed nodes that are remembered; default `numBlocks`. */
  readonly maxGhosts?: number;
  /** Idle blocks are forgotten after this; default: never. */
  readonly maxIdleMs?: number;
  /** Keep prefixes that were hit through a flood of prompts seen once; default true. */
  readonly scanResistance?: boolean;
  /** Called from the event loop (never inside a method, except `flushEvents`), in sequence. */
  readonly onEvent?: (event: KvEvent) => void;
  /** Name of the memory the blocks lie in, as events carry it; default `'cpu'`. */
  readonly medium?: string;
}

/** Which of a prompt's tokens are looked up, and under which keys. */
export interface MatchOptions {
  readonly extraKeys?: ExtraKeys | null;
  /** Leading tokens that are looked up; default: all. */
  readonly maxTokens?: number;
}

/** What a lookup found. It holds no references: `acquire` takes them. */
export interface PrefixMatch {
  readonly tokens: Int32Array;
  readonly extraKeys: ExtraKeys | null;
  /** Leading tokens whose K/V are cached: full blocks plus `partial`. */
  readonly numCachedTokens: number;
  readonly numFullBlocks: number;
  /** Physical blocks of the full hits, `[numFullBlocks]`. */
  readonly fullBlocks: Int32Array;
  /** A block whose first `numTokens` tokens continue the match. */
  readonly partial: { readonly block: number; readonly numTokens: number } | undefined;
  /** What was asked for, and the state of the cache that answered: `acquire` looks again if it changed. */
  readonly maxTokens: number;
  readonly maxCachedTokens: number;
  readonly epoch: number;
}

/** What is taken with a match's blocks. */
export interface AcquireOptions {
  /** Also allocate blocks so that the table covers this many tokens. */
  readonly numTokens?: number;
  /** Blocks that must be available to others afterwards; default 0. */
  readonly numReservedBlocks?: number;
  /** Nothing from this token on is ever registered (`cache: 'off'` is 0); default: no bound. */
  readonly maxKeepTokens?: number;
  /** A preempted sequence that comes back: neither counted nor taken for a second use. */
  readonly isResumed?: boolean;
}

/** References taken for a new sequence. */
export interface Lease {
  readonly table: BlockTable;
  /** Tokens that need not be computed; `numCopiedTokens` of them through `copy`. */
  readonly numCachedTokens: number;
  readonly numCopiedTokens: number;
  /** To be done by the sequence's first step, before its tokens run. */
  readonly copy: BlockCopy | undefined;
}

/** What becomes of a sequence's blocks when it ends. */
export interface FreeOptions {
  /** Registers the non-full last block first, like `registerTail`. */
  readonly tail?: { readonly tokens: Int32Array; readonly numTokens: number };
  /** What of the sequence's own blocks stays cached; default `'auto'`: all. */
  readonly keep?: 'auto' | 'off' | { readonly upTo: number };
  /** Keeps the sequence's cached blocks from eviction for this long, within the pin budget. */
  readonly retainMs?: number;
  /** Forgets these blocks when idle this long; the shortest wish of all users counts. */
  readonly maxIdleMs?: number;
}

/** What a pin is called, and how long it holds. */
export interface PinOptions {
  readonly tag?: string;
  /** The pin goes by itself after this; default: never. */
  readonly ttlMs?: number;
}

/** A hold on cached blocks: eviction passes them over until `unpin`, or the time is up. */
export interface Pin {
  readonly id: number;
  readonly tag: string | undefined;
  readonly numBlocks: number;
  /** On the cache's clock; Infinity when it never expires. */
  readonly expiresAtMs: number;
}

/** What `invalidate` drops. */
export type InvalidateTarget =
  | { readonly tag: string }
  | { readonly salt: string }
  | { readonly all: true };

/** What the pool's blocks are used for, in blocks, and what was found so far, in tokens. */
export interface CacheStats {
  readonly numBlocks: number;
  readonly blockSize: number;
  /** Blocks that sequences hold. */
  readonly numLive: number;
  /** Blocks that hold cached tokens and nobody: evictable. */
  readonly numCachedIdle: number;
  /** Blocks that only pins hold. */
  readonly numPinned: number;
  /** Empty blocks. The four and the null block add up to `numBlocks`. */
  readonly numFree: number;
  /** Blocks that more than one sequence holds. */
  readonly sharedBlocks: number;
  /** Slots without a token in blocks that hold some: tails, and the last blocks of running sequences. */
  readonly wastedSlots: number;
  readonly queryTokens: number;
  readonly hitTokens: number;
  /** Part of `hitTokens` that came through partial hits. */
  readonly copiedTokens: number;
  /** Blocks that lost their place, by reason. */
  readonly removals: Readonly<Record<RemovalReason, number>>;
  readonly numGhosts: number;
  /** Bytes of typed arrays behind allocator and cache. */
  readonly bookkeepingBytes: number;
}

/** Why a prompt is not (fully) cached, for `explain`. */
export type MissCause = 'cold' | 'diverged' | 'salt' | Exclude<RemovalReason, 'superseded'>;

/** Why a prompt is not, or not wholly, in the cache. */
export interface Explanation {
  /** Leading tokens that are cached. */
  readonly numCachedTokens: number;
  /** First token that must be computed; `undefined` when all are cached. */
  readonly firstDivergentToken: number | undefined;
  readonly cause: MissCause | undefined;
  /** When the missing block was removed, for causes that are removals; on the cache's clock. */
  readonly removedAtMs: number | undefined;
  /** The cached continuation that shares most tokens. */
  readonly nearest: { readonly numTokens: number; readonly tokens: Int32Array } | undefined;
}
