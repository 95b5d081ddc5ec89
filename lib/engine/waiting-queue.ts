import type { Sequence } from './sequence.js';

/** Sequences that wait: higher priority first, then first come, first served. */
export class WaitingQueue {
  readonly #sequences: Sequence[] = [];

  get length(): number {
    return this.#sequences.length;
  }

  /** In order; a copy, so that sequences may be removed on the way. */
  toArray(): Sequence[] {
    return [...this.#sequences];
  }

  /** O(log n) to find its place, O(n) to make room. */
  add(sequence: Sequence): void {
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareOrder(this.#sequences[middle], sequence) <= 0) low = middle + 1;
      else high = middle;
    }
    this.#sequences.splice(low, 0, sequence);
  }

  /** False when it is not in the queue. */
  remove(sequence: Sequence): boolean {
    const index = this.#sequences.indexOf(sequence);
    if (index >= 0) this.#sequences.splice(index, 1);
    return index >= 0;
  }
}

/** Negative when `a` is served before `b`. */
export function compareOrder(a: Sequence, b: Sequence): number {
  return (
    b.request.options.priority - a.request.options.priority ||
    a.request.arrival - b.request.arrival ||
    a.sample - b.sample
  );
}
