/** A token that stands for a mark of the format, such as the end of a turn, and never for text. */
export interface SpecialToken {
  readonly id: number;
  /** Its literal, as templates write it. */
  readonly content: string;
  /** White space before the literal belongs to it. */
  readonly lstrip: boolean;
  /** White space after the literal belongs to it. */
  readonly rstrip: boolean;
  /** The literal counts only where no word character touches it. */
  readonly singleWord: boolean;
}

/** A stretch of a text: a special token, or text that holds none. */
export interface TextPiece {
  readonly special?: SpecialToken;
  readonly text: string;
  /** Where it starts in the text that was split, in UTF-16 units. */
  readonly start: number;
}

/** Finds the literals of a tokenizer's special tokens, leftmost first and the longest of those. */
export class SpecialTokenMatcher {
  readonly #byContent: ReadonlyMap<string, SpecialToken>;
  readonly #literals: readonly string[];
  readonly #pattern: RegExp | undefined;
  readonly #maxLength: number;

  constructor(tokens: readonly SpecialToken[]) {
    this.#byContent = new Map(tokens.map((token) => [token.content, token]));
    this.#literals = [...this.#byContent.keys()].sort((a, b) => b.length - a.length);
    this.#maxLength = this.#literals[0]?.length ?? 0;
    const alternatives = this.#literals.map((literal) => this.#source(literal));
    this.#pattern = alternatives.length ? new RegExp(alternatives.join('|'), 'g') : undefined;
  }

  #source(literal: string): string {
    const escaped = literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    return this.#byContent.get(literal)!.singleWord ? `(?<!\\w)${escaped}(?!\\w)` : escaped;
  }

  /** The first characters of all literals, each once. */
  firstChars(): string[] {
    return [...new Set(this.#literals.map((literal) => literal[0]))];
  }

  /**
   * Gives every place in a text where a special token could begin: at a whole literal, and at an unfinished
   * one in the text's end, which the text after it might complete.
   */
  findStarts(text: string): number[] {
    const starts: number[] = [];
    const pattern = this.#pattern;
    if (!pattern) return starts;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
      starts.push(match.index);
      pattern.lastIndex = match.index + 1; // literals may overlap
    }
    for (let i = Math.max(0, text.length - this.#maxLength + 1); i < text.length; i++) {
      const end = text.slice(i);
      const isPrefix = this.#literals.some((literal) => literal.startsWith(end));
      if (isPrefix && !starts.includes(i)) starts.push(i);
    }
    return starts;
  }

  /** Splits a text at its special tokens; pieces without text are left out. */
  split(text: string): TextPiece[] {
    const pieces: TextPiece[] = [];
    let done = 0;
    for (const match of this.#pattern ? text.matchAll(this.#pattern) : []) {
      const special = this.#byContent.get(match[0])!;
      let start = match.index;
      let end = start + match[0].length;
      if (special.lstrip) start = done + text.slice(done, start).trimEnd().length;
      if (special.rstrip) end = text.length - text.slice(end).trimStart().length;
      if (start > done) pieces.push({ text: text.slice(done, start), start: done });
      pieces.push({ special, text: text.slice(start, end), start });
      done = end;
    }
    if (done < text.length) pieces.push({ text: text.slice(done), start: done });
    return pieces;
  }
}
