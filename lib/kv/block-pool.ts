import { strict as assert } from 'node:assert';
import { OutOfBlocksError } from '../errors.js';
import type { BlockAllocator } from './block-allocator.js';
import { BlockHolders, type HolderKind } from './block-holders.js';
import { BlockList } from './block-lists.js';
import type { RemovalReason } from './cache-types.js';
import { DeadlineHeap } from './deadline-heap.js';
import type { EventLog } from './event-log.js';
import { EvictionQueue } from './eviction-queue.js';
import type { Ghosts } from './ghosts.js';
import { NodeFlag, neverForget, rootNode } from './node-store.js';
import type { PrefixTrie } from './prefix-trie.js';

export interface BlockPoolOptions {
  readonly allocator: BlockAllocator;
  readonly trie: PrefixTrie;
  readonly ghosts: Ghosts;
  readonly events: EventLog;
  readonly clock: () => number;
  readonly scanResistance: boolean;
  /** How long blocks may be idle of which nobody said anything; `neverForget` without a limit. */
  readonly defaultIdleLimitMs: number;
}

/**
 * The blocks of the allocator with what they still hold: taking, giving back, evicting, forgetting.
 *
 * A block without holders is empty, or idle: it holds a node and waits in the eviction queue. Every
 * way in which a node loses its last place goes through {@link removePlace}.
 */
export class BlockPool {
  readonly queue: EvictionQueue;
  readonly holders: BlockHolders;
  readonly removals: Record<RemovalReason, number> = {
    evicted: 0,
    expired: 0,
    invalidated: 0,
    dropped: 0,
    discarded: 0,
    superseded: 0,
  };
  private readonly allocator: BlockAllocator;
  private readonly trie: PrefixTrie;
  private readonly idleDeadlines = new DeadlineHeap();

  constructor(private readonly options: BlockPoolOptions) {
    this.allocator = options.allocator;
    this.trie = options.trie;
    const { lists, numBlocks } = options.allocator;
    this.queue = new EvictionQueue(lists, numBlocks, options.scanResistance);
    this.holders = new BlockHolders(options.allocator);
  }

  get bytes(): number {
    return this.idleDeadlines.bytes + this.holders.bytes;
  }

  /** Blocks that can be had now: empty, or evictable. */
  get numAvailable(): number {
    return this.allocator.numFree + this.queue.numIdle;
  }

  /**
   * Takes one block for a table, evicting if none is empty; the caller holds its only reference.
   *
   * @throws {OutOfBlocksError} `ERR_OUT_OF_BLOCKS` when every block is held
   */
  allocate(): number {
    if (this.allocator.numFree === 0) {
      if (this.queue.numIdle === 0) throw new OutOfBlocksError(1, 0);
      this.evict();
    }
    const block = this.allocator.allocate();
    this.holders.add(block, 'table');
    return block;
  }

  /** Adds a reference; an idle block leaves the queue. */
  hold(block: number, kind: HolderKind): void {
    if (this.isIdle(block)) this.idleDeadlines.remove(block);
    this.allocator.retain(block);
    this.holders.add(block, kind);
  }

  /**
   * Gives back a reference. With the last one the block is idle if its node needs it; a duplicate
   * of a place that somebody holds is empty.
   */
  release(block: number, kind: HolderKind): void {
    const numRefs = this.allocator.release(block);
    this.holders.remove(block, kind);
    if (numRefs > 0) return;
    const node = this.trie.nodeOfBlock[block];
    if (node === rootNode) {
      this.allocator.makeEmpty(block);
      return;
    }
    const first = this.trie.store.firstPlace[node];
    const other = first === block ? this.trie.getNextPlace(block) : first;
    if (other !== 0 && !this.isIdle(other)) {
      this.detach(block, 'superseded');
      return;
    }
    if (other !== 0) this.detach(other, 'superseded');
    this.makeIdle(block, node);
  }

  isIdle(block: number): boolean {
    return this.allocator.getRefCount(block) === 0 && this.trie.nodeOfBlock[block] !== rootNode;
  }

  /** References on a block: of tables, pins and pending copies. */
  countHolders(block: number): number {
    return this.allocator.getRefCount(block);
  }

  /** Takes a place from its node; if it was the last, the node goes with all that follows it. */
  removePlace(block: number, reason: RemovalReason): void {
    const node = this.trie.nodeOfBlock[block];
    if (this.trie.hasOtherPlace(block)) {
      this.detach(block, reason);
      return;
    }
    this.removeSubtree(node, reason);
  }

  /** Removes a node and all below it: children first, and none of them can be found any more. */
  removeSubtree(top: number, reason: RemovalReason): void {
    const { store } = this.trie;
    const above = store.parent[top];
    let node = top;
    while (node !== above) {
      if (store.childRoot[node] !== rootNode) {
        node = store.childRoot[node];
        continue;
      }
      const parent = store.parent[node];
      this.removeLeaf(node, reason);
      node = parent;
    }
  }

  /** Forgets idle blocks whose time is over. */
  expireIdle(nowMs: number): void {
    let block = this.idleDeadlines.findDue(nowMs);
    while (block !== undefined) {
      this.removePlace(block, 'expired');
      block = this.idleDeadlines.findDue(nowMs);
    }
  }

  checkInvariants(): void {
    const { lists, numBlocks } = this.allocator;
    this.idleDeadlines.checkInvariants();
    this.holders.checkInvariants();
    for (let block = 1; block < numBlocks; block++) {
      const node = this.trie.nodeOfBlock[block];
      const isEmpty = lists.isIn(BlockList.empty, block);
      if (isEmpty) assert.equal(node, rootNode, `node of the empty block ${block}`);
      if (this.idleDeadlines.has(block)) assert(this.isIdle(block), `block ${block} is not idle`);
      if (this.allocator.getRefCount(block) > 0 || isEmpty) continue;
      assert(node !== rootNode, `block ${block} is queued but holds nothing`);
      const numIdle = [...this.trie.places(node)].filter((place) => this.isIdle(place)).length;
      assert.equal(numIdle, 1, `idle places of node ${node}`);
      const isTail = this.trie.store.has(node, NodeFlag.tail);
      assert.equal(lists.isIn(BlockList.tails, block), isTail, `tail queue and block ${block}`);
    }
  }

  private makeIdle(block: number, node: number): void {
    const { store } = this.trie;
    const isTail = store.has(node, NodeFlag.tail);
    const fullKind = store.has(node, NodeFlag.protected) ? 'protected' : 'probation';
    this.queue.push(block, isTail ? 'tail' : fullKind);
    const limitMs = store.idleLimitMs[node] || this.options.defaultIdleLimitMs;
    if (limitMs !== neverForget) this.idleDeadlines.push(block, this.options.clock() + limitMs);
  }

  /** Makes one block empty: the next in the queue, or one below it that would be cut off. */
  private evict(): void {
    const { store } = this.trie;
    let block = this.queue.getVictim();
    while (!this.trie.hasOtherPlace(block)) {
      const child = store.childRoot[this.trie.nodeOfBlock[block]];
      if (child === rootNode || !this.isIdle(store.firstPlace[child])) break;
      block = store.firstPlace[child];
    }
    this.removePlace(block, 'evicted');
  }

  private removeLeaf(node: number, reason: RemovalReason): void {
    const { store } = this.trie;
    this.options.events.remove(node, reason);
    if (reason !== 'superseded' && !store.has(node, NodeFlag.tail)) {
      this.options.ghosts.add(store.hashLo[node], store.hashHi[node], {
        reason,
        removedAtMs: this.options.clock(),
        wasProtected: store.has(node, NodeFlag.protected),
      });
    }
    while (store.firstPlace[node] !== 0) this.detach(store.firstPlace[node], reason);
    this.trie.removeNode(node);
  }

  /** A block holds its node no more; without holders it is empty. */
  private detach(block: number, reason: RemovalReason): void {
    this.removals[reason]++;
    this.trie.removePlace(block);
    if (this.allocator.getRefCount(block) > 0) return;
    this.idleDeadlines.remove(block);
    this.allocator.makeEmpty(block);
  }
}
