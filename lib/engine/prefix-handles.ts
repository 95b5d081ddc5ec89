import { EngineError } from '../errors.js';
import type { ExtraKeys, PrefixCache } from '../kv/index.js';

/** A finished prefix that a caller may continue. */
export interface PrefixHandle {
  readonly tokens: Int32Array;
  readonly extraKeys: ExtraKeys | null;
  /** Holds the blocks; `undefined` when the pin budget was spent. */
  readonly pinId: number | undefined;
  /** On the engine's clock; Infinity: until released. */
  readonly expiresAtMs: number;
}

/** The prefix handles that callers hold, by id. */
export class PrefixHandles {
  readonly #handles = new Map<number, PrefixHandle>();
  #lastId = 0;

  constructor(
    private readonly cache: PrefixCache,
    private readonly clock: () => number,
  ) {}

  get size(): number {
    return this.#handles.size;
  }

  add(handle: PrefixHandle): number {
    this.#lastId++;
    this.#handles.set(this.#lastId, handle);
    return this.#lastId;
  }

  /** @throws {EngineError} `ERR_PREFIX_RELEASED` when it was released or never given */
  get(id: number): PrefixHandle {
    const handle = this.#handles.get(id);
    if (handle !== undefined) return handle;
    throw new EngineError('ERR_PREFIX_RELEASED', `prefix handle ${id} was released or has expired`);
  }

  /** Lets its blocks go; false when it is gone already. */
  release(id: number): boolean {
    const handle = this.#handles.get(id);
    if (handle === undefined) return false;
    this.#handles.delete(id);
    if (handle.pinId !== undefined) this.cache.unpin(handle.pinId);
    return true;
  }

  /** Releases those that are past their time. */
  expire(): void {
    const nowMs = this.clock();
    for (const [id, { expiresAtMs }] of this.#handles) {
      if (expiresAtMs <= nowMs) this.release(id);
    }
  }

  releaseAll(): void {
    for (const id of [...this.#handles.keys()]) this.release(id);
  }
}
