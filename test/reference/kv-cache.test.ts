import { copyBlocks } from './copy-blocks.js';
import { embed } from './embed.js';
import { gatherRows } from './gather-rows.js';
import { KvCacheModel } from './kv-cache.js';
import { readKv } from './read-kv.js';
import { writeKv } from './write-kv.js';

const blockSize = 2;
const makeCache = () => new KvCacheModel(1, 2, 'bf16', blockSize, 2);

describe('writeKv and readKv', () => {
  test('give back what was written, rounded to the dtype of the cache', () => {
    const cache = makeCache();
    writeKv({
      cache,
      layer: 1,
      key: [1, 2, 99, 1 + 2 ** -9, 4, 99],
      value: [5, 6, 99, 7, 8, 99],
      tokenStride: 3,
      slotMapping: [4, 1],
    });
    const { key, value } = readKv(cache, 1, [1, -1, 4]);
    expect([...key]).toEqual([1, 4, 0, 0, 1, 2]);
    expect([...value]).toEqual([7, 8, 0, 0, 5, 6]);
    expect(cache.has(0, 4)).toBe(false);
  });

  test('write nothing for slot -1', () => {
    const cache = makeCache();
    writeKv({ cache, layer: 0, key: [1, 2], value: [3, 4], tokenStride: 2, slotMapping: [-1] });
    expect(cache.has(0, 0)).toBe(false);
  });

  test('refuse a slot that was never written', () => {
    expect(() => readKv(makeCache(), 0, [3])).toThrow('slot 3 of layer 0 was never written');
  });
});

describe('copyBlocks', () => {
  test('copies every layer, and what is missing in the source too', () => {
    const cache = makeCache();
    cache.write(0, 2, [1, 2], [3, 4]);
    cache.write(1, 3, [5, 6], [7, 8]);
    cache.write(0, 7, [9, 9], [9, 9]);
    copyBlocks(cache, [1, 3]);
    expect([...cache.read(0, 6).key]).toEqual([1, 2]);
    expect([...cache.read(1, 7).value]).toEqual([7, 8]);
    expect(cache.has(0, 7)).toBe(false);
    expect([...cache.read(0, 2).key]).toEqual([1, 2]);
  });
});

describe('embed', () => {
  test('takes the row of the id, or a vector where one is named', () => {
    const out = embed({
      table: [1, 2, 3, 4, 5, 6],
      hidden: 2,
      ids: [2, 0, 1],
      vectors: [7, 8, 9, 10],
      vectorRows: [-1, 1, -1],
    });
    expect([...out]).toEqual([5, 6, 9, 10, 3, 4]);
  });
});

describe('gatherRows', () => {
  test('takes rows in any order, and one twice', () => {
    expect([...gatherRows([1, 2, 3, 4, 5, 6], 2, [2, 0, 2])]).toEqual([5, 6, 1, 2, 5, 6]);
  });
});
