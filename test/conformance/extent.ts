import { type Axes, type Combination, fullProduct } from './pairwise.js';
import { Random } from './random.js';

/** How many combinations of its axes a suite runs: a pairwise cover, one share of all, or all. */
export type Extent = 'cover' | 'share' | 'all';

/** Shares that a product is divided into; each has about the same mix of values. */
export const numShares = 8;

/** Products of so few combinations are not divided: they take seconds. */
export const maxUndivided = 1000;

/**
 * What `PA_FULL` asks for: a cover where it is not set, everything for `all`, else one share.
 *
 * @throws {Error} when `PA_FULL` has another value than `1` and `all`
 */
export function extentOfThisRun(): Extent {
  const asked = process.env.PA_FULL;
  if (asked === undefined) return 'cover';
  if (asked !== '1' && asked !== 'all') throw new Error(`PA_FULL is '${asked}', not 1 or all`);
  return asked === 'all' ? 'all' : 'share';
}

/**
 * The combinations of the product that a run takes.
 *
 * @param seed chooses the share: `numShares` seeds in a row choose each combination once
 */
export function productPart<A extends Axes>(
  axes: A,
  extent: 'share' | 'all',
  seed: number,
): Combination<A>[] {
  const product = [...fullProduct(axes)];
  if (extent === 'all' || product.length <= maxUndivided) return product;
  const shuffled = new Random(1, 'shares').shuffle(product);
  return shuffled.filter((_, i) => i % numShares === seed % numShares);
}

/** `N of M cases`, as a run's title says it. */
export function describePart(numCases: number, axes: Axes): string {
  const numCombinations = Object.values(axes).reduce((product, { length }) => product * length, 1);
  return `${numCases} of ${numCombinations} cases`;
}
