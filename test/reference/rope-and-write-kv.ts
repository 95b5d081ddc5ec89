import type { KvCacheModel } from './kv-cache.js';

/** Arguments of {@link ropeAndWriteKv}. */
export interface RopeAndWriteKvInput {
  /** `[numTokens, numHeads + 2 * numKvHeads, headDim]` */
  readonly qkv: ArrayLike<number>;
  /** `[maxPositions, rotaryDim]`: the cosine of each pair, then the sine of each pair */
  readonly cosSin: ArrayLike<number>;
  readonly rotaryDim: number;
  /** `[numTokens]` */
  readonly positions: ArrayLike<number>;
  /** `[headDim]` */
  readonly qNorm?: ArrayLike<number>;
  /** `[headDim]` */
  readonly kNorm?: ArrayLike<number>;
  readonly normEps: number;
  readonly normWeightOffset: number;
  readonly cache: KvCacheModel;
  readonly layer: number;
  /** `[numTokens]`; -1 writes nothing */
  readonly slotMapping: ArrayLike<number>;
  readonly numHeads: number;
}

/**
 * Splits qkv rows, normalises q and k per head where asked, rotates both, writes k and v.
 *
 * @returns q, `[numTokens, numHeads, headDim]`
 */
export function ropeAndWriteKv(input: RopeAndWriteKvInput): Float64Array {
  const { qkv, cache, layer, numHeads, positions, slotMapping } = input;
  const { numKvHeads, headDim } = cache;
  const rowLength = (numHeads + 2 * numKvHeads) * headDim;
  const qOut = new Float64Array(positions.length * numHeads * headDim);
  for (let t = 0; t < positions.length; t++) {
    const head = (h: number) =>
      Array.from({ length: headDim }, (_, d) => qkv[t * rowLength + h * headDim + d]);
    for (let h = 0; h < numHeads; h++) {
      const q = rotate(input, t, normalise(input, head(h), input.qNorm));
      qOut.set(q, (t * numHeads + h) * headDim);
    }
    if (slotMapping[t] === -1) continue;
    const key: number[] = [];
    const value: number[] = [];
    for (let h = 0; h < numKvHeads; h++) {
      key.push(...rotate(input, t, normalise(input, head(numHeads + h), input.kNorm)));
      value.push(...head(numHeads + numKvHeads + h));
    }
    cache.write(layer, slotMapping[t], key, value);
  }
  return qOut;
}

function normalise(
  input: RopeAndWriteKvInput,
  x: number[],
  weight: ArrayLike<number> | undefined,
): number[] {
  if (weight === undefined) return x;
  let squares = 0;
  for (const element of x) squares += element * element;
  const rms = Math.sqrt(squares / x.length + input.normEps);
  return x.map((element, d) => (element / rms) * (input.normWeightOffset + weight[d]));
}

/** Turns each pair (d, d + rotaryDim / 2) by its angle; elements past rotaryDim stay. */
function rotate(input: RopeAndWriteKvInput, t: number, x: number[]): number[] {
  const { cosSin, rotaryDim, positions } = input;
  const numPairs = rotaryDim / 2;
  const out = [...x];
  for (let pair = 0; pair < numPairs; pair++) {
    const cos = cosSin[positions[t] * rotaryDim + pair];
    const sin = cosSin[positions[t] * rotaryDim + numPairs + pair];
    out[pair] = x[pair] * cos - x[pair + numPairs] * sin;
    out[pair + numPairs] = x[pair + numPairs] * cos + x[pair] * sin;
  }
  return out;
}
