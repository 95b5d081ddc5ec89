import { InvalidArgumentError } from '../errors.js';
import type { BlockPool } from './block-pool.js';
import type { BlockTable } from './block-table.js';
import type { ChildQuery } from './child-index.js';
import { checkTokens } from './digests.js';
import type { EventLog } from './event-log.js';
import type { EvictionQueue } from './eviction-queue.js';
import type { BlockKeys } from './extra-keys.js';
import type { Ghosts } from './ghosts.js';
import { NodeFlag, rootNode } from './node-store.js';
import type { NewNode, PrefixTrie } from './prefix-trie.js';

export interface RegistrationOptions {
  readonly trie: PrefixTrie;
  readonly pool: BlockPool;
  readonly queue: EvictionQueue;
  readonly ghosts: Ghosts;
  readonly events: EventLog;
}

const noHash = { lo: 0, hi: 0 };

/** Makes what sequences have written hittable, announces it, and takes it back when a step failed. */
export class Registration {
  constructor(private readonly options: RegistrationOptions) {}

  /** Registers a table's full blocks that lie in the first `end` tokens. */
  registerSubmitted(table: BlockTable, tokens: Int32Array, end: number): void {
    this.checkWritten(table, tokens, end);
    const { blockSize } = this.options.trie.store;
    const maxTokens = Math.min(end, table.maxKeepTokens);
    while ((table.numRegisteredBlocks + 1) * blockSize <= maxTokens) {
      if (!this.registerBlock(table, tokens, table.numRegisteredBlocks)) return;
      table.numRegisteredBlocks++;
    }
  }

  /** The steps that wrote the first `end` tokens completed. */
  commit(table: BlockTable, end: number): void {
    const { trie, events } = this.options;
    const numWritten = Math.floor(end / trie.store.blockSize);
    const numCommitted = Math.min(table.numRegisteredBlocks, numWritten);
    for (let i = table.numCommittedBlocks; i < numCommitted; i++) {
      const block = table.blocks[i];
      if (this.isStillPlace(table, block)) events.commit(trie.getFullNode(block));
    }
    table.numCommittedBlocks = Math.max(table.numCommittedBlocks, numCommitted);
  }

  /** Registers the non-full block behind a table's full ones, unless the cache has it already. */
  registerTail(table: BlockTable, tokens: Int32Array, numTokens: number): void {
    this.checkWritten(table, tokens, numTokens);
    const { trie, pool } = this.options;
    const { blockSize } = trie.store;
    const numKept = Math.min(numTokens, table.maxKeepTokens);
    const index = Math.floor(numKept / blockSize);
    const parent = this.findParent(table, index);
    if (numKept % blockSize === 0 || parent === undefined) return;
    const query: ChildQuery = {
      parent,
      keysId: this.getKeys(table, index).id!,
      tokens,
      start: index * blockSize,
      numTokens: numKept % blockSize,
    };
    const nearest = trie.children.findNearest(query);
    if (nearest?.numShared === query.numTokens) {
      this.setTail(table, trie.store.firstPlace[nearest.node]);
      return;
    }
    const block = table.blocks[index];
    if (trie.getFullNode(block) !== rootNode) return;
    if (trie.nodeOfBlock[block] !== rootNode) pool.removePlace(block, 'superseded');
    this.dropTailsWithin(query);
    trie.addNode({ ...query, hash: noHash }, block);
    this.setTail(table, block);
  }

  /**
   * Takes a table's own blocks from `fromBlock` on out of the trie, and its tail.
   *
   * What other tables computed on top of them (by hit, fork or copy) goes too.
   *
   * @param others tables of running sequences
   * @returns those of `others` that hold or copied from what was dropped
   */
  drop(table: BlockTable, fromBlock: number, others: Iterable<BlockTable>): BlockTable[] {
    const dropped = new Map<number, number>();
    this.dropOwn(table, fromBlock, dropped);
    const unaffected = new Set(others);
    unaffected.delete(table);
    const affected: BlockTable[] = [];
    for (let numBefore = -1; numBefore < affected.length; ) {
      numBefore = affected.length;
      for (const other of unaffected) {
        if (other.isFreed || !builtOn(other, dropped)) continue;
        unaffected.delete(other);
        affected.push(other);
        this.dropOwn(other, other.numSharedBlocks, dropped);
      }
    }
    return affected;
  }

  /**
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for a freed table, or when `end` passes the
   *   tokens or the table
   */
  checkWritten(table: BlockTable, tokens: Int32Array, end: number): void {
    checkTokens(tokens);
    const capacity = table.numBlocks * this.options.trie.store.blockSize;
    const maxEnd = Math.min(tokens.length, capacity);
    if (!table.isFreed && Number.isInteger(end) && end >= 0 && end <= maxEnd) return;
    if (table.isFreed) throw new InvalidArgumentError('table', 'freed', 'a table that lives');
    throw new InvalidArgumentError('end', end, `an integer from 0 to ${maxEnd}`);
  }

  private dropOwn(table: BlockTable, fromBlock: number, dropped: Map<number, number>): void {
    const { trie, pool } = this.options;
    const tail = table.tailBlock;
    const isOwn = table.blocks.subarray(0, table.numBlocks).includes(tail);
    const isTail = isOwn && trie.store.has(trie.nodeOfBlock[tail], NodeFlag.tail);
    if (isTail && this.isStillPlace(table, tail)) {
      dropped.set(tail, trie.registeredAt[tail]);
      pool.removePlace(tail, 'dropped');
    }
    // Those that are in no trie too: a fork may hold one that was to be filled by a copy.
    for (let i = table.numBlocks - 1; i >= fromBlock; i--) {
      const block = table.blocks[i];
      dropped.set(block, trie.registeredAt[block]);
      if (i >= table.numRegisteredBlocks) continue;
      const isFull = trie.getFullNode(block) !== rootNode;
      if (isFull && this.isStillPlace(table, block)) pool.removePlace(block, 'dropped');
    }
    table.numRegisteredBlocks = Math.min(table.numRegisteredBlocks, fromBlock);
    table.numCommittedBlocks = Math.min(table.numCommittedBlocks, fromBlock);
  }

  /** False when what the block would follow is in the trie no more. */
  private registerBlock(table: BlockTable, tokens: Int32Array, index: number): boolean {
    const { trie, pool } = this.options;
    const { store } = trie;
    const parent = this.findParent(table, index);
    if (parent === undefined) return false;
    const block = table.blocks[index];
    const held = trie.nodeOfBlock[block];
    if (store.has(held, NodeFlag.tail)) pool.removePlace(block, 'superseded');
    else if (held !== rootNode) return true; // another table over the same block was first
    const keys = this.getKeys(table, index);
    const start = index * store.blockSize;
    trie.hashChild(parent, tokens, start, keys);
    const known = trie.index.find(parent, keys.id!, tokens, start);
    if (known === rootNode) {
      const { lo, hi } = trie.hasher;
      const numTokens = store.blockSize;
      const hash = { lo, hi };
      this.addFull({ parent, keysId: keys.id!, hash, tokens, start, numTokens }, block);
      return true;
    }
    trie.addPlace(known, block);
    store.mark(known, NodeFlag.shared | NodeFlag.protected);
    return true;
  }

  private addFull(content: NewNode, block: number): void {
    const { trie, queue, ghosts } = this.options;
    const { lo, hi } = content.hash;
    this.dropTailsWithin(content);
    const node = trie.addNode(content, block);
    const ghost = ghosts.find(lo, hi);
    if (ghost === undefined) return;
    ghosts.remove(lo, hi);
    if (ghost.reason !== 'evicted') return;
    trie.store.mark(node, NodeFlag.protected);
    queue.adapt(ghost.wasProtected);
  }

  /** Frees idle tails that are the beginning of what is about to be registered. */
  private dropTailsWithin(query: ChildQuery): void {
    const { trie, pool } = this.options;
    if (trie.store.childRoot[query.parent] === rootNode) return;
    const numShared = trie.children.findNearest(query)?.numShared ?? 0;
    for (let numTokens = Math.min(numShared, query.numTokens - 1); numTokens > 0; numTokens--) {
      const tail = trie.children.findExact({ ...query, numTokens });
      if (tail === undefined) continue;
      const block = trie.store.firstPlace[tail];
      if (pool.isIdle(block)) pool.removePlace(block, 'superseded');
    }
  }

  /** The node that a table's block follows; `undefined` when that is not in the trie. */
  private findParent(table: BlockTable, index: number): number | undefined {
    if (index === 0) return rootNode;
    if (index > table.numRegisteredBlocks) return undefined;
    const parent = this.options.trie.getFullNode(table.blocks[index - 1]);
    return parent === rootNode ? undefined : parent;
  }

  private setTail(table: BlockTable, block: number): void {
    table.tailBlock = block;
    table.tailRegisteredAt = this.options.trie.registeredAt[block];
  }

  private getKeys(table: BlockTable, index: number): BlockKeys {
    return index === 0 ? table.keys.first : table.keys.later;
  }

  /** Whether a block of a table still is the place that the table made it, even after `free`. */
  private isStillPlace(table: BlockTable, block: number): boolean {
    return this.options.trie.isPlaceSince(block, table.freedAtRegistration);
  }
}

/** Whether a table shares, or was copied from, one of the dropped blocks (with the registration that it had). */
function builtOn(table: BlockTable, dropped: ReadonlyMap<number, number>): boolean {
  if (dropped.get(table.copySource) === table.copySourceRegisteredAt) return true;
  for (let i = 0; i < table.numSharedBlocks; i++) {
    if (dropped.has(table.blocks[i])) return true;
  }
  return false;
}
