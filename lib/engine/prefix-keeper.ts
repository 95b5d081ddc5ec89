import { EngineError } from '../errors.js';
import type { BlockTable, Pin, PrefixCache, PrefixMatch } from '../kv/index.js';
import type { PrefixHandles } from './prefix-handles.js';
import type { Sequence } from './sequence.js';

/** What of a sequence stays cached: its full blocks, the tail of its computed tokens too, or nothing. */
export type Kept = 'tail' | 'blocks' | 'nothing';

export interface PrefixKeeperOptions {
  readonly cache: PrefixCache;
  readonly handles: PrefixHandles;
  readonly clock: () => number;
}

/** Keeps of sequences that end what their requests asked for: handles, promises to keep, and the cache's own. */
export class PrefixKeeper {
  readonly #cache: PrefixCache;
  readonly #handles: PrefixHandles;
  readonly #clock: () => number;

  constructor({ cache, handles, clock }: PrefixKeeperOptions) {
    this.#cache = cache;
    this.#handles = handles;
    this.#clock = clock;
  }

  /**
   * Gives an ended sequence's blocks back to the cache.
   *
   * @param table the one that the sequence had; it is freed
   */
  giveBack(sequence: Sequence, table: BlockTable, kept: Kept): void {
    const { retainMs, maxIdleMs, tag, keepPrefix } = sequence.request.options;
    if (kept !== 'tail') {
      this.#cache.free(table, kept === 'nothing' ? { keep: 'off' } : { maxIdleMs });
      return;
    }
    const tail = { tokens: sequence.tokens.memory, numTokens: sequence.numComputed };
    if (retainMs !== undefined && !keepPrefix) {
      this.#cache.registerTail(table, tail.tokens, tail.numTokens);
      this.#tryPin(table, tag, retainMs);
    }
    this.#cache.free(table, { tail, maxIdleMs });
  }

  /** Pins a finished sequence's blocks, or what the cache has of one that was preempted, and gives the handle asked for. */
  keepPrefix({ request, tokens, table, numComputed }: Sequence): number | undefined {
    const { keepPrefix, extraKeys, tag, retainMs = Number.POSITIVE_INFINITY } = request.options;
    if (!keepPrefix) return undefined;
    if (table !== undefined) this.#cache.registerTail(table, tokens.memory, numComputed);
    const kept = table ?? this.#cache.match(tokens.view(), { extraKeys });
    return this.#handles.add({
      tokens: tokens.view().slice(),
      extraKeys,
      pinId: this.#tryPin(kept, tag, retainMs)?.id,
      expiresAtMs: this.#clock() + retainMs,
    });
  }

  /** A pin past the budget is not made: the blocks stay cached like all others. */
  #tryPin(kept: BlockTable | PrefixMatch, tag: string | undefined, ttlMs: number): Pin | undefined {
    try {
      return this.#cache.pin(kept, Number.isFinite(ttlMs) ? { tag, ttlMs } : { tag });
    } catch (error) {
      if (error instanceof EngineError && error.code === 'ERR_PIN_BUDGET') return undefined;
      throw error;
    }
  }
}
