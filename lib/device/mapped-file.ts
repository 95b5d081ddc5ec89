import { EngineError } from '../errors.js';
import { checkInteger } from './limits.js';
import type { NativeAddon, NativeFile } from './native.js';

/** A whole file, mapped read-only into memory. Pages are read when they are first touched. */
export class MappedFile {
  readonly byteLength: number;
  readonly #native: NativeAddon;
  readonly #handle: NativeFile;
  #isClosed = false;

  /**
   * @internal
   * @throws {EngineError} `ERR_FILE_UNREADABLE` when it is missing, no regular file, or not readable
   */
  constructor(
    native: NativeAddon,
    readonly path: string,
  ) {
    const { file, byteLength } = native.mapFile(path);
    this.#native = native;
    this.#handle = file;
    this.byteLength = byteLength;
  }

  /** @internal */
  get handle(): NativeFile {
    if (this.#isClosed) throw new EngineError('ERR_CLOSED', `${this.path} was closed`);
    return this.#handle;
  }

  /** A copy of the bytes `[byteOffset, byteOffset + byteLength)`. */
  read(byteOffset: number, byteLength: number): Uint8Array {
    checkInteger('byteOffset', byteOffset, 0, this.byteLength);
    checkInteger('byteLength', byteLength, 0, this.byteLength - byteOffset);
    const memory = new ArrayBuffer(byteLength);
    this.#native.readFile(this.handle, byteOffset, memory);
    return new Uint8Array(memory);
  }

  /** Unmaps it; a load that is under way keeps it until it is done. Closing twice does nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#native.unmapFile(this.#handle);
  }
}
