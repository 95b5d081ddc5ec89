/** Major types of CBOR, in the top three bits of an item's first byte. */
const Major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4 } as const;
const nullItem = 0xf6;
const maxHeadBytes = 5;

const textEncoder = new TextEncoder();

/**
 * Writes canonical CBOR (shortest heads, definite lengths) into one buffer that it reuses.
 *
 * Just what block digests need: integers of 32 bits, byte strings, texts, arrays and null.
 *
 * @see RFC 8949, sections 3 and 4.2.1
 */
export class CborWriter {
  private buffer = new Uint8Array(4096);
  private length = 0;

  /** Forgets what was written. */
  reset(): void {
    this.length = 0;
  }

  /** What was written since `reset`, as a view that is right until the next write. */
  getBytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** The head of an array; its `numItems` items follow. */
  writeArrayHead(numItems: number): void {
    this.writeHead(Major.array, numItems);
  }

  writeBytes(bytes: Uint8Array): void {
    this.writeHead(Major.bytes, bytes.length);
    this.writeRaw(bytes);
  }

  writeText(text: string): void {
    const bytes = textEncoder.encode(text);
    this.writeHead(Major.text, bytes.length);
    this.writeRaw(bytes);
  }

  writeNull(): void {
    this.reserve(1);
    this.buffer[this.length++] = nullItem;
  }

  /** An array of `tokens[start, end)`. */
  writeTokens(tokens: Int32Array, start: number, end: number): void {
    this.writeHead(Major.array, end - start);
    this.reserve((end - start) * maxHeadBytes);
    for (let i = start; i < end; i++) {
      const token = tokens[i];
      if (token >= 0) this.putHead(Major.unsigned, token);
      else this.putHead(Major.negative, -1 - token);
    }
  }

  private writeHead(major: number, value: number): void {
    this.reserve(maxHeadBytes);
    this.putHead(major, value);
  }

  private writeRaw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  private putHead(major: number, value: number): void {
    const { buffer } = this;
    const top = major << 5;
    if (value < 24) {
      buffer[this.length++] = top | value;
      return;
    }
    if (value < 0x100) {
      buffer[this.length++] = top | 24;
      buffer[this.length++] = value;
      return;
    }
    if (value < 0x10000) {
      buffer[this.length++] = top | 25;
      buffer[this.length++] = value >>> 8;
      buffer[this.length++] = value;
      return;
    }
    buffer[this.length++] = top | 26;
    buffer[this.length++] = value >>> 24;
    buffer[this.length++] = value >>> 16;
    buffer[this.length++] = value >>> 8;
    buffer[this.length++] = value;
  }

  private reserve(numBytes: number): void {
    const needed = this.length + numBytes;
    if (needed <= this.buffer.length) return;
    const grown = new Uint8Array(2 ** Math.ceil(Math.log2(needed)));
    grown.set(this.buffer);
    this.buffer = grown;
  }
}
