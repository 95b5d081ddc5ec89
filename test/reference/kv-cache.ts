import { type FloatDType, roundTo } from './dtype.js';

/** One slot of one layer: the key and the value of every head, `[numKvHeads * headDim]`. */
export interface KvSlot {
  readonly key: Float64Array;
  readonly value: Float64Array;
}

/**
 * A KV cache as a map from (layer, slot) to the key and value that were written there.
 *
 * What was never written does not exist: reading it throws. So an op's reference that runs to its
 * end has proven that the op needs nothing but written slots.
 */
export class KvCacheModel {
  readonly #layers: Map<number, KvSlot>[];

  constructor(
    readonly numKvHeads: number,
    readonly headDim: number,
    readonly dtype: FloatDType,
    readonly blockSize: number,
    readonly numLayers: number,
  ) {
    this.#layers = Array.from({ length: numLayers }, () => new Map());
  }

  /** Rounds a key and a value, which begin at `start`, to the cache's dtype and puts them into a slot. */
  write(
    layer: number,
    slot: number,
    key: ArrayLike<number>,
    value: ArrayLike<number>,
    start = 0,
  ): void {
    const width = this.numKvHeads * this.headDim;
    if (start + width > Math.min(key.length, value.length))
      throw new Error(`not ${width} elements`);
    const written = { key: new Float64Array(width), value: new Float64Array(width) };
    for (let i = 0; i < width; i++) {
      written.key[i] = roundTo(this.dtype, key[start + i]);
      written.value[i] = roundTo(this.dtype, value[start + i]);
    }
    this.#layers[layer].set(slot, written);
  }

  /** @throws {Error} when nothing was written there */
  read(layer: number, slot: number): KvSlot {
    const found = this.#layers[layer].get(slot);
    if (found === undefined) throw new Error(`slot ${slot} of layer ${layer} was never written`);
    return found;
  }

  /** Whether something was written there. */
  has(layer: number, slot: number): boolean {
    return this.#layers[layer].has(slot);
  }

  /** Gives one block the contents of another, in every layer; slots unwritten there vanish here. */
  copyBlock(source: number, destination: number): void {
    for (const layer of this.#layers) {
      for (let offset = 0; offset < this.blockSize; offset++) {
        const found = layer.get(source * this.blockSize + offset);
        if (found === undefined) layer.delete(destination * this.blockSize + offset);
        else layer.set(destination * this.blockSize + offset, found);
      }
    }
  }
}
