/** What a step has to do, as far as its time depends on it. */
export interface StepWork {
  readonly numTokens: number;
  /** Attended positions, summed over the step's rows. */
  readonly numPairs: number;
}

/** Older steps count at least this much with each new one: about the last 50 matter. */
const maxDecay = 0.98;
/** A step that took so many times what was expected counts as so many, unless the one before did too. */
const maxSurprise = 4;
/** Tokens trusted before any step was seen; each step allows twice what it ran. */
const firstTrustedTokens = 32;
/** Features are brought to about 1, so that one ridge suits all. */
const scales = [1, 1 / 64, 1 / 65536] as const;
/** Weight of "no cost" for each coefficient, against steps that do not tell the coefficients apart. */
const ridge = 1e-4;

/**
 * Predicts a step's time: `fixedMs + tokenMs * numTokens + pairMs * numPairs`, fitted to the steps
 * seen so far by least squares with exponential forgetting. Coefficients are never negative.
 */
export class StepCostModel {
  readonly #products = [new Float64Array(3), new Float64Array(3), new Float64Array(3)];
  readonly #moments = new Float64Array(3);
  #coefficients: readonly number[] = [0, 0, 0];
  #trustedTokens = firstTrustedTokens;
  #numSteps = 0;
  #wasSurprised = false;

  /** Most tokens that a step should have: a fit says little about steps far larger than those seen. */
  get trustedTokens(): number {
    return this.#trustedTokens;
  }

  /**
   * Learns from a step that took `elapsedMs`. A step of no tokens or no time that can be told teaches nothing.
   *
   * The first steps are forgotten soon: they pay for pages that are touched and kernels that are loaded once.
   */
  observe(work: StepWork, elapsedMs: number): void {
    if (work.numTokens === 0 || !Number.isFinite(elapsedMs) || elapsedMs < 0) return;
    const countedMs = this.#withoutSurprise(work, elapsedMs);
    const decay = Math.min(maxDecay, this.#numSteps / (this.#numSteps + 2));
    this.#numSteps++;
    const features = [1, work.numTokens, work.numPairs].map((value, i) => value * scales[i]);
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        this.#products[i][j] = decay * this.#products[i][j] + features[i] * features[j];
      }
      this.#moments[i] = decay * this.#moments[i] + features[i] * countedMs;
    }
    this.#coefficients = this.#fit().map((value, i) => value * scales[i]);
    this.#trustedTokens = Math.max(this.#trustedTokens, 2 * work.numTokens);
  }

  estimateMs(work: StepWork): number {
    const [fixedMs, tokenMs, pairMs] = this.#coefficients;
    return fixedMs + tokenMs * work.numTokens + pairMs * work.numPairs;
  }

  /**
   * Tokens of a sequence that can join a step within `limitMs`.
   *
   * @param work what the step has already
   * @param start position of the sequence's next token; each row attends to all before it
   */
  maxTokensWithin(limitMs: number, work: StepWork, start: number): number {
    const leftMs = limitMs - this.estimateMs(work);
    if (leftMs <= 0) return 0;
    const [, tokenMs, pairMs] = this.#coefficients;
    // k tokens cost tokenMs * k + pairMs * (k * start + k^2 / 2).
    const linear = tokenMs + pairMs * start;
    if (pairMs === 0) return linear === 0 ? Number.POSITIVE_INFINITY : Math.floor(leftMs / linear);
    return Math.floor((Math.sqrt(linear * linear + 2 * pairMs * leftMs) - linear) / pairMs);
  }

  /** One slow step is somebody else's doing, two in a row are a slower machine. */
  #withoutSurprise(work: StepWork, elapsedMs: number): number {
    const mostMs = maxSurprise * this.estimateMs(work);
    const isSurprised = this.#numSteps > 0 && elapsedMs > mostMs;
    const countedMs = isSurprised && !this.#wasSurprised ? mostMs : elapsedMs;
    this.#wasSurprised = isSurprised;
    return countedMs;
  }

  /** Least squares over the features whose coefficients come out positive. */
  #fit(): number[] {
    let used = [0, 1, 2];
    for (;;) {
      const solution = this.#solve(used);
      const kept = used.filter((_, i) => solution[i] >= 0);
      if (kept.length === used.length) {
        return [0, 1, 2].map((feature) => solution[used.indexOf(feature)] ?? 0);
      }
      used = kept;
    }
  }

  /** Gaussian elimination on the normal equations of some features; positive definite by the ridge. */
  #solve(used: readonly number[]): number[] {
    const rows = used.map((i) => [
      ...used.map((j) => this.#products[i][j] + (i === j ? ridge : 0)),
      this.#moments[i],
    ]);
    for (let i = 0; i < rows.length; i++) {
      for (let k = i + 1; k < rows.length; k++) {
        const factor = rows[k][i] / rows[i][i];
        for (let j = i; j <= rows.length; j++) rows[k][j] -= factor * rows[i][j];
      }
    }
    const solution = new Array<number>(rows.length).fill(0);
    for (let i = rows.length - 1; i >= 0; i--) {
      const known = solution.reduce((sum, value, j) => sum + (j > i ? rows[i][j] * value : 0), 0);
      solution[i] = (rows[i][rows.length] - known) / rows[i][i];
    }
    return solution;
  }
}
