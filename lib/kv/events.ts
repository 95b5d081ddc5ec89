import type { RemovalReason } from './cache-types.js';
import type { ExtraKeys } from './extra-keys.js';

interface EventBase {
  /** Goes up by one with each event, from 1. */
  readonly sequence: number;
  /** KV group; for now the only one. */
  readonly group: 0;
  /** Name of the memory that the blocks lie in. */
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

/** What happened to the cache, as other processes may know it. */
export type KvEvent = StoredEvent | RemovedEvent | ClearedEvent;

/** What somebody knows who has seen all events up to `sequence`. */
export interface KvSnapshot {
  readonly sequence: number;
  /** Events that rebuild it from nothing, parents first; all carry the snapshot's `sequence`. */
  readonly stored: readonly StoredEvent[];
}
