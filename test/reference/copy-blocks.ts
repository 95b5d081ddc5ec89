import type { KvCacheModel } from './kv-cache.js';

/**
 * Copies whole blocks inside one cache, in every layer.
 *
 * @param pairs `[numPairs, 2]` source, destination; no block is both
 */
export function copyBlocks(cache: KvCacheModel, pairs: ArrayLike<number>): void {
  for (let i = 0; i < pairs.length; i += 2) cache.copyBlock(pairs[i], pairs[i + 1]);
}
