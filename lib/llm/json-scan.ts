/** Follows JSON text from its first brace, a character at a time, and knows where it stands. */
export class JsonScan {
  /** Whether the place is inside a string. */
  isInString = false;
  /** Braces and brackets that are open. */
  depth = 0;
  #isEscaped = false;

  /** Takes characters up to `end`, or until everything is closed; gives the place after the last one taken. */
  advance(text: string, start: number, end: number): number {
    for (let i = start; i < end; i++) {
      this.#take(text[i]);
      if (this.depth === 0 && !this.isInString && (text[i] === '}' || text[i] === ']'))
        return i + 1;
    }
    return end;
  }

  #take(char: string): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (this.isInString && char === '\\') this.#isEscaped = true;
    else if (char === '"') this.isInString = !this.isInString;
    else if (this.isInString) return;
    else if (char === '{' || char === '[') this.depth++;
    else if (char === '}' || char === ']') this.depth = Math.max(0, this.depth - 1);
  }
}

/** Characters at the end of `text` that could be the beginning of `word`. */
export function heldLength(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length--) {
    if (word.startsWith(text.slice(-length))) return length;
  }
  return 0;
}
