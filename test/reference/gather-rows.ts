/**
 * `out[r] = x[rows[r]]`; rows may repeat and come in any order.
 *
 * @param x `[numSourceRows, dim]`
 * @returns `[rows.length, dim]`
 */
export function gatherRows(
  x: ArrayLike<number>,
  dim: number,
  rows: ArrayLike<number>,
): Float64Array {
  const out = new Float64Array(rows.length * dim);
  for (let r = 0; r < rows.length; r++) {
    for (let i = 0; i < dim; i++) out[r * dim + i] = x[rows[r] * dim + i];
  }
  return out;
}
