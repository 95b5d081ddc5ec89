// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { sqrt } = Math;

/** Arguments of {@link rmsNorm}. */
export interface RmsNormInput {
  /** `[numRows, hidden]` */
  readonly x: ArrayLike<number>;
  /** `[hidden]` */
  readonly weight: ArrayLike<number>;
  readonly eps: number;
  /** `[numRows, hidden]`, added to `x` first */
  readonly residual?: ArrayLike<number>;
  /** Added to every weight: 1 where a checkpoint stores weight - 1. */
  readonly weightOffset?: number;
}

/** What {@link rmsNorm} gives, both `[numRows, hidden]`. */
export interface RmsNormOutput {
  readonly out: Float64Array;
  /** `residual + x`, or `x` where there is no residual. */
  readonly residual: Float64Array;
}

/** `y = residual + x; out = y / sqrt(mean(y^2) + eps) * (weightOffset + weight)`, row by row. */
export function rmsNorm(input: RmsNormInput): RmsNormOutput {
  const { x, weight, eps, residual, weightOffset = 0 } = input;
  const hidden = weight.length;
  const out = new Float64Array(x.length);
  const sums = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += hidden) {
    let squares = 0;
    for (let i = start; i < start + hidden; i++) {
      sums[i] = x[i] + (residual === undefined ? 0 : residual[i]);
      squares += sums[i] * sums[i];
    }
    const rms = sqrt(squares / hidden + eps);
    for (let i = 0; i < hidden; i++) {
      out[start + i] = (sums[start + i] / rms) * (weightOffset + weight[i]);
    }
  }
  return { out, residual: sums };
}
