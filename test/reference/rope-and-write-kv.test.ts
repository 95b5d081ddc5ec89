import { Random } from '../conformance/random.js';
import { KvCacheModel } from './kv-cache.js';
import { ropeAndWriteKv } from './rope-and-write-kv.js';

const headDim = 4;

function cosSinTable(maxPositions: number, rotaryDim: number, angle: (pair: number) => number) {
  const pairs = Array.from({ length: rotaryDim / 2 }, (_, i) => i);
  return Array.from({ length: maxPositions }, (_, p) => [
    ...pairs.map((i) => Math.cos(p * angle(i))),
    ...pairs.map((i) => Math.sin(p * angle(i))),
  ]).flat();
}

function run(qkv: ArrayLike<number>, positions: number[], rotaryDim = headDim) {
  const cache = new KvCacheModel(1, headDim, 'f32', 4, 1);
  const q = ropeAndWriteKv({
    qkv,
    cosSin: cosSinTable(64, rotaryDim, (pair) => 1 / 10 ** pair),
    rotaryDim,
    positions,
    normEps: 0,
    normWeightOffset: 0,
    cache,
    layer: 0,
    slotMapping: positions.map((_, t) => t),
    numHeads: 1,
  });
  return { q, cache };
}

describe('ropeAndWriteKv', () => {
  test('turns the pair (d, d + rotaryDim / 2) by position times its angle', () => {
    const { q, cache } = run([1, 0, 0, 1, 0, 0, 2, 0, 5, 6, 7, 8], [3]);
    expect(q[0]).toBeCloseTo(Math.cos(3), 12);
    expect(q[2]).toBeCloseTo(Math.sin(3), 12);
    expect(q[1]).toBeCloseTo(-Math.sin(0.3), 12);
    expect(q[3]).toBeCloseTo(Math.cos(0.3), 12);
    const { key, value } = cache.read(0, 0);
    expect(key[0]).toBeCloseTo(-2 * Math.sin(3), 6);
    expect(key[2]).toBeCloseTo(2 * Math.cos(3), 6);
    expect([...value]).toEqual([5, 6, 7, 8]);
  });

  test('leaves elements past rotaryDim as they are', () => {
    const { q } = run([1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0], [5], 2);
    expect(q[0]).toBeCloseTo(Math.cos(5) - 2 * Math.sin(5), 12);
    expect([q[2], q[3]]).toEqual([3, 4]);
  });

  test('makes q . k depend on the distance of positions only', () => {
    const row = new Random(3).normals(12);
    const dotAt = (queryPosition: number, keyPosition: number) => {
      const { q, cache } = run([...row, ...row], [queryPosition, keyPosition]);
      return cache.read(0, 1).key.reduce((sum, k, d) => sum + k * q[d], 0);
    };
    expect(dotAt(9, 4)).toBeCloseTo(dotAt(45, 40), 5);
    expect(Math.abs(dotAt(9, 4) - dotAt(9, 5))).toBeGreaterThan(1e-3);
  });

  test('normalises each head of q and k before the rotation, and v never', () => {
    const cache = new KvCacheModel(1, headDim, 'f32', 4, 1);
    const q = ropeAndWriteKv({
      qkv: [3, 4, 0, 0, 0, 0, 0, 2, 9, 9, 9, 9],
      cosSin: cosSinTable(1, headDim, () => 0),
      rotaryDim: headDim,
      positions: [0],
      qNorm: [1, 1, 1, 1],
      kNorm: [0, 0, 0, 2],
      normEps: 0,
      normWeightOffset: 1,
      cache,
      layer: 0,
      slotMapping: [2],
      numHeads: 1,
    });
    // Rows of rms 2.5 and 1; the offset makes weights 2 and (1, 1, 1, 3).
    expect([...q]).toEqual([2.4, 3.2, 0, 0]);
    expect([...cache.read(0, 2).key]).toEqual([0, 0, 0, 6]);
    expect([...cache.read(0, 2).value]).toEqual([9, 9, 9, 9]);
  });

  test('writes nothing where the slot is -1', () => {
    const cache = new KvCacheModel(1, headDim, 'f32', 4, 1);
    ropeAndWriteKv({
      qkv: new Float32Array(12),
      cosSin: cosSinTable(1, headDim, () => 0),
      rotaryDim: headDim,
      positions: [0],
      normEps: 0,
      normWeightOffset: 0,
      cache,
      layer: 0,
      slotMapping: [-1],
      numHeads: 1,
    });
    expect(cache.has(0, 0)).toBe(false);
  });
});
