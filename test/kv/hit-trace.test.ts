import { countHits, countOptimalHits, defaultTrace, makeTrace } from '../../bench/hit-trace.mjs';
import { BlockAllocator, PrefixCache } from '../../lib/kv/index.js';

function measure(trace: typeof defaultTrace) {
  const prompts = makeTrace(trace);
  const { blockSize } = trace;
  const [lru, ours] = [false, true].map((scanResistance) => {
    const allocator = new BlockAllocator({ numBlocks: trace.numBlocks + 1, blockSize });
    return countHits(new PrefixCache({ allocator, scanResistance }), prompts);
  });
  return { lru, ours, optimal: countOptimalHits(prompts, trace) };
}

describe('hit tokens on a trace of prompts seen once and hot prefixes', () => {
  test.each([
    ['one hot prefix', {}],
    ['one hot prefix, another seed', { seed: 2 }],
    ['two hot prefixes', { numHotPrefixes: 2 }],
    ['a pool twice as large', { numBlocks: 512 }],
  ])('are at least 90 %% of the offline optimum: %s', (_name, change) => {
    const { lru, ours, optimal } = measure({ ...defaultTrace, ...change });
    expect(ours).toBeLessThanOrEqual(optimal);
    expect(ours).toBeGreaterThanOrEqual(0.9 * optimal);
    expect(lru).toBeLessThan(ours);
  });

  test('the optimum of a trace that fits is every repeated block', () => {
    const prompts = [countUp(0, 32), countUp(100, 32), countUp(0, 32)];
    expect(countOptimalHits(prompts, { numBlocks: 4, blockSize: 16 })).toBe(32);
    expect(countOptimalHits(prompts, { numBlocks: 3, blockSize: 16 })).toBe(16);
    expect(countOptimalHits(prompts, { numBlocks: 2, blockSize: 16 })).toBe(0);
  });
});

function countUp(first: number, length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => first + i);
}
