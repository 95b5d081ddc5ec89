import { InvalidArgumentError, OutOfBlocksError } from '../errors.js';
import type { BlockAllocator } from './block-allocator.js';
import {
  type BlockMap,
  type BlockMapRange,
  type BlockUser,
  countWastedSlots,
  describeBlocks,
} from './block-map.js';
import type { BlockCopy, BlockTable } from './block-table.js';
import { checkCache } from './cache-invariants.js';
import { type CacheParts, makeParts } from './cache-parts.js';
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
import { explainMatch } from './explain.js';
import type { ExtraKeys } from './extra-keys.js';
import { invalidate } from './invalidation.js';
import { checkLives } from './leases.js';

/**
 * The content-addressed KV cache: which blocks hold which tokens, who holds them, and what goes when
 * room is needed. Pure bookkeeping: it names blocks and copies, the engine moves the bytes.
 *
 * The life of a sequence: `matchPrompt` and `acquire`; per step `grow`, `submit` to the device, then at
 * once `releaseCopySource` and `registerSubmitted`; when the step completed `commit` (also for a table
 * that was freed meanwhile), when it failed `dropUncommitted`; at the end `free`. All of it is
 * synchronous and relies on steps running in the order in which they were submitted.
 */
export class PrefixCache {
  readonly allocator: BlockAllocator;
  /** Blocks that pins may hold together. */
  readonly maxPinnedBlocks: number;
  private readonly parts: CacheParts;
  private readonly clock: () => number;

  /** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for an option outside its range */
  constructor(options: PrefixCacheOptions) {
    this.allocator = options.allocator;
    this.parts = makeParts(options);
    this.clock = this.parts.clock;
    this.maxPinnedBlocks = this.parts.pins.maxPinned;
  }

  /**
   * Finds the longest cached prefix of the first `maxTokens` tokens: full blocks, then leading tokens
   * of one more. Takes no references.
   *
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for tokens that are no Int32Array, `maxTokens`
   *   outside `[0, length]`, or bad extra keys
   */
  match(tokens: Int32Array, options: MatchOptions = {}): PrefixMatch {
    this.expire();
    return this.parts.lookup.match(tokens, options);
  }

  /**
   * `match` for a prompt that must compute its last token: covers at most `length - 1` tokens. When the
   * prompt ends with a block and that block is cached, it is among `fullBlocks`, `numCachedTokens` is
   * `length - 1`, and the last token's slot must be -1: the block is not the sequence's to write.
   *
   * @throws as {@link match}
   */
  matchPrompt(
    tokens: Int32Array,
    options: { readonly extraKeys?: ExtraKeys | null } = {},
  ): PrefixMatch {
    this.expire();
    return this.parts.lookup.matchPrompt(tokens, options.extraKeys);
  }

  /**
   * Takes references on a match's blocks and makes a table of them, plus a copy for `partial`.
   *
   * If the cache changed since the match, it looks again; and it gives the partial hit up when only
   * then the blocks suffice. So what counts is the lease's `numCachedTokens`.
   *
   * @returns `undefined`, with nothing taken, when there are too few blocks
   */
  acquire(match: PrefixMatch, options: AcquireOptions = {}): Lease | undefined {
    this.expire();
    return this.parts.leases.acquire(match, options);
  }

  /** Fresh blocks with one reference each, evicting in order; `undefined` when there are too few. */
  tryAllocate(count: number): Int32Array | undefined {
    const { pool } = this.parts;
    if (!Number.isInteger(count) || count < 0) {
      throw new InvalidArgumentError('count', count, 'an integer from 0');
    }
    if (count > pool.numAvailable) return undefined;
    const blocks = new Int32Array(count);
    for (let i = 0; i < count; i++) blocks[i] = pool.allocate();
    return blocks;
  }

  /**
   * Like {@link tryAllocate}.
   *
   * @throws {OutOfBlocksError} `ERR_OUT_OF_BLOCKS`, with nothing taken
   */
  allocate(count: number): Int32Array {
    const blocks = this.tryAllocate(count);
    if (blocks === undefined) throw new OutOfBlocksError(count, this.numAvailableBlocks);
    return blocks;
  }

  /** Gives back blocks of `allocate`. Throws `ERR_DOUBLE_FREE` for one that nobody holds. */
  freeBlocks(blocks: Int32Array): void {
    for (let i = blocks.length - 1; i >= 0; i--) this.parts.pool.release(blocks[i], 'table');
  }

  /** Blocks that can be had now: empty, or cached and idle. */
  get numAvailableBlocks(): number {
    return this.parts.pool.numAvailable;
  }

  /** Appends blocks until the table covers `numTokens`; false, with nothing taken, if too few. */
  tryGrow(table: BlockTable, numTokens: number): boolean {
    return this.parts.leases.tryGrow(table, numTokens);
  }

  /**
   * Like {@link tryGrow}.
   *
   * @throws {OutOfBlocksError} `ERR_OUT_OF_BLOCKS`, with nothing taken
   */
  grow(table: BlockTable, numTokens: number): void {
    if (this.tryGrow(table, numTokens)) return;
    const numNeeded = Math.ceil(numTokens / this.allocator.blockSize) - table.numBlocks;
    throw new OutOfBlocksError(numNeeded, this.numAvailableBlocks);
  }

  /**
   * Makes full blocks hittable: call right after `submit` of the step that writes their last slot. They
   * are announced by `commit`.
   *
   * @param tokens the sequence's tokens from position 0
   * @param end how many of them are accepted, and written by steps submitted so far
   */
  registerSubmitted(table: BlockTable, tokens: Int32Array, end: number): void {
    this.parts.registration.registerSubmitted(table, tokens, end);
  }

  /** The steps that write tokens `[0, end)` completed: their blocks are announced. */
  commit(table: BlockTable, end: number): void {
    this.parts.registration.commit(table, end);
  }

  /**
   * A step failed: what this table registered and did not commit is dropped, with its tail and with all
   * that other tables computed on top. Also for a table that was freed since.
   *
   * @param others tables of the other running sequences
   * @returns those of them that must be freed and started again
   */
  dropUncommitted(table: BlockTable, others: Iterable<BlockTable> = []): BlockTable[] {
    const numKept = Math.max(table.numSharedBlocks, table.numCommittedBlocks);
    return this.drop(table, numKept, others);
  }

  /** Non-finite logits: like {@link dropUncommitted} for everything that this table registered. */
  dropRegistered(table: BlockTable, others: Iterable<BlockTable> = []): BlockTable[] {
    return this.drop(table, table.numSharedBlocks, others);
  }

  /**
   * Makes the first `numTokens % blockSize` slots of the table's non-full block hittable, by copying;
   * nothing happens when the cache has these tokens, or when what they follow is not cached.
   */
  registerTail(table: BlockTable, tokens: Int32Array, numTokens: number): void {
    this.parts.registration.registerTail(table, tokens, numTokens);
  }

  /**
   * Gives back all references of a table, those of pending copies too. Cached blocks become idle, the
   * end of the prompt to be evicted before its beginning; all others become empty.
   *
   * @returns whether `retainMs` is promised
   * @throws {EngineError} `ERR_DOUBLE_FREE` when it was freed before
   */
  free(table: BlockTable, options: FreeOptions = {}): { readonly isRetained: boolean } {
    checkLives(table);
    const isRetained = this.parts.retention.settle(table, options);
    this.parts.leases.release(table);
    return { isRetained };
  }

  /**
   * A second table over the same blocks. Call `ensureWritable` before either writes.
   *
   * What the table covers must have been submitted: the fork reads it, whatever becomes of the table.
   *
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` while a copy of the table is pending
   */
  fork(table: BlockTable): BlockTable {
    return this.parts.leases.fork(table);
  }

  /**
   * Makes sure that the slot of `position` and those behind it in its block are the table's alone. A
   * block that others hold too is replaced by a fresh one, to be copied into by the next step.
   *
   * @throws {OutOfBlocksError} `ERR_OUT_OF_BLOCKS` when the copy has no room
   */
  ensureWritable(table: BlockTable, position: number): BlockCopy | undefined {
    return this.parts.leases.ensureWritable(table, position);
  }

  /**
   * Gives back a copy's source: call once the step that carries the copy was submitted. Steps run in
   * order, so whoever gets the block next writes it after it was read.
   *
   * @throws {EngineError} `ERR_DOUBLE_FREE` when it was released before, or its table freed
   */
  releaseCopySource(copy: BlockCopy): void {
    this.parts.leases.releaseCopySource(copy);
  }

  /**
   * Keeps a table's cached blocks, or those of a match, from eviction. The block of a match's partial hit is
   * among them when the whole prompt is cached.
   *
   * @throws {PinBudgetError} `ERR_PIN_BUDGET` when pins would hold more than `maxPinnedBlocks`
   */
  pin(target: BlockTable | PrefixMatch, options: PinOptions = {}): Pin {
    this.expire();
    const { pins } = this.parts;
    if ('fullBlocks' in target) {
      const { fullBlocks, partial, numCachedTokens, tokens } = this.parts.lookup.refresh(target);
      const isWhole = partial !== undefined && numCachedTokens === tokens.length;
      const path = isWhole ? Int32Array.of(...fullBlocks, partial.block) : fullBlocks.slice();
      return pins.add(path, options, this.clock());
    }
    checkLives(target);
    return pins.add(this.parts.retention.findPath(target), options, this.clock());
  }

  /** Lets a pin go; false when it went before: let go, expired, or its blocks dropped. */
  unpin(id: number): boolean {
    return this.parts.pins.remove(id);
  }

  /**
   * Makes cached tokens unhittable at once, pinned ones too; blocks in use become empty when their
   * users are done. A tag names what its pins end in and all that only led there.
   *
   * @returns places dropped
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` unless exactly one target is named
   */
  invalidate(target: InvalidateTarget): number {
    return invalidate(target, this.parts);
  }

  /** Lets go what is past its time: pins, then idle blocks. Call it with each step. */
  expire(): void {
    const nowMs = this.clock();
    this.parts.pins.expire(nowMs);
    this.parts.pool.expireIdle(nowMs);
  }

  /**
   * What the blocks are used for now, and counters since the cache was made; takes time with the number of users.
   *
   * @param users running sequences: the last block of each may be partly filled
   */
  stats(users: Iterable<BlockUser> = []): CacheStats {
    const { allocator, pool, ghosts, pins, leases, trie, events } = this.parts;
    const { numShared, numPinnedOnly } = pool.holders;
    const { numBlocks, blockSize, numFree } = allocator;
    const { numIdle } = pool.queue;
    const bytes = [allocator, trie, pool, ghosts, pins, events].reduce(
      (sum, p) => sum + p.bytes,
      0,
    );
    return {
      numBlocks,
      blockSize,
      numLive: numBlocks - 1 - numFree - numIdle - numPinnedOnly,
      numCachedIdle: numIdle,
      numPinned: numPinnedOnly,
      numFree,
      sharedBlocks: numShared,
      wastedSlots: countWastedSlots(this.parts, users),
      ...leases.counters,
      removals: { ...pool.removals },
      numGhosts: ghosts.size,
      bookkeepingBytes: bytes,
    };
  }

  /**
   * What each block of a stretch of the pool holds, and who holds it: for tools.
   *
   * @param users running sequences
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for a range that is none
   */
  blockMap(users: Iterable<BlockUser> = [], range?: BlockMapRange): BlockMap {
    return describeBlocks(this.parts, users, range);
  }

  /** Hashes and delivers all waiting events now. */
  flushEvents(): void {
    this.parts.events.flush();
  }

  /** What a listener knows that has all events so far; takes time with the size of the cache. */
  snapshot(): KvSnapshot {
    return this.parts.events.snapshot();
  }

  /**
   * Checks all invariants; takes time with the size of the pool.
   *
   * @param tables all tables in use: then each reference must have an owner
   * @throws {AssertionError} when one does not hold
   */
  checkInvariants(tables?: Iterable<BlockTable>): void {
    checkCache(this.parts, tables);
  }

  /**
   * Why a prompt's tokens are not (all) cached; changes and counts nothing.
   *
   * @param prompt its tokens, or what the cache, unchanged since, has just found of them
   */
  explain(
    prompt: Int32Array | PrefixMatch,
    options: { readonly extraKeys?: ExtraKeys | null } = {},
  ): Explanation {
    const match = ArrayBuffer.isView(prompt) ? this.match(prompt, options) : prompt;
    return explainMatch(match, this.parts.trie, this.parts.ghosts);
  }

  private drop(table: BlockTable, numKept: number, others: Iterable<BlockTable>): BlockTable[] {
    const affected = this.parts.registration.drop(table, numKept, others);
    this.parts.pins.removeVoid();
    return affected;
  }
}
