import type { KvCacheModel } from './kv-cache.js';

// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { abs, exp, floor, log, max, tanh } = Math;

/** Arguments of {@link pagedAttention}. */
export interface PagedAttentionInput {
  /** `[numTokens, numHeads, headDim]` */
  readonly q: ArrayLike<number>;
  readonly cache: KvCacheModel;
  readonly layer: number;
  /** `[numTableRows, tableStride]` */
  readonly blockTables: ArrayLike<number>;
  readonly tableStride: number;
  /** `[numSeqs]` row of each sequence in `blockTables` */
  readonly tableRows: ArrayLike<number>;
  /** `[numSeqs + 1]` */
  readonly queryStart: ArrayLike<number>;
  /** `[numSeqs]` */
  readonly contextLens: ArrayLike<number>;
  /** Rows past `queryStart[numSeqs]` are padding. */
  readonly numTokens: number;
  readonly numHeads: number;
  readonly scale: number;
  /** A row at position p sees positions >= p - window; -1 is off. */
  readonly window: number;
  /** 0 is off. */
  readonly softcap: number;
  /** `[numHeads]` logit of a virtual key without value */
  readonly sinks?: ArrayLike<number>;
}

/** What {@link pagedAttention} gives. */
export interface PagedAttentionOutput {
  /** `[numTokens, numHeads, headDim]` */
  readonly out: Float64Array;
  /** Weighted sum of absolute values, `[numTokens, numHeads, headDim]`: what errors are relative to. */
  readonly magnitude: Float64Array;
  /**
   * Sum of absolute values times the largest weight, `[numTokens, numHeads, headDim]`: what the
   * error of weights far below the largest one is relative to.
   */
  readonly valueMagnitude: Float64Array;
  /** `[numTokens, numHeads]` largest sum of a score's absolute terms: what its error is relative to */
  readonly scoreMagnitude: Float64Array;
  /** `[numTokens, numHeads]` natural log of the softmax denominator; -Infinity where nothing is seen */
  readonly lse: Float64Array;
}

/** Attention of each sequence's query rows over its paged context, causal, aligned bottom right. */
export function pagedAttention(input: PagedAttentionInput): PagedAttentionOutput {
  const { cache, numTokens, numHeads, queryStart, contextLens } = input;
  const output: PagedAttentionOutput = {
    out: new Float64Array(numTokens * numHeads * cache.headDim),
    magnitude: new Float64Array(numTokens * numHeads * cache.headDim),
    valueMagnitude: new Float64Array(numTokens * numHeads * cache.headDim),
    scoreMagnitude: new Float64Array(numTokens * numHeads),
    lse: new Float64Array(numTokens * numHeads).fill(Number.NEGATIVE_INFINITY),
  };
  for (let s = 0; s < contextLens.length; s++) {
    const queryLen = queryStart[s + 1] - queryStart[s];
    for (let i = 0; i < queryLen; i++) {
      const position = contextLens[s] - queryLen + i;
      for (let head = 0; head < numHeads; head++) {
        attendRow(input, { sequence: s, row: queryStart[s] + i, position, head }, output);
      }
    }
  }
  return output;
}

interface RowOfHead {
  readonly sequence: number;
  readonly row: number;
  readonly position: number;
  readonly head: number;
}

function attendRow(input: PagedAttentionInput, at: RowOfHead, output: PagedAttentionOutput): void {
  const { cache, layer, numHeads, window, sinks } = input;
  const { headDim } = cache;
  const kvHead = floor(at.head / (numHeads / cache.numKvHeads));
  const first = window === -1 ? 0 : max(0, at.position - window);
  const rowOfHead = at.row * numHeads + at.head;
  const logits: number[] = [];
  for (let p = first; p <= at.position; p++) {
    const { key } = cache.read(layer, slotOf(input, at.sequence, p));
    const { logit, magnitude } = scoreOf(input, rowOfHead, key, kvHead * headDim);
    logits.push(logit);
    output.scoreMagnitude[rowOfHead] = max(output.scoreMagnitude[rowOfHead], magnitude);
  }
  if (logits.length === 0) return;

  const sink = sinks === undefined ? Number.NEGATIVE_INFINITY : sinks[at.head];
  const largest = logits.reduce((a, b) => max(a, b), sink);
  const sum = logits.reduce((total, logit) => total + exp(logit - largest), exp(sink - largest));
  const largestWeight = exp(logits.reduce((a, b) => max(a, b)) - largest) / sum;
  output.lse[rowOfHead] = largest + log(sum);
  logits.forEach((logit, i) => {
    const { value } = cache.read(layer, slotOf(input, at.sequence, first + i));
    const weight = exp(logit - largest) / sum;
    for (let d = 0; d < headDim; d++) {
      const x = value[kvHead * headDim + d];
      output.out[rowOfHead * headDim + d] += weight * x;
      output.magnitude[rowOfHead * headDim + d] += weight * abs(x);
      output.valueMagnitude[rowOfHead * headDim + d] += largestWeight * abs(x);
    }
  });
}

function scoreOf(
  input: PagedAttentionInput,
  rowOfHead: number,
  key: Float64Array,
  keyStart: number,
): { logit: number; magnitude: number } {
  const { headDim } = input.cache;
  let dot = 0;
  let magnitude = 0;
  for (let d = 0; d < headDim; d++) {
    const term = input.q[rowOfHead * headDim + d] * key[keyStart + d] * input.scale;
    dot += term;
    magnitude += abs(term);
  }
  const logit = input.softcap === 0 ? dot : input.softcap * tanh(dot / input.softcap);
  return { logit, magnitude };
}

function slotOf(input: PagedAttentionInput, sequence: number, position: number): number {
  const { blockSize } = input.cache;
  const row = input.tableRows[sequence];
  const block = input.blockTables[row * input.tableStride + floor(position / blockSize)];
  return block * blockSize + (position % blockSize);
}
