import { strict as assert } from 'node:assert';

/** The lists a block can stand in; while somebody holds it, it stands in none. */
export const BlockList = { empty: 0, tails: 1, probation: 2, protected: 3 } as const;

const numLists = 4;

/**
 * Doubly linked lists of blocks, all in one pair of typed arrays.
 *
 * Behind the blocks' own entries stands one sentinel per list, so that a block leaves whatever list
 * it stands in without asking which: every operation is O(1) and allocates nothing.
 *
 * Invariants: a block is in at most one list; `lengths[list]` blocks lead from a sentinel back to it.
 */
export class BlockLists {
  readonly lengths: Int32Array = new Int32Array(numLists);
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  /** List of a block plus one; 0: in none. */
  private readonly listOf: Uint8Array;

  constructor(private readonly numBlocks: number) {
    this.next = new Int32Array(numBlocks + numLists);
    this.previous = new Int32Array(numBlocks + numLists);
    this.listOf = new Uint8Array(numBlocks);
    for (let list = 0; list < numLists; list++) {
      this.next[numBlocks + list] = numBlocks + list;
      this.previous[numBlocks + list] = numBlocks + list;
    }
  }

  get bytes(): number {
    return this.next.byteLength + this.previous.byteLength + this.listOf.byteLength;
  }

  isIn(list: number, block: number): boolean {
    return this.listOf[block] === list + 1;
  }

  isInAny(block: number): boolean {
    return this.listOf[block] !== 0;
  }

  pushFront(list: number, block: number): void {
    this.insertAfter(this.numBlocks + list, list, block);
  }

  pushBack(list: number, block: number): void {
    this.insertAfter(this.previous[this.numBlocks + list], list, block);
  }

  /** The first block of a list that is not empty. */
  getFirst(list: number): number {
    return this.next[this.numBlocks + list];
  }

  /** The block after `block` in its list; `undefined` behind the last. */
  findNext(block: number): number | undefined {
    const next = this.next[block];
    return next < this.numBlocks ? next : undefined;
  }

  remove(block: number): void {
    const list = this.listOf[block] - 1;
    const next = this.next[block];
    const previous = this.previous[block];
    this.next[previous] = next;
    this.previous[next] = previous;
    this.listOf[block] = 0;
    this.lengths[list]--;
  }

  checkInvariants(): void {
    let numListed = 0;
    for (let list = 0; list < numLists; list++) {
      const sentinel = this.numBlocks + list;
      let length = 0;
      for (let at = this.next[sentinel]; at !== sentinel; at = this.next[at]) {
        assert(this.isIn(list, at), `block ${at} is linked into list ${list} but marked otherwise`);
        assert(this.previous[this.next[at]] === at, `block ${at} has a one-way link`);
        length++;
        assert(length <= this.numBlocks, `list ${list} runs in a circle`);
      }
      assert.equal(length, this.lengths[list], `length of list ${list}`);
      numListed += length;
    }
    const numMarked = this.listOf.reduce((sum, mark) => sum + (mark === 0 ? 0 : 1), 0);
    assert.equal(numMarked, numListed, 'blocks marked as listed');
  }

  private insertAfter(previous: number, list: number, block: number): void {
    const next = this.next[previous];
    this.next[previous] = block;
    this.previous[next] = block;
    this.next[block] = next;
    this.previous[block] = previous;
    this.listOf[block] = list + 1;
    this.lengths[list]++;
  }
}
