import { fullProduct, pairwiseCover } from './pairwise.js';
import { Random } from './random.js';

const axes = {
  dtype: ['f32', 'f16', 'bf16'],
  headDim: [64, 80, 96, 128, 256],
  group: [1, 2, 4, 7, 8],
  sinks: [false, true],
} as const;

describe('pairwiseCover', () => {
  test('lets every two values of different axes meet', () => {
    const cover = pairwiseCover(axes, new Random(1), 0);
    const met = new Set(cover.map(({ headDim, group }) => `${headDim}/${group}`));
    expect(met.size).toBe(25);
    expect(new Set(cover.map(({ dtype, sinks }) => `${dtype}/${sinks}`)).size).toBe(6);
    expect(new Set(cover.map(({ dtype, group }) => `${dtype}/${group}`)).size).toBe(15);
  });

  test('needs far fewer cases than the product', () => {
    expect(pairwiseCover(axes, new Random(2), 0).length).toBeLessThan(35);
    expect([...fullProduct(axes)]).toHaveLength(150);
  });

  test('adds cases until there are as many as asked for', () => {
    expect(pairwiseCover(axes, new Random(3), 60)).toHaveLength(60);
  });

  test('is the same for the same seed', () => {
    const first = pairwiseCover(axes, new Random(4), 0);
    expect(pairwiseCover(axes, new Random(4), 0)).toEqual(first);
  });
});

describe('fullProduct', () => {
  test('names each combination once', () => {
    const all = [...fullProduct(axes)].map((combination) => JSON.stringify(combination));
    expect(new Set(all).size).toBe(150);
  });

  test('is empty when an axis has no value', () => {
    expect([...fullProduct({ a: [1, 2], b: [] })]).toEqual([]);
  });
});
