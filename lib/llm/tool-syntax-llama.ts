import { JsonScan } from './json-scan.js';
import type { Piece, ToolSyntax } from './tool-calls.js';

const tag = '<|python_tag|>';
/** Between calls, and around them. */
const separators = /^[\s;]*/;

/**
 * Calls as Llama 3 models write them: JSON objects, with `;` between them, where the text begins; perhaps after
 * `<|python_tag|>`, a special token that decoding leaves out. Text after anything else is text to its end.
 */
export class LlamaSyntax implements ToolSyntax {
  #rest = '';
  #isText = false;
  #hasTag = false;
  #scan: JsonScan | undefined;
  #scannedTo = 0;

  push(text: string, isLast: boolean): Piece[] {
    this.#rest += text;
    const pieces: Piece[] = [];
    for (;;) {
      const piece = this.#next(isLast);
      if (piece === undefined) return pieces;
      if (piece.type !== 'text' || piece.text !== '') pieces.push(piece);
    }
  }

  #next(isLast: boolean): Piece | undefined {
    if (this.#scan !== undefined) return this.#endOfCall(this.#scan, isLast);
    if (this.#rest === '') return undefined;
    if (this.#isText) return this.#takeText(this.#rest.length);
    const start = separators.exec(this.#rest)![0].length;
    const after = this.#rest.slice(start);
    if (after.startsWith(tag)) {
      this.#hasTag = true;
      const text = this.#rest.slice(0, start);
      this.#rest = after.slice(tag.length);
      return { type: 'text', text };
    }
    if (after.startsWith('{')) {
      this.#scan = new JsonScan();
      this.#scannedTo = 0;
      return this.#takeText(start);
    }
    if (!isLast && tag.startsWith(after)) return undefined;
    this.#isText = true;
    return this.#takeText(this.#rest.length);
  }

  #endOfCall(scan: JsonScan, isLast: boolean): Piece | undefined {
    this.#scannedTo = scan.advance(this.#rest, this.#scannedTo, this.#rest.length);
    const isWhole = scan.depth === 0 && this.#scannedTo > 0;
    if (!isWhole && !isLast) return undefined;
    this.#scan = undefined;
    const raw = this.#rest.slice(0, this.#scannedTo);
    this.#rest = this.#rest.slice(this.#scannedTo);
    return { type: 'call', raw, json: raw, isSure: this.#hasTag || raw.includes('"name"') };
  }

  #takeText(length: number): Piece {
    const text = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    return { type: 'text', text };
  }
}
