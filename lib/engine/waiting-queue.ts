import type { Sequence } from './sequence.js';

/** Sequences that wait: who was first in line, by priority and age, is served first. */
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

/**
 * Where a request stands in line, in levels of priority; lower goes first.
 *
 * Its effective priority at time `t` is `priority + (t - submitMs) / ageingMs`: each `ageingMs` that it is old lifts it by one.
 * All rise equally fast, so that the difference of two requests never changes, and one number says it for good: less the
 * effective priority that it had when the clock stood at 0.
 *
 * @param ageingMs Infinity: priority alone counts
 */
export function rankOf(priority: number, submitMs: number, ageingMs: number): number {
  return submitMs / ageingMs - priority;
}

/** Negative when `a` is served before `b`; among equals, first come, first served. */
export function compareOrder(a: Sequence, b: Sequence): number {
  return (
    a.request.rank - b.request.rank || a.request.arrival - b.request.arrival || a.sample - b.sample
  );
}
