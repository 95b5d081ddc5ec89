import type { Usage } from './messages.js';

/**
 * Counts what one sample cost, by position.
 *
 * A position is *covered* once its keys and values were found or computed; computing a covered one
 * again is `recomputedTokens`. So however often a sequence is preempted, each prompt token is
 * counted once as cached or computed.
 */
export class UsageMeter {
  #coveredLen: number;
  #cachedTokens = 0;
  #computedTokens = 0;
  #copiedTokens = 0;
  #recomputedTokens = 0;
  #decodedTokens = 0;
  outputTokens = 0;
  preemptions = 0;
  missReason: string | undefined;
  firstStepMs: number | undefined;
  firstTokenMs: number | undefined;
  lastTokenMs: number | undefined;

  /**
   * @param promptLen tokens of the prompt
   * @param submitMs when the request came
   * @param isSibling the prompt is counted on another sample of the request
   */
  constructor(
    readonly promptLen: number,
    readonly submitMs: number,
    readonly isSibling = false,
  ) {
    this.#coveredLen = isSibling ? promptLen : 0;
  }

  /** Rows that were run for this sample. */
  get numRows(): number {
    return this.#computedTokens + this.#recomputedTokens + this.#decodedTokens;
  }

  /** Keys and values of positions `[0, end)` were found, the last `numCopied` by copying. */
  addCached(end: number, numCopied: number): void {
    const numNew = Math.max(0, Math.min(end, this.promptLen) - this.#coveredLen);
    this.#cachedTokens += numNew;
    this.#copiedTokens += Math.min(numCopied, numNew);
    this.#coveredLen = Math.max(this.#coveredLen, end);
  }

  /** Positions `[start, end)` were run. */
  addComputed(start: number, end: number): void {
    const numAgain = Math.max(0, Math.min(end, this.#coveredLen) - start);
    const numPrompt = Math.max(
      0,
      Math.min(end, this.promptLen) - Math.max(start, this.#coveredLen),
    );
    this.#recomputedTokens += numAgain;
    this.#computedTokens += numPrompt;
    this.#decodedTokens += end - start - numAgain - numPrompt;
    this.#coveredLen = Math.max(this.#coveredLen, end);
  }

  addOutput(nowMs: number): void {
    this.outputTokens++;
    this.firstTokenMs ??= nowMs;
    this.lastTokenMs = nowMs;
  }

  usage(nowMs: number): Usage {
    const firstStepMs = this.firstStepMs ?? nowMs;
    const firstTokenMs = this.firstTokenMs ?? nowMs;
    return {
      promptTokens: this.isSibling ? 0 : this.promptLen,
      cachedTokens: this.#cachedTokens,
      computedTokens: this.#computedTokens,
      copiedTokens: this.#copiedTokens,
      recomputedTokens: this.#recomputedTokens,
      outputTokens: this.outputTokens,
      decodedTokens: this.#decodedTokens,
      preemptions: this.preemptions,
      timings: {
        queueMs: firstStepMs - this.submitMs,
        prefillMs: firstTokenMs - firstStepMs,
        firstTokenMs: firstTokenMs - this.submitMs,
        decodeMs: (this.lastTokenMs ?? firstTokenMs) - firstTokenMs,
      },
      ...(this.missReason === undefined ? {} : { missReason: this.missReason }),
    };
  }
}
