import type { StepBuffer } from '../../lib/device/index.js';

/** One sequence of a step, in words a test can read. */
export interface StepSequence {
  readonly row?: number;
  /** Position of the first token. */
  readonly start?: number;
  /** Ids; `{ sample: i }` takes logit row i of the previous step. */
  readonly tokens: readonly (number | { readonly sample: number })[];
  /** Block table from column `firstColumn` on. */
  readonly blocks?: readonly number[];
  readonly firstColumn?: number;
  readonly writeStart?: number;
  /** Sampling slot of a draw after the last token; -1 wants logits only; left out, neither. */
  readonly slot?: number;
}

/** Refills `step` with sequences and copies; everything else is reset. */
export function fillStep(
  step: StepBuffer,
  sequences: readonly StepSequence[],
  copies: readonly (readonly [number, number])[] = [],
): StepBuffer {
  step.numTokens = 0;
  step.numSeqs = sequences.length;
  step.numLogitRows = 0;
  step.numTableChanges = 0;
  step.wantDigests = true;
  step.wantLogits = false;
  step.numCopies = copies.length;
  step.copies.set(copies.flat());
  for (const [s, sequence] of sequences.entries()) {
    const { row = s, start = 0, tokens, blocks = [], firstColumn = 0, writeStart = 0 } = sequence;
    step.queryStart[s] = step.numTokens;
    step.tableRows[s] = row;
    step.contextLens[s] = start + tokens.length;
    step.writeStarts[s] = writeStart;
    for (const token of tokens) {
      const r = step.numTokens++;
      step.tokenIds[r] = typeof token === 'number' ? token : -1;
      step.tokenSources[r] = typeof token === 'number' ? -1 : token.sample;
    }
    for (const [i, block] of blocks.entries()) {
      step.tableChanges.set([row, firstColumn + i, block], 3 * step.numTableChanges++);
    }
    if (sequence.slot !== undefined) {
      step.logitRows[step.numLogitRows] = step.numTokens - 1;
      step.logitSlots[step.numLogitRows++] = sequence.slot;
    }
  }
  step.queryStart[sequences.length] = step.numTokens;
  return step;
}
