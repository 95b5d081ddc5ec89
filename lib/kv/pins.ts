import { strict as assert } from 'node:assert';
import { InvalidArgumentError, PinBudgetError } from '../errors.js';
import type { BlockPool } from './block-pool.js';
import type { Pin, PinOptions } from './cache-types.js';
import { DeadlineHeap } from './deadline-heap.js';
import { rootNode } from './node-store.js';
import type { PrefixTrie } from './prefix-trie.js';

interface HeldPin extends Pin {
  /** A path from the root, in order. */
  readonly blocks: Int32Array;
  /** Number in the heap of deadlines; given out again. */
  readonly slot: number;
}

export interface PinsOptions {
  readonly trie: PrefixTrie;
  readonly pool: BlockPool;
  /** Blocks that pins may hold together. */
  readonly maxPinned: number;
}

/**
 * Holds on cached prefixes: a pin is a reference on each block of a path, until it is let go or its
 * time is over.
 *
 * Invariants: as many pins hold a block as its holders have counted; at most `maxPinned` blocks have one.
 */
export class Pins {
  private readonly pins = new Map<number, HeldPin>();
  private readonly deadlines = new DeadlineHeap();
  private readonly pinOfSlot: (number | undefined)[] = [];
  private numPinned = 0;
  private lastId = 0;

  constructor(private readonly options: PinsOptions) {}

  get bytes(): number {
    return this.deadlines.bytes;
  }

  /** Blocks that pins may hold together. */
  get maxPinned(): number {
    return this.options.maxPinned;
  }

  getPinCount(block: number): number {
    return this.options.pool.holders.countPins(block);
  }

  /**
   * @param blocks cached path from the root; owned by the pin from now on
   * @throws {PinBudgetError} `ERR_PIN_BUDGET`, with nothing held
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for a time to live that is not above 0
   */
  add(blocks: Int32Array, { tag, ttlMs }: PinOptions, nowMs: number): Pin {
    if (ttlMs !== undefined && !(ttlMs > 0)) {
      throw new InvalidArgumentError('ttlMs', ttlMs, 'a number above 0');
    }
    const numNeeded = blocks.reduce(
      (sum, block) => sum + (this.getPinCount(block) === 0 ? 1 : 0),
      0,
    );
    const { maxPinned, pool } = this.options;
    if (this.numPinned + numNeeded > maxPinned) {
      throw new PinBudgetError(numNeeded, this.numPinned, maxPinned);
    }
    for (const block of blocks) pool.hold(block, 'pin');
    this.numPinned += numNeeded;
    const slot = this.takeSlot();
    const expiresAtMs = ttlMs === undefined ? Number.POSITIVE_INFINITY : nowMs + ttlMs;
    this.lastId++;
    const pin = { id: this.lastId, tag, numBlocks: blocks.length, expiresAtMs, blocks, slot };
    this.pins.set(pin.id, pin);
    this.pinOfSlot[slot] = pin.id;
    if (expiresAtMs < Number.POSITIVE_INFINITY) this.deadlines.push(slot, expiresAtMs);
    return { id: pin.id, tag, numBlocks: pin.numBlocks, expiresAtMs };
  }

  /** Lets a pin go, the end of its path first; false when it is gone already. */
  remove(id: number): boolean {
    const pin = this.pins.get(id);
    if (pin === undefined) return false;
    this.pins.delete(id);
    this.deadlines.remove(pin.slot);
    this.pinOfSlot[pin.slot] = undefined;
    for (let i = pin.blocks.length - 1; i >= 0; i--) {
      const block = pin.blocks[i];
      if (this.getPinCount(block) === 1) this.numPinned--;
      this.options.pool.release(block, 'pin');
    }
    return true;
  }

  expire(nowMs: number): void {
    let slot = this.deadlines.findDue(nowMs);
    while (slot !== undefined) {
      this.remove(this.pinOfSlot[slot]!);
      slot = this.deadlines.findDue(nowMs);
    }
  }

  /** Lets go the pins whose end is not in the trie any more. */
  removeVoid(): void {
    for (const pin of [...this.pins.values()]) {
      if (pin.blocks.length > 0 && this.getEnd(pin) === rootNode) this.remove(pin.id);
    }
  }

  /** Lets go the pins with a tag. Returns the nodes in which their paths ended. */
  removeTagged(tag: string): number[] {
    const ends: number[] = [];
    for (const pin of [...this.pins.values()]) {
      if (pin.tag !== tag) continue;
      if (pin.blocks.length > 0) ends.push(this.getEnd(pin));
      this.remove(pin.id);
    }
    return ends;
  }

  /** Tags of the pins on blocks `[start, end)`, by block. */
  findTags(start: number, end: number): Map<number, string[]> {
    const tags = new Map<number, string[]>();
    for (const { tag, blocks } of this.pins.values()) {
      if (tag === undefined) continue;
      for (const block of blocks) {
        if (block < start || block >= end) continue;
        const known = tags.get(block);
        if (known === undefined) tags.set(block, [tag]);
        else if (!known.includes(tag)) known.push(tag);
      }
    }
    return tags;
  }

  checkInvariants(): void {
    this.deadlines.checkInvariants();
    const counts = new Map<number, number>();
    for (const pin of this.pins.values()) {
      for (const block of pin.blocks) counts.set(block, (counts.get(block) ?? 0) + 1);
      if (pin.blocks.length > 0) assert(this.getEnd(pin) !== rootNode, `pin ${pin.id} is void`);
    }
    for (const [block, count] of counts) {
      assert.equal(this.getPinCount(block), count, `pins on block ${block}`);
    }
    assert.equal(counts.size, this.numPinned, 'pinned blocks');
    assert(counts.size <= this.options.maxPinned, `${counts.size} blocks are pinned`);
  }

  private getEnd(pin: HeldPin): number {
    return this.options.trie.nodeOfBlock[pin.blocks[pin.blocks.length - 1]];
  }

  private takeSlot(): number {
    const free = this.pinOfSlot.indexOf(undefined);
    return free === -1 ? this.pinOfSlot.length : free;
  }
}
