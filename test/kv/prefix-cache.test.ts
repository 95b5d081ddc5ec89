import { BlockAllocator, PrefixCache } from '../../lib/kv/index.js';

describe('PrefixCache', () => {
  test.each([8, 16, 32])(
    'computes one token of a repeated prompt of 1 to 100 tokens at block size %i',
    (blockSize) => {
      for (let length = 1; length <= 100; length++) {
        const cache = new PrefixCache({
          allocator: new BlockAllocator({ numBlocks: 64, blockSize }),
        });
        const tokens = Int32Array.from({ length }, (_, i) => 1000 + i * 7);
        for (let turn = 0; turn < 3; turn++) {
          const lease = cache.acquire(cache.matchPrompt(tokens), { numTokens: length })!;
          expect(length - lease.numCachedTokens).toBe(turn === 0 ? length : 1);
          if (lease.copy) cache.releaseCopySource(lease.copy);
          cache.registerSubmitted(lease.table, tokens, length);
          cache.commit(lease.table, length);
          cache.checkInvariants([lease.table]);
          cache.free(lease.table, { tail: { tokens, numTokens: length } });
          cache.checkInvariants([]);
        }
      }
    },
  );
});
