// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { cos, floor, imul, log, PI, sqrt } = Math;

/**
 * Seeded pseudo-random numbers, equal on every machine.
 *
 * A stream is named by a seed and a path, so that one case can be run alone and sees the inputs it
 * saw among the others.
 *
 * @see Chris Doty-Humphrey's sfc32 (PractRand), and FNV-1a for the seed text
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string, path = '') {
    this.#a = hashText(`a/${seed}/${path}`);
    this.#b = hashText(`b/${seed}/${path}`);
    this.#c = hashText(`c/${seed}/${path}`);
    for (let i = 0; i < 15; i++) this.uint32();
  }

  /** A whole number in `[0, 2^32)`. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  /** A number in `[0, 1)`. */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  /** A whole number in `[start, end)`. */
  integer(start: number, end: number): number {
    return start + floor(this.uniform() * (end - start));
  }

  /** One of `values`. */
  pick<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length)];
  }

  /** A number from the standard normal distribution (Box and Muller 1958). */
  normal(): number {
    const radius = sqrt(-2 * log(1 - this.uniform()));
    return radius * cos(2 * PI * this.uniform());
  }

  /** Normal numbers of a standard deviation, already rounded to float32. */
  normals(length: number, deviation = 1): Float32Array {
    return Float32Array.from({ length }, () => this.normal() * deviation);
  }

  /** The same values in another order. */
  shuffle<T>(values: readonly T[]): T[] {
    const shuffled = [...values];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.integer(0, i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
    }
    return shuffled;
  }
}

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash;
}

/** The seed of this run: `PA_SEED`, or a fresh one. */
export function seedOfThisRun(): number {
  const given = process.env.PA_SEED;
  return given === undefined ? floor(Math.random() * 2 ** 31) : Number(given);
}
