const mask = 0xffffffffn;

/**
 * Four words of 32 bits from a counter and a key, ten rounds of Philox4x32.
 *
 * @see Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3 (SC '11)
 */
export function philox(counter: readonly bigint[], key: readonly bigint[]): bigint[] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const product0 = 0xd2511f53n * c0;
    const product1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [
      (product1 >> 32n) ^ c1 ^ k0,
      product1 & mask,
      (product0 >> 32n) ^ c3 ^ k1,
      product0 & mask,
    ];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3];
}

/** A number in `[0, 1)` with 53 random bits, for a seed of 64 bits and a position. */
export function uniformAt(seed: bigint, position: number): number {
  const [first, second] = philox([BigInt(position), 0n, 0n, 0n], [seed & mask, seed >> 32n]);
  return Number(((first << 32n) | second) >> 11n) * 2 ** -53;
}
