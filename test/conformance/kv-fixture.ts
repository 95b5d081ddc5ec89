import type { KvCache, KvCacheOptions } from '../../lib/device/index.js';
import { roundTo } from '../reference/dtype.js';
import { KvCacheModel } from '../reference/kv-cache.js';
import type { Tolerance } from '../tolerances.js';
import { exactly, expectClose, type RawOutputs } from './compare.js';
import type { DeviceScope } from './device-scope.js';

// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { abs, max } = Math;

/** What lies in memory that an op must not read: NaN, or numbers that drown everything else. */
export const poisons = ['nan', 'huge'] as const;
export type Poison = (typeof poisons)[number];

const hugeNumber = 1e30;

/** Keys and values of some slots of one layer, `[slots.length, numKvHeads, headDim]` each. */
export interface SlotContents {
  readonly layer: number;
  readonly slots: ArrayLike<number>;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** A cache on the device in which every slot is poison but those given. */
export async function makePoisonedCache(
  scope: DeviceScope,
  layout: KvCacheOptions,
  poison: Poison,
  contents: readonly SlotContents[],
): Promise<KvCache> {
  const cache = scope.kvCache(layout);
  if (poison === 'nan') await cache.fill(0xff);
  else {
    const slots = allSlots(layout);
    const width = layout.numKvHeads * layout.headDim;
    const huge = new Float32Array(slots.length * width).fill(hugeNumber);
    for (let layer = 0; layer < layout.numLayers; layer++) {
      await writeSlots(scope, cache, { layer, slots, key: huge, value: huge });
    }
  }
  for (const content of contents) await writeSlots(scope, cache, content);
  return cache;
}

/** The same contents as the reference sees them: poison is what was never written. */
export function makeCacheModel(
  layout: KvCacheOptions,
  contents: readonly SlotContents[],
): KvCacheModel {
  const { numKvHeads, headDim, dtype, blockSize, numLayers } = layout;
  const model = new KvCacheModel(numKvHeads, headDim, dtype, blockSize, numLayers);
  const width = numKvHeads * headDim;
  for (const { layer, slots, key, value } of contents) {
    for (let i = 0; i < slots.length; i++) {
      model.write(layer, slots[i], key, value, i * width);
    }
  }
  return model;
}

async function writeSlots(scope: DeviceScope, cache: KvCache, content: SlotContents) {
  const { numKvHeads, headDim } = cache.layout;
  const shape = [content.slots.length, numKvHeads, headDim];
  await scope.device.ops.writeKv({
    cache,
    layer: content.layer,
    key: scope.floats('f32', shape, content.key),
    value: scope.floats('f32', shape, content.value),
    slotMapping: scope.indices(content.slots),
  });
}

/** Registers the whole cache as outputs: `key0`, `value0`, `key1`, … by layer. */
export async function outputCache(scope: DeviceScope, cache: KvCache): Promise<void> {
  const { layout } = cache;
  const slots = allSlots(layout);
  const shape = [slots.length, layout.numKvHeads, layout.headDim];
  for (let layer = 0; layer < layout.numLayers; layer++) {
    await scope.device.ops.readKv({
      cache,
      layer,
      key: await scope.output(`key${layer}`, 'f32', shape),
      value: await scope.output(`value${layer}`, 'f32', shape),
      slots: scope.indices(slots),
    });
  }
}

/**
 * Compares a whole cache with its model: what the model does not have must still be poison.
 *
 * @param keyTolerance for keys, relative to the largest key of the head; values are always exact
 */
export function expectCache(
  outputs: RawOutputs,
  model: KvCacheModel,
  layout: KvCacheOptions,
  poison: Poison,
  keyTolerance: Tolerance,
): void {
  const { numKvHeads, headDim } = layout;
  const shape = [layout.numBlocks, layout.blockSize, numKvHeads, headDim];
  for (let layer = 0; layer < layout.numLayers; layer++) {
    const expected = contentsOf(model, layer, layout, poison);
    const compare = (what: 'key' | 'value', tolerance: Tolerance) =>
      expectClose({
        label: `${what} cache of layer ${layer}`,
        shape,
        actual: outputs[`${what}${layer}`],
        expected: expected[what],
        ...(tolerance.relative > 0 && { magnitude: largestOfHead(expected[what], headDim) }),
        tolerance,
      });
    compare('key', keyTolerance);
    compare('value', exactly);
  }
}

/** For each element the largest absolute value among its head's. */
export function largestOfHead(values: Float64Array, headDim: number): Float64Array {
  const largest = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += headDim) {
    let most = 0;
    for (let i = start; i < start + headDim; i++) most = max(most, abs(values[i]));
    largest.fill(most, start, start + headDim);
  }
  return largest;
}

function contentsOf(
  model: KvCacheModel,
  layer: number,
  layout: KvCacheOptions,
  poison: Poison,
): { key: Float64Array; value: Float64Array } {
  const slots = allSlots(layout);
  const width = layout.numKvHeads * layout.headDim;
  const untouched = poison === 'nan' ? Number.NaN : roundTo(layout.dtype, Math.fround(hugeNumber));
  const key = new Float64Array(slots.length * width).fill(untouched);
  const value = new Float64Array(slots.length * width).fill(untouched);
  for (const slot of slots) {
    if (!model.has(layer, slot)) continue;
    const content = model.read(layer, slot);
    key.set(content.key, slot * width);
    value.set(content.value, slot * width);
  }
  return { key, value };
}

function allSlots(layout: KvCacheOptions): Int32Array {
  return Int32Array.from({ length: layout.numBlocks * layout.blockSize }, (_, i) => i);
}
