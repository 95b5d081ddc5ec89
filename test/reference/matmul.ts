import type { FloatDType } from './dtype.js';
import { fmaFloat32 } from './float32-fma.js';

// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { abs } = Math;

/** Arguments of {@link matmul}. */
export interface MatmulInput {
  /** `[numRows, inDim]` */
  readonly x: ArrayLike<number>;
  /** `[outDim, inDim]` */
  readonly weight: ArrayLike<number>;
  readonly inDim: number;
  /** `[outDim]` */
  readonly bias?: ArrayLike<number>;
}

/** What {@link matmul} gives, both `[numRows, outDim]`. */
export interface MatmulOutput {
  readonly out: Float64Array;
  /** Sum of the absolute terms of each output: what a rounding error is relative to. */
  readonly magnitude: Float64Array;
}

/** `out = x . weight^T + bias` */
export function matmul(input: MatmulInput): MatmulOutput {
  const { x, weight, inDim, bias } = input;
  const numRows = x.length / inDim;
  const outDim = weight.length / inDim;
  const out = new Float64Array(numRows * outDim);
  const magnitude = new Float64Array(numRows * outDim);
  for (let r = 0; r < numRows; r++) {
    for (let n = 0; n < outDim; n++) {
      let sum = bias === undefined ? 0 : bias[n];
      let absolute = abs(sum);
      for (let k = 0; k < inDim; k++) {
        const term = x[r * inDim + k] * weight[n * inDim + k];
        sum += term;
        absolute += abs(term);
      }
      out[r * outDim + n] = sum;
      magnitude[r * outDim + n] = absolute;
    }
  }
  return { out, magnitude };
}

/**
 * The exact float32 value that the order of arithmetic prescribes for one output, without bias.
 *
 * One accumulator that starts at 0, `k` ascending, one fused multiply-add per element; the 2-byte
 * types take each pair's odd element first, as dot-product instructions do.
 *
 * @param x `[inDim]` of the weight's dtype
 * @param weight `[inDim]`
 */
export function orderedDot(
  dtype: FloatDType,
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const k = dtype !== 'f32' && (i ^ 1) < x.length ? i ^ 1 : i;
    sum = fmaFloat32(x[k], weight[k], sum);
  }
  return sum;
}
