/** Decodes windows of ids in one batch; `TextWorker.decodeBatch`, for instance. */
export type DecodeBatch = (ids: number[][]) => Promise<string[]>;

/** A window longer than this is cut where the text was last complete. */
const maxWindowLen = 16;
/** More ids than these are no unfinished character: what ends in U+FFFD is let out, but for what may still be one. */
const maxHeldLen = 8;
/** A character is at most four bytes, and a token at least one: fewer ids than these can be unfinished. */
const maxCharLen = 4;
const replacement = '\ufffd';

/**
 * The text of one growing sequence.
 *
 * A token may be a part of a character, and how a token reads may depend on the one before it. So a window of the
 * last ids is decoded each time, and what it is longer by than before is the new text. While the window's text
 * ends in U+FFFD, a character is unfinished and its bytes are held back.
 *
 * Invariant: the text of the first `#numClean` ids of the window has been given out, and `#givenLength` is its length.
 */
export class StreamDecoder {
  #ids: number[];
  #numClean: number;
  /** Unknown until the first text is given out, and when the window was just cut. */
  #givenLength: number | undefined;
  /** A place in the window before which all characters are whole. */
  #cut = 0;

  /**
   * @param contextIds the last few ids before the sequence: they decide whether it starts with a space
   */
  constructor(contextIds: readonly number[] = []) {
    this.#ids = [...contextIds];
    this.#numClean = contextIds.length;
  }

  /**
   * Adds tokens to several streams and gives each one's new text, which may be empty; one batch for all.
   *
   * A stream must not stand in two batches at the same time.
   *
   * @param additions of each stream; `isLast`: no token follows: what was held back is let out
   */
  static async push(
    decodeBatch: DecodeBatch,
    additions: readonly { stream: StreamDecoder; tokenIds: readonly number[]; isLast: boolean }[],
  ): Promise<string[]> {
    const windows: number[][] = [];
    const numWindows = additions.map(({ stream, tokenIds, isLast }) => {
      const before = windows.length;
      stream.#addWindows(tokenIds, isLast, windows);
      return windows.length - before;
    });
    const texts = await decodeBatch(windows);
    let end = 0;
    return additions.map(({ stream, isLast }, i) => {
      end += numWindows[i];
      return stream.#take(texts.slice(end - numWindows[i], end), isLast);
    });
  }

  /** The whole window; then, when several tokens came, shorter ones; then what has been given, when unknown. */
  #addWindows(tokenIds: readonly number[], isLast: boolean, windows: number[][]): void {
    for (const id of tokenIds) this.#ids.push(id);
    const isFull = this.#ids.length - this.#numClean >= maxHeldLen;
    const numShorter = isLast
      ? 0
      : (isFull ? maxCharLen : Math.min(tokenIds.length, maxCharLen)) - 1;
    windows.push(this.#ids);
    for (let i = 1; i <= numShorter; i++) windows.push(this.#ids.slice(0, -i));
    if (this.#givenLength === undefined) windows.push(this.#ids.slice(0, this.#numClean));
  }

  #take(texts: string[], isLast: boolean): string {
    const given = this.#givenLength === undefined ? texts.pop()! : undefined;
    const numShorter = texts.findIndex((text) => !text.endsWith(replacement));
    const isHeld = numShorter < 0 && !isLast && this.#ids.length - this.#numClean < maxHeldLen;
    if (isHeld) return '';
    const numCut = numShorter >= 0 ? numShorter : fewestReplaced(texts);
    const text = texts[numCut];
    const givenLength = this.#givenLength ?? sharedLength(given!, text);
    this.#givenLength = text.length;
    this.#numClean = this.#ids.length - numCut;
    if (numShorter >= 0) this.#shorten();
    return text.slice(givenLength);
  }

  /** Remembers a place to cut half-way, and cuts there when the window is full. */
  #shorten(): void {
    const halfLen = maxWindowLen / 2;
    if (this.#numClean <= halfLen || this.#cut === 0) this.#cut = this.#numClean;
    if (this.#numClean <= maxWindowLen || this.#numClean - this.#cut < halfLen) return;
    this.#ids = this.#ids.slice(this.#cut);
    this.#numClean -= this.#cut;
    this.#givenLength = undefined;
    this.#cut = 0;
  }
}

/**
 * How much of a text was there before: all of `given`, but for a character at its end that is whole only now. A U+FFFD
 * that stays one is not new: the context may begin within a character, and a prompt may end in a real one.
 */
function sharedLength(given: string, text: string): number {
  let length = 0;
  while (length < given.length && given[length] === text[length]) length++;
  return length;
}

/**
 * The text that ends between two characters, of texts that all end in U+FFFD: a character that is cut in two makes
 * itself, and with byte tokens all the bytes before it, into further ones. The longest of several.
 */
function fewestReplaced(texts: readonly string[]): number {
  const counts = texts.map((text) => text.split(replacement).length);
  return counts.indexOf(Math.min(...counts));
}
