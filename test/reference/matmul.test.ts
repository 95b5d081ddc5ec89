import { Random } from '../conformance/random.js';
import { roundTo } from './dtype.js';
import { matmul, orderedDot } from './matmul.js';

describe('matmul', () => {
  test('multiplies by the transposed weight and adds the bias', () => {
    const { out, magnitude } = matmul({
      x: [1, 2, 3, 4],
      weight: [1, 0, 0, -1, 1, 1],
      inDim: 2,
      bias: [10, 20, 30],
    });
    expect([...out]).toEqual([11, 18, 33, 13, 16, 37]);
    expect([...magnitude]).toEqual([11, 22, 33, 13, 24, 37]);
  });
});

describe('orderedDot', () => {
  test('takes the odd element of a pair of 2-byte elements first', () => {
    // 2^30 swallows 1 when it is there first, and then cancels.
    const x = [1, 2 ** 30, -(2 ** 30), 0];
    const ones = [1, 1, 1, 1];
    expect(orderedDot('f32', x, ones)).toBe(0);
    expect(orderedDot('bf16', [2 ** 30, 1, 0, -(2 ** 30)], ones)).toBe(0);
    expect(orderedDot('bf16', [0, 2 ** 30, 1, -(2 ** 30)], ones)).toBe(1);
  });

  test('stays near the exact dot product', () => {
    const random = new Random(5);
    for (const dtype of ['f32', 'f16', 'bf16'] as const) {
      const x = [...random.normals(333)].map((value) => roundTo(dtype, value));
      const w = [...random.normals(333)].map((value) => roundTo(dtype, value));
      const { out, magnitude } = matmul({ x, weight: w, inDim: 333 });
      expect(Math.abs(orderedDot(dtype, x, w) - out[0])).toBeLessThan(magnitude[0] * 2 ** -20);
    }
  });
});
