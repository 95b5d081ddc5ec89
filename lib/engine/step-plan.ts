import type { Sequence } from './sequence.js';

/** What one sequence does in a step. */
export interface PlannedChunk {
  readonly sequence: Sequence;
  /** First position that is run. */
  readonly start: number;
  /** One past the last position that is run. */
  readonly end: number;
  /** Sampling slots that draw from the last row; none while the prompt is not done. */
  readonly drawRows: readonly number[];
}

/** One step as the scheduler decided it; at most one chunk per sequence. */
export class StepPlan {
  readonly #chunks = new Map<Sequence, PlannedChunk>();

  get chunks(): Iterable<PlannedChunk> {
    return this.#chunks.values();
  }

  get isEmpty(): boolean {
    return this.#chunks.size === 0;
  }

  add(sequence: Sequence, start: number, end: number): void {
    const drawRows = end === sequence.numTokens ? [...sequence.rows] : [];
    this.#chunks.set(sequence, { sequence, start, end, drawRows });
  }

  /** Takes a sequence out again; gives what it would have done. */
  remove(sequence: Sequence): PlannedChunk | undefined {
    const chunk = this.#chunks.get(sequence);
    this.#chunks.delete(sequence);
    return chunk;
  }
}
