export { BlockAllocator, type BlockAllocatorOptions } from './block-allocator.js';
export type { BlockInfo, BlockMap, BlockMapRange, BlockUser } from './block-map.js';
export { type BlockCopy, BlockTable } from './block-table.js';
export type {
  AcquireOptions,
  CacheStats,
  Explanation,
  FreeOptions,
  InvalidateTarget,
  Lease,
  MatchOptions,
  MissCause,
  Pin,
  PinOptions,
  PrefixCacheOptions,
  PrefixMatch,
  RemovalReason,
} from './cache-types.js';
export { hashBlocks, rootDigest } from './digests.js';
export type { ClearedEvent, KvEvent, KvSnapshot, RemovedEvent, StoredEvent } from './events.js';
export type { ExtraKey, ExtraKeys } from './extra-keys.js';
export { PrefixCache } from './prefix-cache.js';
