/** Decodes windows of ids in one batch; `TextWorker.decodeBatch`, for instance. */
export type DecodeBatch = (ids: number[][]) => Promise<string[]>;

/** A window longer than this is cut where the text was last complete. */
const maxWindowLen = 16;
/** More ids than a character can have without becoming one are no character: they are let out as they are. */
const maxHeldLen = 8;
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
  /** Unknown when the window was just cut. */
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
   * @param isLast no token follows: what was held back is let out
   */
  static async push(
    decodeBatch: DecodeBatch,
    additions: readonly { stream: StreamDecoder; tokenIds: readonly number[]; isLast: boolean }[],
  ): Promise<string[]> {
    const windows: number[][] = [];
    for (const { stream, tokenIds } of additions) {
      for (const id of tokenIds) stream.#ids.push(id);
      windows.push(stream.#ids);
      if (stream.#givenLength === undefined) windows.push(stream.#ids.slice(0, stream.#numClean));
    }
    const texts = await decodeBatch(windows);
    let at = 0;
    return additions.map(({ stream, isLast }) => {
      const text = texts[at++];
      if (stream.#givenLength === undefined) {
        stream.#givenLength = texts[at++].replace(/\ufffd+$/, '').length;
      }
      return stream.#take(text, stream.#givenLength, isLast);
    });
  }

  #take(text: string, givenLength: number, isLast: boolean): string {
    const isUnfinished = text.endsWith(replacement);
    const numHeld = this.#ids.length - this.#numClean;
    if (isUnfinished && !isLast && numHeld < maxHeldLen) return '';
    this.#givenLength = text.length;
    this.#numClean = this.#ids.length;
    if (!isUnfinished) this.#shorten();
    return text.slice(givenLength);
  }

  /** Remembers a place to cut half-way, and cuts there when the window is full. */
  #shorten(): void {
    const halfLen = maxWindowLen / 2;
    if (this.#numClean <= halfLen || this.#cut === 0) this.#cut = this.#numClean;
    if (this.#numClean <= maxWindowLen || this.#numClean - this.#cut < halfLen) return;
    this.#ids = this.#ids.slice(this.#cut);
    this.#numClean = this.#ids.length;
    this.#givenLength = undefined;
    this.#cut = 0;
  }
}
