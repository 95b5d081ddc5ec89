import { strict as assert } from 'node:assert';
import type { BlockAllocator } from './block-allocator.js';

/** What a reference on a block is for: a sequence's block table, a pin, or a copy out of it that waits for its step. */
export type HolderKind = 'table' | 'pin' | 'copy';

/**
 * Counts the references on blocks by what they are for, and the blocks with some mixtures of them, so that
 * nobody has to walk the pool to know.
 *
 * Invariants: `numShared` blocks have more than one table, `numPinnedOnly` have pins and nothing else; the tables and
 * pins of a block are not more than its references.
 */
export class BlockHolders {
  numShared = 0;
  numPinnedOnly = 0;
  private readonly numTables: Int32Array;
  private readonly numPins: Int32Array;

  constructor(private readonly allocator: BlockAllocator) {
    this.numTables = new Int32Array(allocator.numBlocks);
    this.numPins = new Int32Array(allocator.numBlocks);
  }

  get bytes(): number {
    return this.numTables.byteLength + this.numPins.byteLength;
  }

  /** Tables that hold a block. */
  countTables(block: number): number {
    return this.numTables[block];
  }

  /** Pins that hold a block. */
  countPins(block: number): number {
    return this.numPins[block];
  }

  /** The allocator has just counted one reference more. */
  add(block: number, kind: HolderKind): void {
    this.note(block, kind, 1);
  }

  /** The allocator has just counted one reference less. */
  remove(block: number, kind: HolderKind): void {
    this.note(block, kind, -1);
  }

  /** A table's reference is a copy's from now on. */
  turnIntoCopy(block: number): void {
    this.countTable(block, -1);
  }

  checkInvariants(): void {
    let numShared = 0;
    let numPinnedOnly = 0;
    for (let block = 0; block < this.allocator.numBlocks; block++) {
      const [numTables, numPins] = [this.numTables[block], this.numPins[block]];
      const numRefs = this.allocator.getRefCount(block);
      assert(
        numTables >= 0 && numPins >= 0,
        `block ${block}: ${numTables} tables, ${numPins} pins`,
      );
      assert(numTables + numPins <= numRefs, `more tables and pins than references on ${block}`);
      if (numTables > 1) numShared++;
      if (numPins > 0 && numPins === numRefs) numPinnedOnly++;
    }
    assert.equal(this.numShared, numShared, 'blocks with more than one table');
    assert.equal(this.numPinnedOnly, numPinnedOnly, 'blocks that only pins hold');
  }

  private note(block: number, kind: HolderKind, change: 1 | -1): void {
    const numRefs = this.allocator.getRefCount(block);
    const numPinsBefore = this.numPins[block];
    const wasPinnedOnly = numPinsBefore > 0 && numPinsBefore === numRefs - change;
    if (kind === 'pin') this.numPins[block] += change;
    if (kind === 'table') this.countTable(block, change);
    const isPinnedOnly = this.numPins[block] > 0 && this.numPins[block] === numRefs;
    this.numPinnedOnly += Number(isPinnedOnly) - Number(wasPinnedOnly);
  }

  private countTable(block: number, change: 1 | -1): void {
    const numBefore = this.numTables[block];
    this.numTables[block] = numBefore + change;
    this.numShared += Number(numBefore + change > 1) - Number(numBefore > 1);
  }
}
