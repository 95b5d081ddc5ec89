/** Repeatable randomness and the train/test split of strings. */

/**
 * FNV-1a of a string's UTF-8 bytes.
 *
 * @param {string} text
 * @returns {number} unsigned 32 bits
 */
export function fnv1a(text) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash;
}

/** A small repeatable generator (mulberry32): the same seed gives the same draws everywhere. */
export class Random {
  /** @param {number | string} seed */
  constructor(seed) {
    this.state = fnv1a(String(seed));
  }

  /** @returns {number} in [0, 1) */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /**
   * @param {number} low inclusive
   * @param {number} high inclusive
   */
  integer(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** @param {number} probability */
  chance(probability) {
    return this.next() < probability;
  }

  /**
   * @template T
   * @param {readonly T[]} items not empty
   * @returns {T}
   */
  pick(items) {
    return items[Math.floor(this.next() * items.length)];
  }

  /**
   * @template T
   * @param {readonly T[]} items
   * @returns {T[]} the same items in a new order
   */
  shuffle(items) {
    const copy = [...items];
    for (let last = copy.length - 1; last > 0; last--) {
      const other = this.integer(0, last);
      [copy[last], copy[other]] = [copy[other], copy[last]];
    }
    return copy;
  }
}
