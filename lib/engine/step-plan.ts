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
  #numTableChanges = 0;

  get chunks(): Iterable<PlannedChunk> {
    return this.#chunks.values();
  }

  get isEmpty(): boolean {
    return this.#chunks.size === 0;
  }

  /** Block-table entries that the step changes. */
  get numTableChanges(): number {
    return this.#numTableChanges;
  }

  add(sequence: Sequence, start: number, end: number): void {
    const drawRows = end === sequence.numTokens ? sequence.rows : [];
    this.#chunks.set(sequence, { sequence, start, end, drawRows });
    this.#numTableChanges += numChangedEntries(sequence);
  }

  /** Takes a sequence out again; gives what it would have done. */
  remove(sequence: Sequence): PlannedChunk | undefined {
    const chunk = this.#chunks.get(sequence);
    if (chunk === undefined) return undefined;
    this.#chunks.delete(sequence);
    this.#numTableChanges -= numChangedEntries(sequence);
    return chunk;
  }
}

/** Entries of a sequence's block table that the device does not have yet. */
export function numChangedEntries({ table }: Sequence): number {
  return table === undefined ? 0 : table.numBlocks - table.dirtyFrom;
}
