import type { KvCacheModel } from './kv-cache.js';

/** Arguments of {@link writeKv}. */
export interface WriteKvInput {
  readonly cache: KvCacheModel;
  readonly layer: number;
  /** Token t's heads begin at `key[t * tokenStride]`. */
  readonly key: ArrayLike<number>;
  readonly value: ArrayLike<number>;
  /** In elements. */
  readonly tokenStride: number;
  /** `[numTokens]`; -1 writes nothing */
  readonly slotMapping: ArrayLike<number>;
}

/** Puts each token's key and value into its slot, rounded to the cache's dtype. */
export function writeKv(input: WriteKvInput): void {
  const { cache, layer, key, value, tokenStride, slotMapping } = input;
  for (let t = 0; t < slotMapping.length; t++) {
    if (slotMapping[t] === -1) continue;
    cache.write(layer, slotMapping[t], key, value, t * tokenStride);
  }
}
