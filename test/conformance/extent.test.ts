import { describePart, maxUndivided, numShares, productPart } from './extent.js';
import { fullProduct } from './pairwise.js';

const numbers = Array.from({ length: 200 }, (_, i) => i);
const axes = { first: numbers, second: ['a', 'b'], third: [true, false, undefined, null] };
const all = [...fullProduct(axes)];
const sorted = (combinations: readonly unknown[]) =>
  combinations.map((c) => JSON.stringify(Object.values(c as object))).toSorted();

describe('the part of a product that a run takes', () => {
  test('is all of it where all is asked for', () => {
    expect(productPart(axes, 'all', 5)).toEqual(all);
  });

  test.each([0, 7, 2 ** 31 - 2])(
    'is everything in as many runs as shares, from seed %i',
    (seed) => {
      const shares = Array.from({ length: numShares }, (_, i) =>
        productPart(axes, 'share', seed + i),
      );
      expect(sorted(shares.flat())).toEqual(sorted(all));
      for (const share of shares) expect(share).toHaveLength(all.length / numShares);
    },
  );

  test('is all of it where that is little', () => {
    const few = { first: numbers, second: [true, false] };
    expect([...fullProduct(few)].length).toBeLessThanOrEqual(maxUndivided);
    expect(productPart(few, 'share', 3)).toEqual([...fullProduct(few)]);
  });

  test('is the same again for the same seed', () => {
    expect(productPart(axes, 'share', 3)).toEqual(productPart(axes, 'share', 3));
  });

  test('is named with its number of cases', () => {
    expect(describePart(200, axes)).toBe('200 of 1600 cases');
  });
});
