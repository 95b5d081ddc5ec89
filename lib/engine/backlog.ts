import type { StepCostModel } from './cost-model.js';
import type { Sequence } from './sequence.js';

export interface BacklogOptions {
  readonly costs: StepCostModel;
  readonly maxTokensPerStep: number;
  /** A step's time until the cost model has seen one. */
  readonly maxStepMs: number;
}

/** Output tokens of an answer, until one has ended. */
const firstAnswerLen = 256;
/** Weight of the answer that ended last, once there were some: about the last 20 matter. */
const newestWeight = 0.1;

/** Predicts how long the engine needs for sequences that it has accepted. */
export class Backlog {
  readonly #options: BacklogOptions;
  #meanAnswerLen = firstAnswerLen;
  #numAnswers = 0;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** Learns how long answers are from one that ended by itself. */
  observe(numOutputTokens: number): void {
    this.#numAnswers++;
    const weight = Math.max(newestWeight, 1 / this.#numAnswers);
    this.#meanAnswerLen += weight * (numOutputTokens - this.#meanAnswerLen);
  }

  /**
   * Time to compute all that is left of `sequences` and of their answers, taken to be as long as recent ones
   * were. Nothing of the prompts is taken to be cached, so that it is rather too long. One sequence more
   * never makes it shorter.
   *
   * @param maxSeqs sequences of them that run at once
   */
  estimateMs(sequences: Iterable<Sequence>, maxSeqs: number): number {
    const { costs, maxTokensPerStep, maxStepMs } = this.#options;
    const work = { numTokens: 0, numPairs: 0 };
    let numDrawn = 0;
    let longestLen = 0;
    for (const sequence of sequences) {
      const { numTokens, numRowsNeeded } = sequence;
      const start = Math.min(sequence.numSubmitted, numTokens);
      const answerLen = this.#lenLeft(sequence);
      work.numTokens += numTokens - start + numRowsNeeded * answerLen;
      work.numPairs += numPairs(start, numTokens);
      work.numPairs += numRowsNeeded * numPairs(numTokens, numTokens + answerLen);
      numDrawn += numRowsNeeded * answerLen;
      longestLen = Math.max(longestLen, answerLen);
    }
    const numSteps = Math.max(work.numTokens / maxTokensPerStep, numDrawn / maxSeqs, longestLen);
    const fixedMs = costs.estimateMs({ numTokens: 0, numPairs: 0 });
    const seenMs = costs.estimateMs(work) + fixedMs * (numSteps - 1);
    return seenMs > 0 ? seenMs : numSteps * maxStepMs;
  }

  /** Tokens that a sequence is likely to draw yet: one at least. */
  #lenLeft({ request, numOutputTokens }: Sequence): number {
    const len = Math.min(this.#meanAnswerLen, request.options.maxTokens);
    return Math.max(1, len - numOutputTokens);
  }
}

/** Attended positions of rows `[start, end)` of one sequence. */
function numPairs(start: number, end: number): number {
  return ((end - start) * (start + 1 + end)) / 2;
}
