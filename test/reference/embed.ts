/** Arguments of {@link embed}; arrays are flat, rows first. */
export interface EmbedInput {
  /** `[vocabSize, hidden]` */
  readonly table: ArrayLike<number>;
  readonly hidden: number;
  /** `[numTokens]` */
  readonly ids: ArrayLike<number>;
  /** `[numVectors, hidden]` rows that stand in for ids */
  readonly vectors?: ArrayLike<number>;
  /** `[numTokens]` row of `vectors`, or -1 where the id counts */
  readonly vectorRows?: ArrayLike<number>;
}

/** `out[t] = table[ids[t]]`, or `vectors[vectorRows[t]]` where that is not -1. `[numTokens, hidden]` */
export function embed(input: EmbedInput): Float64Array {
  const { table, hidden, ids, vectors, vectorRows } = input;
  const out = new Float64Array(ids.length * hidden);
  for (let t = 0; t < ids.length; t++) {
    const row = vectorRows === undefined ? -1 : vectorRows[t];
    for (let i = 0; i < hidden; i++) {
      out[t * hidden + i] = row >= 0 ? vectors![row * hidden + i] : table[ids[t] * hidden + i];
    }
  }
  return out;
}
