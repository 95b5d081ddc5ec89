import { strict as assert } from 'node:assert';
import { EngineError, InvalidArgumentError, OutOfBlocksError } from '../errors.js';
import type { BlockPool } from './block-pool.js';
import { type BlockCopy, BlockTable } from './block-table.js';
import type { AcquireOptions, Lease, PrefixMatch } from './cache-types.js';
import type { Lookup } from './lookup.js';
import { NodeFlag, rootNode } from './node-store.js';
import type { PrefixTrie } from './prefix-trie.js';

export interface LeasesOptions {
  readonly trie: PrefixTrie;
  readonly pool: BlockPool;
  readonly lookup: Lookup;
}

/** Tokens looked up and found by the requests of this cache. */
export interface HitCounters {
  queryTokens: number;
  hitTokens: number;
  copiedTokens: number;
}

/** Gives sequences their blocks, and takes them back. */
export class Leases {
  readonly counters: HitCounters = { queryTokens: 0, hitTokens: 0, copiedTokens: 0 };
  /** Copies whose source is held, by destination. */
  private readonly copies = new Map<number, { copy: BlockCopy; table: BlockTable }>();

  constructor(private readonly options: LeasesOptions) {}

  /** Takes a match's blocks and as many fresh ones as asked for, or nothing. */
  acquire(stale: PrefixMatch, options: AcquireOptions): Lease | undefined {
    const { pool, lookup } = this.options;
    const match = lookup.refresh(stale);
    const { numTokens = 0, maxKeepTokens = Number.POSITIVE_INFINITY, isResumed = false } = options;
    const partial = this.findAffordable(match, numTokens, options.numReservedBlocks ?? 0);
    if (partial === 'out of blocks') return undefined;

    const table = new BlockTable();
    table.maxKeepTokens = maxKeepTokens;
    table.keys = this.options.trie.keys.retainRequest(match.extraKeys);
    for (const block of match.fullBlocks) {
      pool.hold(block, 'table');
      table.append(block);
    }
    table.numSharedBlocks = match.numFullBlocks;
    table.numRegisteredBlocks = match.numFullBlocks;
    table.numCommittedBlocks = match.numFullBlocks;
    const copy = partial === undefined ? undefined : this.startCopy(table, partial);
    this.fill(table, numTokens);

    const numFullTokens = match.numFullBlocks * this.blockSize;
    const numCopiedTokens = copy?.numTokens ?? 0;
    const numFound = numFullTokens + numCopiedTokens;
    const numCachedTokens = Math.min(numFound, match.maxCachedTokens);
    if (!isResumed) this.count(match, numCachedTokens, copy);
    return { table, numCachedTokens, numCopiedTokens, copy };
  }

  /** Appends fresh blocks until the table covers `numTokens`; false, with nothing taken, if too few. */
  tryGrow(table: BlockTable, numTokens: number): boolean {
    checkLives(table);
    const numNeeded = this.countBlocks(numTokens) - table.numBlocks;
    if (numNeeded > this.options.pool.numAvailable) return false;
    this.fill(table, numTokens);
    return true;
  }

  /** A second table over the same blocks, with the same keys. */
  fork(table: BlockTable): BlockTable {
    checkLives(table);
    for (const { table: owner } of this.copies.values()) {
      if (owner !== table) continue;
      throw new InvalidArgumentError(
        'table',
        'waiting for a copy',
        'a table without pending copies',
      );
    }
    const { trie, pool } = this.options;
    const forked = new BlockTable();
    for (let i = 0; i < table.numBlocks; i++) {
      pool.hold(table.blocks[i], 'table');
      forked.append(table.blocks[i]);
    }
    forked.maxKeepTokens = table.maxKeepTokens;
    forked.keys = table.keys;
    trie.keys.retainId(table.keys.first.id!);
    trie.keys.retainId(table.keys.later.id!);
    forked.numSharedBlocks = table.numBlocks;
    forked.numRegisteredBlocks = table.numRegisteredBlocks;
    forked.numCommittedBlocks = table.numRegisteredBlocks;
    forked.copySource = table.copySource;
    forked.copySourceRegisteredAt = table.copySourceRegisteredAt;
    return forked;
  }

  /** Makes the block of `position` the table's own, by a copy if others hold it. */
  ensureWritable(table: BlockTable, position: number): BlockCopy | undefined {
    checkLives(table);
    const index = Math.floor(position / this.blockSize);
    if (!Number.isInteger(position) || index < 0 || index >= table.numBlocks) {
      const maxPosition = table.numBlocks * this.blockSize - 1;
      throw new InvalidArgumentError('position', position, `0 to ${maxPosition}`);
    }
    const numTokens = position % this.blockSize;
    if (this.isWritable(table.blocks[index], numTokens)) {
      table.numSharedBlocks = Math.min(table.numSharedBlocks, index);
      return undefined;
    }
    const { pool } = this.options;
    if (pool.numAvailable === 0) throw new OutOfBlocksError(1, 0);
    return this.replaceByCopy(table, index, numTokens);
  }

  /** Gives back the reference on a copy's source. */
  releaseCopySource(copy: BlockCopy): void {
    if (!copy.isSourceHeld) {
      const message = `the source of the copy into block ${copy.destination} was released before`;
      throw new EngineError('ERR_DOUBLE_FREE', message);
    }
    copy.isSourceHeld = false;
    this.copies.delete(copy.destination);
    this.options.pool.release(copy.source, 'copy');
  }

  /** Gives back a table's references, the end of its prompt first. */
  release(table: BlockTable): void {
    const { trie, pool } = this.options;
    for (const { copy, table: owner } of [...this.copies.values()]) {
      if (owner === table) this.releaseCopySource(copy);
    }
    for (let i = table.numBlocks - 1; i >= 0; i--) pool.release(table.blocks[i], 'table');
    trie.keys.releaseRequest(table.keys);
    table.freedAtRegistration = trie.numRegistrations;
    table.isFreed = true;
  }

  /** References that pending copies hold, by block. */
  *heldSources(): Iterable<number> {
    for (const { copy } of this.copies.values()) yield copy.source;
  }

  checkInvariants(): void {
    for (const [destination, { copy, table }] of this.copies) {
      assert(copy.isSourceHeld, `the copy into ${destination} waits without its source`);
      assert(!table.isFreed, `the copy into ${destination} outlives its table`);
    }
  }

  private get blockSize(): number {
    return this.options.trie.store.blockSize;
  }

  private countBlocks(numTokens: number): number {
    return Math.ceil(numTokens / this.blockSize);
  }

  /** The partial hit if it can be had beside everything else; full hits alone need one block less. */
  private findAffordable(match: PrefixMatch, numTokens: number, numReserved: number) {
    const { pool } = this.options;
    let numAvailable = pool.numAvailable - numReserved;
    for (const block of match.fullBlocks) numAvailable -= pool.isIdle(block) ? 1 : 0;
    const { numFullBlocks, partial } = match;
    const numFresh = Math.max(this.countBlocks(numTokens) - numFullBlocks, 0);
    if (partial !== undefined) {
      const numSources = pool.isIdle(partial.block) ? 1 : 0;
      if (Math.max(numFresh, 1) + numSources <= numAvailable) return partial;
    }
    return numFresh <= numAvailable ? undefined : ('out of blocks' as const);
  }

  /** Holds the source before it takes the destination: allocating could evict the source. */
  private startCopy(
    table: BlockTable,
    { block: source, numTokens }: { block: number; numTokens: number },
  ): BlockCopy {
    const { trie, pool } = this.options;
    pool.hold(source, 'copy');
    const destination = pool.allocate();
    const copy = { source, destination, numTokens, isSourceHeld: true };
    table.append(destination);
    table.copySource = source;
    table.copySourceRegisteredAt = trie.registeredAt[source];
    this.copies.set(destination, { copy, table });
    return copy;
  }

  private fill(table: BlockTable, numTokens: number): void {
    const { pool } = this.options;
    while (table.numBlocks < this.countBlocks(numTokens)) table.append(pool.allocate());
  }

  /**
   * One table, and no cached tokens at or behind the position. Pins and pending copies are no
   * hindrance: they hold a block for its cached tokens, and a copy runs before its step writes.
   */
  private isWritable(block: number, numTokensBefore: number): boolean {
    const { trie, pool } = this.options;
    if (pool.holders.countTables(block) > 1) return false;
    const node = trie.nodeOfBlock[block];
    return node === rootNode || trie.store.numTokens[node] <= numTokensBefore;
  }

  /** The table's reference on the old block becomes the copy's. */
  private replaceByCopy(
    table: BlockTable,
    index: number,
    numTokens: number,
  ): BlockCopy | undefined {
    const { trie, pool } = this.options;
    const source = table.blocks[index];
    assert(!this.copies.has(source), `block ${source} is shared before it was copied into`);
    const destination = pool.allocate();
    table.replace(index, destination);
    table.numSharedBlocks = Math.min(table.numSharedBlocks, index);
    table.numRegisteredBlocks = Math.min(table.numRegisteredBlocks, index);
    table.numCommittedBlocks = Math.min(table.numCommittedBlocks, index);
    if (numTokens === 0) {
      pool.release(source, 'table');
      return undefined;
    }
    pool.holders.turnIntoCopy(source);
    const copy = { source, destination, numTokens, isSourceHeld: true };
    table.copySource = source;
    table.copySourceRegisteredAt = trie.registeredAt[source];
    this.copies.set(destination, { copy, table });
    return copy;
  }

  private count(match: PrefixMatch, numCachedTokens: number, copy: BlockCopy | undefined): void {
    const { trie, lookup } = this.options;
    const used = NodeFlag.shared | NodeFlag.protected;
    for (const node of lookup.matchedNodes(match)) trie.store.mark(node, used);
    if (copy !== undefined) trie.store.mark(trie.nodeOfBlock[copy.source], used);
    this.counters.queryTokens += match.tokens.length;
    this.counters.hitTokens += numCachedTokens;
    this.counters.copiedTokens += copy?.numTokens ?? 0;
  }
}

/** @throws {EngineError} `ERR_DOUBLE_FREE` for a table that was freed */
export function checkLives(table: BlockTable): void {
  if (!table.isFreed) return;
  throw new EngineError('ERR_DOUBLE_FREE', 'the block table was freed before');
}
