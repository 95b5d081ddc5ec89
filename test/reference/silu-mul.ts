/**
 * `out[r][i] = silu(gateUp[r][i]) * gateUp[r][dim + i]`, where `silu(x) = x / (1 + e^-x)`.
 *
 * @param gateUp `[numRows, 2 * dim]`
 * @returns `[numRows, dim]`
 */
export function siluMul(gateUp: ArrayLike<number>, dim: number): Float64Array {
  const numRows = dim === 0 ? 0 : gateUp.length / (2 * dim);
  const out = new Float64Array(numRows * dim);
  for (let r = 0; r < numRows; r++) {
    for (let i = 0; i < dim; i++) {
      const gate = gateUp[r * 2 * dim + i];
      const up = gateUp[r * 2 * dim + dim + i];
      out[r * dim + i] = (gate / (1 + Math.exp(-gate))) * up;
    }
  }
  return out;
}
