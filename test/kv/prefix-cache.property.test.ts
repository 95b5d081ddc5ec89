import fc from 'fast-check';
import { CacheDriver, type Operation } from './cache-driver.js';

const numRuns = 160;
const maxOperationsPerRun = 400;

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
    fc.assert(
      fc.property(histories, fc.constantFrom(12, 24, 40), (history, numBlocks) => {
        const driver = new CacheDriver(numBlocks, scanResistance);
        for (const step of history) driver.run(step);
        driver.finish();
        for (const [kind, count] of Object.entries(driver.counts)) {
          counts[kind] = (counts[kind] ?? 0) + count;
        }
      }),
      { numRuns },
    );
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    expect(total).toBeGreaterThanOrEqual(20_000);
  });
});
