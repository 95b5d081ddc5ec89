import { EngineError } from '../errors.js';

/** The part of a file that reading a header needs; `MappedFile` is one. */
export interface ReadableFile {
  readonly byteLength: number;
  /** @returns a copy of `byteLength` bytes from `byteOffset` */
  read(byteOffset: number, byteLength: number): Uint8Array;
}

/** Several times what the largest vocabularies take; with it, what a header makes this process allocate is bounded. */
const maxHeaderBytes = 1 << 25;
/** Bytes fetched at a time; a longer string or list is fetched by itself. */
const windowBytes = 1 << 20;

/** Reads little-endian values one after the other; nothing is allocated that the file does not hold. */
export class HeaderReader {
  #offset = 0;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  constructor(
    private readonly file: ReadableFile,
    private readonly path: string,
  ) {}

  /** Of the next byte. */
  get offset(): number {
    return this.#offset;
  }

  /** That a header may still have. */
  get numBytesLeft(): number {
    return Math.min(this.file.byteLength, maxHeaderBytes) - this.#offset;
  }

  /** The next bytes, valid until the next call. @throws {EngineError} `ERR_GGUF_HEADER` past the end */
  take(numBytes: number, what: string): Buffer {
    if (numBytes > this.numBytesLeft) {
      throw this.error(
        `ends in ${what}: ${numBytes} bytes are needed, ${this.numBytesLeft} follow`,
      );
    }
    const start = this.#offset - this.#windowStart;
    if (start + numBytes > this.#window.length) this.#fetch(Math.max(numBytes, windowBytes));
    const from = this.#offset - this.#windowStart;
    this.#offset += numBytes;
    return this.#window.subarray(from, from + numBytes);
  }

  u32(what: string): number {
    return this.take(4, what).readUInt32LE();
  }

  /** A 64-bit count or length; refused when it is more than could follow. */
  count(what: string, minItemBytes: number, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.take(8, what).readBigUInt64LE();
    const limit = Math.min(max, Math.floor(this.numBytesLeft / minItemBytes));
    if (value <= limit) return Number(value);
    throw this.error(`claims ${value} for ${what}; at most ${limit} can follow`);
  }

  text(what: string): string {
    return this.take(this.count(`the length of ${what}`, 1), what).toString('utf8');
  }

  error(found: string): EngineError {
    return new EngineError('ERR_GGUF_HEADER', `${this.path} ${found}`);
  }

  #fetch(numBytes: number): void {
    const bytes = this.file.read(this.#offset, Math.min(numBytes, this.numBytesLeft));
    this.#window = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#windowStart = this.#offset;
  }
}
