import fc from 'fast-check';
import { arenaAlignment, type Lifetime, planArena } from '../../lib/device/arena-plan.js';

const lifetime = fc
  .record({
    byteLength: fc.integer({ min: 0, max: 5000 }),
    firstOp: fc.integer({ min: 0, max: 40 }),
    length: fc.integer({ min: 0, max: 12 }),
  })
  .map(({ byteLength, firstOp, length }) => ({ byteLength, firstOp, lastOp: firstOp + length }));

function liveTogether(a: Lifetime, b: Lifetime): boolean {
  return a.firstOp <= b.lastOp && b.firstOp <= a.lastOp;
}

describe('planArena', () => {
  test('never gives a byte to two activations that live at the same time', () => {
    fc.assert(
      fc.property(fc.array(lifetime, { maxLength: 40 }), (lifetimes) => {
        const { offsets, byteLength } = planArena(lifetimes);
        for (const [i, a] of lifetimes.entries()) {
          expect(offsets[i] % arenaAlignment).toBe(0);
          expect(offsets[i] + a.byteLength).toBeLessThanOrEqual(byteLength);
          for (const [j, b] of lifetimes.entries()) {
            if (i === j || !liveTogether(a, b) || a.byteLength === 0 || b.byteLength === 0)
              continue;
            const isApart =
              offsets[i] + a.byteLength <= offsets[j] || offsets[j] + b.byteLength <= offsets[i];
            expect(isApart).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is no larger than the largest moment when lifetimes are a chain', () => {
    const chain = Array.from({ length: 50 }, (_, i) => ({
      byteLength: 1024,
      firstOp: i,
      lastOp: i + 1,
    }));
    expect(planArena(chain).byteLength).toBe(2 * 1024);
  });

  test('is empty for nothing', () => {
    expect(planArena([])).toEqual({ offsets: [], byteLength: 0 });
  });
});
