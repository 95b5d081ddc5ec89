// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { fround } = Math;
const { isFinite: isFiniteNumber } = Number;

const doubles = new Float64Array(1);
const words = new BigInt64Array(doubles.buffer);

/**
 * `a * b + c` of three float32 numbers with a single rounding to float32, as hardware does it.
 *
 * The product of two float32 is exact in a double. The sum is made exact by rounding it to odd:
 * where the double sum lost something, its last bit is forced to 1, which keeps the second
 * rounding, to float32, from seeing a tie or a neighbour that was not there.
 *
 * @see Boldo and Melquiond 2008, Emulation of FMA and correctly rounded sums
 */
export function fmaFloat32(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  if (!isFiniteNumber(sum) || sum === 0) return fround(sum);
  const productPart = sum - c;
  const lost = product - productPart + (c - (sum - productPart));
  return fround(lost === 0 ? sum : toOdd(sum, lost));
}

/** The neighbour of `sum` in the direction of what was lost, unless its own last bit is 1. */
function toOdd(sum: number, lost: number): number {
  doubles[0] = sum;
  if ((words[0] & 1n) === 1n) return sum;
  const awayFromZero = lost > 0 === sum > 0;
  words[0] += awayFromZero ? 1n : -1n;
  return doubles[0];
}
