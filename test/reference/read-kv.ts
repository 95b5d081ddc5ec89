import type { KvCacheModel } from './kv-cache.js';

/** What {@link readKv} gives, both `[numSlots, numKvHeads, headDim]`. */
export interface ReadKvOutput {
  readonly key: Float64Array;
  readonly value: Float64Array;
}

/** Reads slots back; slot -1 gives zeros. */
export function readKv(cache: KvCacheModel, layer: number, slots: ArrayLike<number>): ReadKvOutput {
  const width = cache.numKvHeads * cache.headDim;
  const key = new Float64Array(slots.length * width);
  const value = new Float64Array(slots.length * width);
  for (let i = 0; i < slots.length; i++) {
    if (slots[i] === -1) continue;
    const slot = cache.read(layer, slots[i]);
    key.set(slot.key, i * width);
    value.set(slot.value, i * width);
  }
  return { key, value };
}
