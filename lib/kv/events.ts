import type { RemovalReason } from './cache-types.js';
import type { ExtraKeys } from './extra-keys.js';

interface EventBase {
  /** Goes up by one with each event, from 1. */
  readonly sequence: number;
  readonly group: 0;
  readonly medium: string;
}

/** A run of blocks, each the child of the one before, became known. */
export interface StoredEvent extends EventBase {
  readonly type: 'stored';
  readonly digests: readonly Uint8Array[];
  /** Digest of the first block's parent; `null` at the start of a prompt. */
  readonly parentDigest: Uint8Array | null;
  /** Tokens of all listed blocks, `[digests.length * blockSize]`. */
  readonly tokens: Int32Array;
  /** One entry per block. */
  readonly extraKeys: readonly (ExtraKeys | null)[];
  readonly blockSize: number;
}

/** The last place of each listed block is gone. */
export interface RemovedEvent extends EventBase {
  readonly type: 'removed';
  readonly digests: readonly Uint8Array[];
  readonly reason: RemovalReason;
}

/** Nothing is cached any more. */
export interface ClearedEvent extends EventBase {
  readonly type: 'cleared';
}

export type KvEvent = StoredEvent | RemovedEvent | ClearedEvent;

/** What consumers of all events up to `sequence` know: `stored` events that rebuild it, parents first. */
export interface KvSnapshot {
  readonly sequence: number;
  readonly stored: readonly StoredEvent[];
}
