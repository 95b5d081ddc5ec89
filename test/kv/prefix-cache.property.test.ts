import fc from 'fast-check';
import { CacheDriver, type Operation } from './cache-driver.js';

const minOperations = 20_000;
const runsPerCheck = 40;
const maxOperationsPerRun = 400;
/** Each operation, each reason to remove and each kind of hit must have happened this often. */
const minTimesEach = 10;

const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('start' as const) },
    { weight: 5, arbitrary: fc.constant('free' as const) },
    { weight: 4, arbitrary: fc.constant('append' as const) },
    { weight: 2, arbitrary: fc.constantFrom('fork' as const, 'probe', 'allocate', 'pin') },
    { weight: 2, arbitrary: fc.constantFrom('unpin' as const, 'expire', 'invalidate', 'drop') },
  ),
  which: fc.nat(50),
  length: fc.integer({ min: 1, max: 60 }),
  choice: fc.nat(1000),
});

const histories = fc.array(operation, {
  maxLength: maxOperationsPerRun,
  size: 'max',
});

describe('PrefixCache under random interleavings', () => {
  test.each([
    ['plain LRU', false],
    ['scan resistance', true],
  ])('does what the oracle does, with %s, and keeps its invariants', (_name, scanResistance) => {
    const counts: Record<string, number> = {};
    const add = (more: Readonly<Record<string, number>>) => {
      for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + count;
    };
    let numOperations = 0;
    while (numOperations < minOperations) {
      fc.assert(
        fc.property(histories, fc.constantFrom(9, 12, 24, 40), (history, numBlocks) => {
          const driver = new CacheDriver(numBlocks, scanResistance);
          for (const step of history) driver.run(step);
          driver.finish();
          numOperations += history.length;
          add(driver.counts);
          add(driver.cache.stats().removals);
          add({ hitTokens: driver.cache.stats().hitTokens });
        }),
        { numRuns: runsPerCheck },
      );
    }
    for (const [name, count] of Object.entries(counts)) {
      expect({ name, isEnough: count >= minTimesEach }).toEqual({ name, isEnough: true });
    }
  });
});
