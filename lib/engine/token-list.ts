/** A sequence's token ids: an `Int32Array` that grows at its end; amortized O(1) per token. */
export class TokenList {
  #array: Int32Array;
  #length: number;

  /** @param prompt copied */
  constructor(prompt: Int32Array) {
    this.#array = new Int32Array(Math.max(16, prompt.length * 2));
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
