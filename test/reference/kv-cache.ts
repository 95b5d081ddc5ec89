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

  /** Rounds a key and a value to the cache's dtype and puts them into a slot. */
  write(layer: number, slot: number, key: ArrayLike<number>, value: ArrayLike<number>): void {
    const width = this.numKvHeads * this.headDim;
    if (key.length !== width || value.length !== width) throw new Error(`slot width is ${width}`);
    this.#layers[layer].set(slot, {
      key: Float64Array.from(key, (x) => roundTo(this.dtype, x)),
      value: Float64Array.from(value, (x) => roundTo(this.dtype, x)),
    });
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
