// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { imul } = Math;

/** One half of the digest: 16 lanes of 32 bits, then all lanes into one. */
function half(words: Uint32Array, multiplier: number, rotation: number): number {
  const rotate = (x: number) => (x << rotation) | (x >>> (32 - rotation));
  const mix = (hash: number, word: number) => imul(rotate(hash) ^ word, multiplier);
  const lanes = Array.from({ length: 16 }, (_, lane) => lane + 1);
  words.forEach((word, i) => {
    lanes[i % 16] = mix(lanes[i % 16], word);
  });
  let hash = words.length;
  for (const lane of lanes) hash = mix(hash, lane);
  hash = imul(hash ^ (hash >>> 15), multiplier);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * The 64-bit digest of a row of logits: it differs, but for one chance in 2^64, where any bit does.
 *
 * Mirrors digest in addon/cpu/logits_kernel.cpp, which gives the formula.
 */
export function digestOfRow(logits: Float32Array): bigint {
  const words = new Uint32Array(logits.slice().buffer);
  const high = half(words, 0x9e3779b1, 13);
  const low = half(words, 0x85ebca77, 17);
  return (BigInt(high) << 32n) | BigInt(low);
}
