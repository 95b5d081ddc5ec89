import type { StepCostModel, StepWork } from './cost-model.js';

/** Prompt tokens that a step runs at least, however long it takes: no prompt waits forever. */
const minPromptTokens = 16;
/** Prompts that shares are set aside for. More would delay all of them: equals are done sooner one after the other. */
const maxShares = 4;
/** Half of the least that a step runs of prompts. */
const minShareTokens = minPromptTokens / 2;

export interface StepBudgetOptions {
  readonly costs: StepCostModel;
  /** Time the step should take. */
  readonly maxMs: number;
  readonly maxTokens: number;
  /** Tokens of one sequence. */
  readonly maxChunkTokens: number;
}

/** What is set aside for one of several prompts. */
export interface StepShare {
  readonly maxMs: number;
  readonly maxTokens: number;
}

/** Shares one step's time and rows out among sequences. */
export class StepBudget {
  #numTokens = 0;
  #numPairs = 0;
  #numPromptTokens = 0;

  constructor(readonly options: StepBudgetOptions) {}

  get numTokensLeft(): number {
    return this.options.maxTokens - this.#numTokens;
  }

  /**
   * Rows for a sequence's next `numWanted` tokens from position `start`; 0 when none are left.
   *
   * @param share what these tokens may take of what is left; default: all
   */
  tokensFor(start: number, numWanted: number, share?: StepShare): number {
    const { costs, maxMs, maxChunkTokens } = this.options;
    const numAllowed = Math.min(numWanted, maxChunkTokens, this.numTokensLeft);
    if (numWanted === 1) return numAllowed;
    const limitMs = Math.min(maxMs, costs.estimateMs(this.work) + (share?.maxMs ?? maxMs));
    const numTimely = Math.min(
      costs.maxTokensWithin(limitMs, this.work, start),
      costs.trustedTokens - this.#numTokens,
      share?.maxTokens ?? Number.POSITIVE_INFINITY,
    );
    const numLeast =
      (share === undefined ? minPromptTokens : minShareTokens) - this.#numPromptTokens;
    return Math.max(0, Math.min(numAllowed, Math.max(numTimely, numLeast)));
  }

  /** Prompts, the first of which goes on from position `start`, that half of what is left makes shares for. */
  numSharesFrom(start: number): number {
    const numTokens = this.tokensFor(start, Number.POSITIVE_INFINITY);
    return Math.max(1, Math.min(maxShares, Math.floor(numTokens / 2 / minShareTokens)));
  }

  /** One of `numShares` equal shares of half of what is left. */
  share(numShares: number): StepShare {
    const { costs, maxMs } = this.options;
    const maxTokens = Math.min(this.numTokensLeft, costs.trustedTokens - this.#numTokens);
    return {
      maxMs: Math.max(0, maxMs - costs.estimateMs(this.work)) / 2 / numShares,
      maxTokens: Math.floor(maxTokens / 2 / numShares),
    };
  }

  /** Takes rows for positions `[start, end)` of a sequence. */
  take(start: number, end: number): void {
    this.#count(start, end, 1);
  }

  /** Gives back what {@link take} took. */
  giveBack(start: number, end: number): void {
    this.#count(start, end, -1);
  }

  #count(start: number, end: number, sign: 1 | -1): void {
    this.#numTokens += sign * (end - start);
    this.#numPairs += (sign * ((end - start) * (start + 1 + end))) / 2;
    if (end - start > 1) this.#numPromptTokens += sign * (end - start);
  }

  /** What was taken, as the cost model wants it. */
  get work(): StepWork {
    return { numTokens: this.#numTokens, numPairs: this.#numPairs };
  }

  /** Another budget of which as much was taken. */
  copy(): StepBudget {
    const copy = new StepBudget(this.options);
    copy.#numTokens = this.#numTokens;
    copy.#numPairs = this.#numPairs;
    copy.#numPromptTokens = this.#numPromptTokens;
    return copy;
  }
}
