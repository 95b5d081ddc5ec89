import { strict as assert } from 'node:assert';

/**
 * Small numbers with deadlines, the earliest first: a binary heap in typed arrays that grow to the
 * largest number used.
 *
 * Invariant: no entry's deadline is before that of the entry above it.
 */
export class DeadlineHeap {
  private numEntries = 0;
  private heap = new Int32Array(0);
  /** Index in the heap plus one; 0: not in it. */
  private rank = new Int32Array(0);
  private deadlineMs = new Float64Array(0);

  get bytes(): number {
    return this.heap.byteLength + this.rank.byteLength + this.deadlineMs.byteLength;
  }

  get size(): number {
    return this.numEntries;
  }

  has(id: number): boolean {
    return id < this.rank.length && this.rank[id] !== 0;
  }

  /** Adds a number that is not in the heap. */
  push(id: number, deadlineMs: number): void {
    this.reserve(id + 1);
    this.deadlineMs[id] = deadlineMs;
    this.put(this.numEntries, id);
    this.numEntries++;
    this.rise(this.numEntries - 1);
  }

  /** Takes a number out, if it is in the heap. */
  remove(id: number): void {
    if (!this.has(id)) return;
    const index = this.rank[id] - 1;
    this.rank[id] = 0;
    this.numEntries--;
    if (index === this.numEntries) return;
    this.put(index, this.heap[this.numEntries]);
    this.rise(index);
    this.sink(index);
  }

  /** The number whose deadline comes first, if that is at `nowMs` or before. */
  findDue(nowMs: number): number | undefined {
    if (this.numEntries === 0 || this.deadlineMs[this.heap[0]] > nowMs) return undefined;
    return this.heap[0];
  }

  checkInvariants(): void {
    for (let index = 0; index < this.numEntries; index++) {
      const id = this.heap[index];
      assert.equal(this.rank[id], index + 1, `rank of ${id}`);
      const above = this.heap[(index - 1) >> 1];
      if (index > 0) assert(this.deadlineMs[above] <= this.deadlineMs[id], `${above} over ${id}`);
    }
    const numRanked = this.rank.reduce((sum, rank) => sum + (rank === 0 ? 0 : 1), 0);
    assert.equal(numRanked, this.numEntries, 'numbers in the heap');
  }

  private reserve(capacity: number): void {
    if (capacity <= this.rank.length) return;
    const size = Math.max(16, 2 ** Math.ceil(Math.log2(capacity)));
    const { heap, rank, deadlineMs } = this;
    this.heap = new Int32Array(size);
    this.heap.set(heap);
    this.rank = new Int32Array(size);
    this.rank.set(rank);
    this.deadlineMs = new Float64Array(size);
    this.deadlineMs.set(deadlineMs);
  }

  private put(index: number, id: number): void {
    this.heap[index] = id;
    this.rank[id] = index + 1;
  }

  private rise(start: number): void {
    let index = start;
    const id = this.heap[index];
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (this.deadlineMs[this.heap[above]] <= this.deadlineMs[id]) break;
      this.put(index, this.heap[above]);
      index = above;
    }
    this.put(index, id);
  }

  private sink(start: number): void {
    let index = start;
    const id = this.heap[index];
    for (;;) {
      let below = 2 * index + 1;
      if (below >= this.numEntries) break;
      const sibling = below + 1;
      const isSiblingFirst =
        sibling < this.numEntries &&
        this.deadlineMs[this.heap[sibling]] < this.deadlineMs[this.heap[below]];
      if (isSiblingFirst) below = sibling;
      if (this.deadlineMs[id] <= this.deadlineMs[this.heap[below]]) break;
      this.put(index, this.heap[below]);
      index = below;
    }
    this.put(index, id);
  }
}
