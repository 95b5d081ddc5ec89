import type { StepCostModel } from './cost-model.js';

/** Prompt tokens that a step runs at least, however long it takes: no prompt waits forever. */
const minChunkTokens = 16;

export interface StepBudgetOptions {
  readonly costs: StepCostModel;
  /** Time the step should take. */
  readonly maxMs: number;
  readonly maxTokens: number;
  /** Tokens of one sequence. */
  readonly maxChunkTokens: number;
}

/** Shares one step's time and rows out among sequences. */
export class StepBudget {
  #numTokens = 0;
  #numPairs = 0;
  #hasChunk = false;

  constructor(readonly options: StepBudgetOptions) {}

  get numTokensLeft(): number {
    return this.options.maxTokens - this.#numTokens;
  }

  /** Rows for a sequence's next `numWanted` tokens from position `start`; 0 when none are left. */
  tokensFor(start: number, numWanted: number): number {
    const { costs, maxMs, maxChunkTokens } = this.options;
    const numAllowed = Math.min(numWanted, maxChunkTokens, this.numTokensLeft);
    if (numWanted === 1) return numAllowed;
    const work = { numTokens: this.#numTokens, numPairs: this.#numPairs };
    const numTimely = Math.min(
      costs.maxTokensWithin(maxMs, work, start),
      costs.trustedTokens - this.#numTokens,
    );
    const numLeast = this.#hasChunk ? 0 : minChunkTokens;
    return Math.max(0, Math.min(numAllowed, Math.max(numTimely, numLeast)));
  }

  /** Takes rows for positions `[start, end)` of a sequence. */
  take(start: number, end: number): void {
    this.#numTokens += end - start;
    this.#numPairs += ((end - start) * (start + 1 + end)) / 2;
    if (end - start > 1) this.#hasChunk = true;
  }

  /** Gives back what {@link take} took. */
  giveBack(start: number, end: number): void {
    this.#numTokens -= end - start;
    this.#numPairs -= ((end - start) * (start + 1 + end)) / 2;
  }

  /** What was taken, as the cost model wants it. */
  get work(): { numTokens: number; numPairs: number } {
    return { numTokens: this.#numTokens, numPairs: this.#numPairs };
  }
}
