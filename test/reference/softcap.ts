/** `cap * tanh(x[i] / cap)`: nearly `x` where it is small, never past `cap`. */
export function softcap(x: ArrayLike<number>, cap: number): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) out[i] = cap * Math.tanh(x[i] / cap);
  return out;
}
