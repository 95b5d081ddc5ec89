/** `x[i] * factor` */
export function scale(x: ArrayLike<number>, factor: number): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) out[i] = x[i] * factor;
  return out;
}
