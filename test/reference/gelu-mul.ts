/**
 * `out[r][i] = gelu(gateUp[r][i]) * gateUp[r][dim + i]` with the tanh approximation of gelu:
 * `gelu(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
 *
 * @param gateUp `[numRows, 2 * dim]`
 * @returns `[numRows, dim]`
 * @see Hendrycks and Gimpel 2016 (arXiv 1606.08415), section 2
 */
export function geluMul(gateUp: ArrayLike<number>, dim: number): Float64Array {
  const numRows = dim === 0 ? 0 : gateUp.length / (2 * dim);
  const out = new Float64Array(numRows * dim);
  for (let r = 0; r < numRows; r++) {
    for (let i = 0; i < dim; i++) {
      const gate = gateUp[r * 2 * dim + i];
      const up = gateUp[r * 2 * dim + dim + i];
      const inner = Math.sqrt(2 / Math.PI) * (gate + 0.044715 * gate ** 3);
      out[r * dim + i] = (gate / 2) * (1 + Math.tanh(inner)) * up;
    }
  }
  return out;
}
