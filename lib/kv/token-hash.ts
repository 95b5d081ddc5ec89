/** The hash of a block's extra keys; both 0 for none. */
export interface KeysHash {
  readonly hashLo: number;
  readonly hashHi: number;
}

/**
 * The 64-bit hash by which a node is found, as two lanes of 32 bits.
 *
 * It runs along the chain: a block's hash is mixed from its parent's hash, its extra keys and its
 * tokens, so equal values mean equal prefixes but for one chance in 2^64. It only finds candidates;
 * tokens and keys are compared afterwards. Two lanes of 32-bit multiplications are what JavaScript
 * does fastest: 131,072 tokens take a fraction of a millisecond (`node bench/kv.mjs`).
 */
export class TokenHasher {
  /** The current hash. */
  lo = 0;
  hi = 0;

  /** Goes to the hash of a node. */
  startAt(lo: number, hi: number): void {
    this.lo = lo;
    this.hi = hi;
  }

  /** Moves on to the hash of the child with `tokens[start, end)` and keys of the given hash. */
  mixBlock(tokens: Int32Array, start: number, end: number, keys: KeysHash): void {
    let a = this.lo ^ keys.hashLo;
    let b = this.hi ^ keys.hashHi;
    for (let i = start; i < end; i++) {
      const token = tokens[i];
      a = Math.imul(a ^ token, 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul((b + token) | 0, 0x85ebca77);
      b = (b << 13) | (b >>> 19);
    }
    this.lo = finish(a ^ Math.imul(b, 0x2545f491));
    this.hi = finish(b + Math.imul(a, 0x9e3779b9));
  }
}

/** The 64-bit hash of a text, `[lo, hi]`. */
export function hashText(text: string): readonly [number, number] {
  let a = 0x243f6a88;
  let b = 0x13198a2e;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul((b << 5) | (b >>> 27), 0x85ebca6b) ^ code;
  }
  return [finish(a ^ Math.imul(b, 0x2545f491)), finish(b + Math.imul(a, 0x9e3779b9))];
}

/** The finalizer of MurmurHash3: each bit of the argument changes each of the result. */
function finish(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
