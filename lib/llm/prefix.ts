import { EngineError, InvalidArgumentError } from '../errors.js';

/** What a {@link Prefix} is made of. */
export interface PrefixParts {
  /** Prompt and reply, one after the other; the stop token too, when one ended it. */
  readonly tokens: readonly Int32Array[];
  readonly stopTokenId: number | undefined;
  readonly salt: string | undefined;
  /** The engine that can continue it: handles mean nothing to another. */
  readonly owner: object;
  /** The engine's handle, when the request asked to keep the prefix. */
  readonly handle: number | undefined;
  /** Lets the engine's handle go. */
  readonly release: (handle: number) => void;
}

/** What a request that continues a prefix submits. */
export interface Continuation {
  readonly continueFrom: number | undefined;
  /** Those that follow the handle, or all. */
  readonly promptTokens: Int32Array;
  /** All tokens of the prompt. */
  readonly parts: readonly Int32Array[];
}

/**
 * The place where a reply ended, to be continued exactly there: `llm.chat(newMessages, { prefix })`.
 *
 * Nothing that came before is rendered or tokenised again. A prefix always works; only with `keepPrefix: true`
 * does it also hold its blocks in the cache, until `dispose()` or until `retainMs` is over. Any number of
 * requests may continue one prefix, at the same time too.
 */
export class Prefix {
  readonly #parts: PrefixParts;
  #isDisposed = false;

  /** @internal made by a reply */
  constructor(parts: PrefixParts) {
    this.#parts = parts;
  }

  /** Prompt and reply. */
  get numTokens(): number {
    return this.#parts.tokens.reduce((total, part) => total + part.length, 0);
  }

  /** Whether it asked to hold its blocks in the cache and was not disposed. */
  get isHeld(): boolean {
    return this.#parts.handle !== undefined && !this.#isDisposed;
  }

  /** Requests that continue it have the same salt. */
  get salt(): string | undefined {
    return this.#parts.salt;
  }

  /**
   * What a request must submit to go on here.
   *
   * @internal
   * @param added tokens that follow; a stop token that the reply already has is left out
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when another model made it
   * @throws {EngineError} `ERR_PREFIX_RELEASED` after `dispose()`
   */
  continueWith(added: Int32Array, owner: object): Continuation {
    if (owner !== this.#parts.owner) {
      throw new InvalidArgumentError(
        'prefix',
        'of another model',
        'the prefix of a reply of this one',
      );
    }
    if (this.#isDisposed) {
      throw new EngineError('ERR_PREFIX_RELEASED', 'this prefix was disposed');
    }
    const { tokens, stopTokenId, handle } = this.#parts;
    const isRepeated = stopTokenId !== undefined && added[0] === stopTokenId;
    const rest = isRepeated ? added.subarray(1) : added;
    const parts = [...tokens, rest];
    const promptTokens = handle === undefined ? joinTokens(parts) : rest;
    return { continueFrom: handle, promptTokens, parts };
  }

  /** Lets its blocks go; a second call changes nothing. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    const { handle, release } = this.#parts;
    if (handle !== undefined) release(handle);
  }

  /** `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function joinTokens(parts: readonly Int32Array[]): Int32Array {
  const joined = new Int32Array(parts.reduce((total, part) => total + part.length, 0));
  let start = 0;
  for (const part of parts) {
    joined.set(part, start);
    start += part.length;
  }
  return joined;
}
