/** A sequence's token ids: an `Int32Array` that grows at its end; amortized O(1) per token. */
export class TokenList {
  #array: Int32Array;
  #length: number;

  /**
   * @param prompt copied
   * @param numExpected tokens that are likely to follow, which get room at once
   */
  constructor(prompt: Int32Array, numExpected: number) {
    const numSpare = Math.min(numExpected, prompt.length);
    this.#array = new Int32Array(Math.max(16, prompt.length + numSpare));
    this.#array.set(prompt);
    this.#length = prompt.length;
  }

  get length(): number {
    return this.#length;
  }

  at(position: number): number {
    return this.#array[position];
  }

  push(token: number): void {
    if (this.#length === this.#array.length) {
      const grown = new Int32Array(this.#array.length * 2);
      grown.set(this.#array);
      this.#array = grown;
    }
    this.#array[this.#length++] = token;
  }

  /**
   * The memory of the tokens so far: what lies behind `length` says nothing. For whoever knows how many of them to
   * read, each step and sequence: it costs nothing, where `view` makes an object. Valid until the next `push`.
   */
  get memory(): Int32Array {
    return this.#array;
  }

  /** The tokens so far, in place: valid until the next `push`. */
  view(start = 0, end = this.#length): Int32Array {
    return this.#array.subarray(start, end);
  }
}

/** Leading tokens that two sequences share. */
export function numCommonTokens(a: Int32Array, b: Int32Array): number {
  const end = Math.min(a.length, b.length);
  let position = 0;
  while (position < end && a[position] === b[position]) position++;
  return position;
}
