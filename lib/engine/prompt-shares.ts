import type { Sequence } from './sequence.js';
import type { StepBudget, StepShare } from './step-budget.js';
import { compareOrder } from './waiting-queue.js';

/** Positions `[start, end)` that a prompt runs in a step. */
export interface PromptRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Shares out a step's prompt rows: half of them are set aside in equal shares for the prompts that are first
 * in order, the other half, and what of the shares is not needed, goes to the highest priority and among
 * equals to whoever has least left. So a long prompt goes on in every step, and short ones pass it.
 *
 * @param prompts sequences with blocks whose prompt is not done
 * @param budget the rows are taken from it
 * @returns positions that each runs; none: a range without any
 */
export function sharePrompts(
  prompts: readonly Sequence[],
  budget: StepBudget,
): Map<Sequence, PromptRange> {
  const ranges = new Map<Sequence, PromptRange>();
  const give = (sequence: Sequence, share?: StepShare) => {
    const { numSubmitted: start, numRowsToDraw } = sequence;
    const end = ranges.get(sequence)?.end ?? start;
    const numWanted = Math.min(numRowsToDraw, budget.options.maxChunkTokens) - (end - start);
    if (numWanted === 0) return;
    const newEnd = end + budget.tokensFor(end, numWanted, share);
    budget.giveBack(start, end);
    budget.take(start, newEnd);
    ranges.set(sequence, { start, end: newEnd });
  };
  const inOrder = [...prompts].sort(compareOrder);
  if (inOrder.length > 1) {
    const numShares = Math.min(inOrder.length, budget.numSharesFrom(inOrder[0].numSubmitted));
    const share = budget.share(numShares);
    for (const sequence of inOrder.slice(0, numShares)) give(sequence, share);
  }
  for (const sequence of inOrder.sort(compareHaste)) give(sequence);
  return ranges;
}

/**
 * Says which waiting prompts a step has room for, beside those that are being prefilled. One may join while
 * the others leave rows, while there are fewer of them than shares, or when it has less left than any of them:
 * it would pass them.
 */
export class PromptRoom {
  readonly #ahead: StepBudget;
  readonly #numShares: number;
  /** False when decoding takes all rows that a step can have. */
  readonly #hasRows: boolean;
  #numPrompts = 0;
  #leastTokens = Number.POSITIVE_INFINITY;

  constructor(prompts: readonly Sequence[], budget: StepBudget) {
    this.#ahead = budget.copy();
    this.#hasRows = budget.numTokensLeft > 0;
    this.#numShares = budget.numSharesFrom(prompts[0]?.numSubmitted ?? 0);
    for (const { numSubmitted, numRowsToDraw } of prompts) this.add(numSubmitted, numRowsToDraw);
  }

  /** Whether a prompt that needs `numTokens` from position `start` on may join. */
  has(start: number, numTokens: number): boolean {
    if (this.#ahead.tokensFor(start, numTokens) > 0) return true;
    if (!this.#hasRows) return false;
    return this.#numPrompts < this.#numShares || numTokens < this.#leastTokens;
  }

  /** One joined. */
  add(start: number, numTokens: number): void {
    this.#ahead.take(start, start + this.#ahead.tokensFor(start, numTokens));
    this.#numPrompts++;
    this.#leastTokens = Math.min(this.#leastTokens, numTokens);
  }
}

/** Negative when `a` is given rows before `b` where time is short. */
function compareHaste(a: Sequence, b: Sequence): number {
  return (
    b.request.options.priority - a.request.options.priority ||
    a.numRowsToDraw - b.numRowsToDraw ||
    compareOrder(a, b)
  );
}
