import type { BlockTable } from '../kv/index.js';
import type { Sequence } from './sequence.js';

/** What one sequence does in a step. */
export interface PlannedChunk {
  readonly sequence: Sequence;
  /** The sequence's when the step was planned; it may have been freed since. */
  readonly table: BlockTable;
  /** First position that is run. */
  readonly start: number;
  /** One past the last position that is run. */
  readonly end: number;
  /** Sampling slots that draw from the last row; none while the prompt is not done. */
  readonly drawRows: readonly number[];
  /** The step's logit row of the first draw; known once the step was written. */
  firstLogitRow: number;
  /** It ran on keys and values that are not to be trusted: what it draws does not count. */
  isVoid: boolean;
}

const noRows: readonly number[] = [];

/** One step as the scheduler decided it; at most one chunk per sequence. */
export class StepPlan {
  readonly #chunks: PlannedChunk[] = [];

  /** In the order in which they were planned. */
  get chunks(): readonly PlannedChunk[] {
    return this.#chunks;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Plans the next `numTokens` rows of a sequence that has its blocks. */
  add(sequence: Sequence, numTokens: number): void {
    const start = sequence.numSubmitted;
    const draws = numTokens === sequence.numRowsToDraw;
    this.#chunks.push({
      sequence,
      table: sequence.table as BlockTable,
      start,
      end: start + numTokens,
      drawRows: draws ? sequence.rows : noRows,
      firstLogitRow: 0,
      isVoid: false,
    });
  }

  /** Takes a sequence out again; gives what it would have done. */
  remove(sequence: Sequence): PlannedChunk | undefined {
    const index = this.#chunks.findIndex((chunk) => chunk.sequence === sequence);
    return index < 0 ? undefined : this.#chunks.splice(index, 1)[0];
  }
}
