import { numKvBlocks } from '../../lib/llm/kv-budget.js';

const model = { blockBytes: 1000, blockSize: 16, contextLen: 160 };
const never = () => {
  throw new Error('free memory was asked for');
};

describe('numKvBlocks', () => {
  test('is what kvCacheBytes hold, the null block among them', () => {
    expect(numKvBlocks({ ...model, kvCacheBytes: 11_000, freeBytes: never })).toBe(11);
    expect(numKvBlocks({ ...model, kvCacheBytes: 25_999, freeBytes: never })).toBe(25);
  });

  test('is a quarter of the free memory by default', () => {
    expect(numKvBlocks({ ...model, kvCacheBytes: undefined, freeBytes: () => 100_000 })).toBe(25);
  });

  test('is at most eight full contexts by default, however much is free', () => {
    const numBlocks = numKvBlocks({ ...model, kvCacheBytes: undefined, freeBytes: () => 1e15 });
    expect(numBlocks).toBe(81);
  });

  test('counts a context that ends within a block as whole blocks', () => {
    const longer = { ...model, contextLen: 161, freeBytes: never };
    expect(numKvBlocks({ ...longer, kvCacheBytes: 12_000 })).toBe(12);
    expect(() => numKvBlocks({ ...longer, kvCacheBytes: 11_999 })).toThrow(
      expect.objectContaining({ code: 'ERR_POOL_TOO_SMALL' }),
    );
  });

  test('refuses a cache that one context does not fit, with both numbers', () => {
    expect(() => numKvBlocks({ ...model, kvCacheBytes: 10_999, freeBytes: never })).toThrow(
      expect.objectContaining({
        code: 'ERR_POOL_TOO_SMALL',
        message: expect.stringMatching(/10999 bytes hold 10 .* needs 11 blocks, 11000 bytes/),
      }),
    );
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d bytes', (kvCacheBytes) => {
    expect(() => numKvBlocks({ ...model, kvCacheBytes, freeBytes: never })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'kvCacheBytes' }),
    );
  });
});
