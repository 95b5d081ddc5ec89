import { heldLength, JsonScan } from './json-scan.js';
import type { Piece, ToolSyntax } from './tool-calls.js';

const open = '<tool_call>';
const close = '</tool_call>';

/**
 * Text with calls between tags, as Hermes and Qwen models write them.
 *
 * The tag that closes a call may stand in one of its strings: there it does not count. A call that the text ends in
 * needs no closing tag.
 */
export class HermesSyntax implements ToolSyntax {
  #rest = '';
  #isInCall = false;
  #scan = new JsonScan();
  /** Where in `#rest` the next closing tag is looked for, and up to where the JSON was followed. */
  #searchedTo = 0;
  #scannedTo = 0;

  push(text: string, isLast: boolean): Piece[] {
    this.#rest += text;
    const pieces: Piece[] = [];
    for (;;) {
      const piece = this.#isInCall ? this.#endOfCall(isLast) : this.#startOfCall(isLast);
      if (piece === undefined) return pieces;
      if (piece.type !== 'text' || piece.text !== '') pieces.push(piece);
    }
  }

  #startOfCall(isLast: boolean): Piece | undefined {
    const start = this.#rest.indexOf(open);
    if (start >= 0) {
      this.#isInCall = true;
      this.#scan = new JsonScan();
      const text = this.#take(start);
      this.#searchedTo = open.length;
      this.#scannedTo = open.length;
      return { type: 'text', text };
    }
    const numHeld = isLast ? 0 : heldLength(this.#rest, open);
    const text = this.#take(this.#rest.length - numHeld);
    return text === '' ? undefined : { type: 'text', text };
  }

  #endOfCall(isLast: boolean): Piece | undefined {
    for (;;) {
      const end = this.#rest.indexOf(close, this.#searchedTo);
      if (end < 0) break;
      while (this.#scannedTo < end) {
        this.#scannedTo = this.#scan.advance(this.#rest, this.#scannedTo, end);
      }
      if (!this.#scan.isInString) return this.#callUpTo(end);
      this.#searchedTo = end + close.length;
    }
    if (!isLast) {
      this.#searchedTo = Math.max(this.#searchedTo, this.#rest.length - close.length + 1);
      return undefined;
    }
    const end = this.#rest.indexOf(close, open.length);
    return this.#callUpTo(end < 0 ? this.#rest.length : end);
  }

  #callUpTo(end: number): Piece {
    this.#isInCall = false;
    const raw = this.#take(end + close.length);
    return { type: 'call', raw, json: raw.slice(open.length, end), isSure: true };
  }

  #take(length: number): string {
    const taken = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    return taken;
  }
}
