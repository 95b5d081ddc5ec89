import type { BlockAllocator } from './block-allocator.js';
import { type BlockCopy, BlockTable } from './block-table.js';
import type {
  AcquireOptions,
  CacheStats,
  Explanation,
  FreeOptions,
  InvalidateTarget,
  Lease,
  MatchOptions,
  Pin,
  PinOptions,
  PrefixCacheOptions,
  PrefixMatch,
} from './cache-types.js';
import type { KvSnapshot } from './events.js';
import type { ExtraKeys } from './extra-keys.js';

/** Interface first: the bodies follow. */
export class PrefixCache {
  readonly allocator: BlockAllocator;

  constructor(options: PrefixCacheOptions) {
    this.allocator = options.allocator;
  }

  /** Finds the longest cached prefix of the first `maxTokens` tokens: full blocks, then one partial. */
  match(tokens: Int32Array, { extraKeys = null }: MatchOptions = {}): PrefixMatch {
    return {
      tokens,
      extraKeys,
      numCachedTokens: 0,
      numFullBlocks: 0,
      fullBlocks: new Int32Array(0),
      partial: undefined,
    };
  }

  /**
   * `match` for a prompt that must compute its last token: covers at most `length - 1` tokens.
   * When the prompt ends with a block and that block is cached, it is part of `fullBlocks`,
   * `numCachedTokens` is `length - 1`, and the last token's slot is -1.
   */
  matchPrompt(tokens: Int32Array, options: { extraKeys?: ExtraKeys | null } = {}): PrefixMatch {
    return this.match(tokens, options);
  }

  /**
   * Takes references on a match's blocks and makes a table of them, plus a copy for `partial`.
   * A partial hit is given up when only then the blocks suffice: read `numCachedTokens` of the lease.
   * `undefined`, with nothing taken, when out of blocks.
   */
  acquire(_match: PrefixMatch, _options: AcquireOptions = {}): Lease | undefined {
    return { table: new BlockTable(), numCachedTokens: 0, numCopiedTokens: 0, copy: undefined };
  }

  /** Fresh blocks with one reference each, evicting in order; all or nothing. */
  tryAllocate(_count: number): Int32Array | undefined {
    return undefined;
  }

  /** Like `tryAllocate`; throws OutOfBlocksError. */
  allocate(count: number): Int32Array {
    return new Int32Array(count);
  }

  /** Gives back blocks of `allocate`. */
  freeBlocks(_blocks: Int32Array): void {}

  /** Appends blocks until the table covers `numTokens`; false, with nothing taken, when out of blocks. */
  tryGrow(_table: BlockTable, _numTokens: number): boolean {
    return true;
  }

  /** Like `tryGrow`; throws OutOfBlocksError. */
  grow(_table: BlockTable, _numTokens: number): void {}

  /**
   * Makes full blocks hittable: call right after `submit` of the step that writes their last slot.
   * `tokens` are the sequence's tokens from position 0; `end` how many of them are accepted and
   * written by submitted steps. Not yet announced.
   */
  registerSubmitted(_table: BlockTable, _tokens: Int32Array, _end: number): void {}

  /** The steps that write tokens `[0, end)` completed: their blocks are announced. */
  commit(_table: BlockTable, _end: number): void {}

  /**
   * A step failed: what this table registered and did not commit is dropped, with all that follows it.
   * Returns the dropped blocks that other holders still use: restart the sequences that have them.
   */
  dropUncommitted(_table: BlockTable): Int32Array {
    return new Int32Array(0);
  }

  /** Non-finite logits: everything this table registered is dropped; returns as `dropUncommitted`. */
  dropRegistered(_table: BlockTable): Int32Array {
    return new Int32Array(0);
  }

  /** Makes the first `numTokens % blockSize` slots of the non-full block hittable by copying. */
  registerTail(_table: BlockTable, _tokens: Int32Array, _numTokens: number): void {}

  /** Gives back all references of a table (pending copy sources too). A second call throws ERR_DOUBLE_FREE. */
  free(table: BlockTable, _options: FreeOptions = {}): { isRetained: boolean } {
    table.isFreed = true;
    return { isRetained: false };
  }

  /** A second table over the same blocks. Call `ensureWritable` before either writes. */
  fork(_table: BlockTable): BlockTable {
    return new BlockTable();
  }

  /**
   * Makes sure the block of `position` may be written: a shared one is replaced by a fresh block, to
   * be copied into by the next step. Throws OutOfBlocksError.
   */
  ensureWritable(_table: BlockTable, _position: number): BlockCopy | undefined {
    return undefined;
  }

  /** The step that carries the copy was submitted (steps run in order): its source may go. */
  releaseCopySource(copy: BlockCopy): void {
    copy.isSourceHeld = false;
  }

  /** Holds blocks against eviction. Throws PinBudgetError `ERR_PIN_BUDGET`. */
  pin(_target: BlockTable | PrefixMatch, { tag }: PinOptions = {}): Pin {
    return { id: 0, tag, numBlocks: 0, expiresAtMs: Number.POSITIVE_INFINITY };
  }

  /** False when the pin is gone already. */
  unpin(_id: number): boolean {
    return false;
  }

  /** Makes cached tokens unhittable at once; blocks in use go when their users are done. Number of dropped blocks. */
  invalidate(_target: InvalidateTarget): number {
    return 0;
  }

  /** Lets go what is past its time: pins and idle blocks. Call each step. */
  expire(): void {}

  stats(): CacheStats {
    return {
      numBlocks: this.allocator.numBlocks,
      blockSize: this.allocator.blockSize,
      numLive: 0,
      numCachedIdle: 0,
      numPinned: 0,
      numFree: 0,
      queryTokens: 0,
      hitTokens: 0,
      copiedTokens: 0,
      removals: {
        evicted: 0,
        expired: 0,
        invalidated: 0,
        dropped: 0,
        discarded: 0,
        superseded: 0,
      },
      numGhosts: 0,
      bookkeepingBytes: 0,
    };
  }

  /** Hashes and delivers all waiting events now. */
  flushEvents(): void {}

  snapshot(): KvSnapshot {
    return { sequence: 0, stored: [] };
  }

  checkInvariants(_tables?: Iterable<BlockTable>): void {}

  explain(_tokens: Int32Array, _options: MatchOptions = {}): Explanation {
    return {
      numCachedTokens: 0,
      firstDivergentToken: 0,
      cause: 'cold',
      removedAtMs: undefined,
      nearest: undefined,
    };
  }
}
