import { BlockAllocator, type ExtraKeys, PrefixCache } from '../../lib/kv/index.js';
import {
  blockSize,
  close,
  countCached,
  countFrom,
  join,
  makeCache,
  open,
  request,
} from './cache-fixture.js';

const salt = (value: string): ExtraKeys => [['salt', value]];

describe('PrefixCache: hits', () => {
  test.each([8, 16, 32])(
    'a repeated prompt of any length from 1 to 100 computes one token at block size %i',
    (blockSize) => {
      for (let length = 1; length <= 100; length++) {
        const allocator = new BlockAllocator({ numBlocks: 64, blockSize });
        const cache = new PrefixCache({ allocator });
        const tokens = countFrom(1000, length);
        for (const expected of [length, 1, 1]) {
          const lease = cache.acquire(cache.matchPrompt(tokens), { numTokens: length })!;
          expect(length - lease.numCachedTokens).toBe(expected);
          if (lease.copy) cache.releaseCopySource(lease.copy);
          cache.registerSubmitted(lease.table, tokens, length);
          cache.commit(lease.table, length);
          cache.free(lease.table, { tail: { tokens, numTokens: length } });
        }
        cache.checkInvariants([]);
      }
    },
  );

  test('shares the last full block of a cached prompt instead of copying it', () => {
    const fixture = makeCache(8);
    request(fixture, countFrom(0, 2 * blockSize));
    const again = open(fixture, countFrom(0, 2 * blockSize));
    expect(again.numCachedTokens).toBe(2 * blockSize - 1);
    expect(again.numCopiedTokens).toBe(0);
    expect(again.table.numBlocks).toBe(2);
  });

  test('a prompt is hittable while the sequence that computes it runs, before its step completed', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const tokens = countFrom(0, 20);
    const lease = cache.acquire(cache.matchPrompt(tokens), { numTokens: 20 })!;
    expect(countCached(fixture, tokens)).toBe(0);
    cache.registerSubmitted(lease.table, tokens, 12);
    expect(countCached(fixture, tokens)).toBe(8);
    cache.registerSubmitted(lease.table, tokens, 20);
    expect(countCached(fixture, tokens)).toBe(16);
    cache.checkInvariants([lease.table]);
  });

  test('a second turn computes only what is new, generated tokens being hits too', () => {
    const fixture = makeCache(16);
    const { cache } = fixture;
    const prompt = countFrom(0, 21);
    const sequence = open(fixture, prompt);
    const reply = join(prompt, countFrom(500, 13)); // the last token sampled is never run
    cache.grow(sequence.table, reply.length);
    cache.registerSubmitted(sequence.table, reply, reply.length - 1);
    cache.commit(sequence.table, reply.length - 1);
    cache.free(sequence.table, { tail: { tokens: reply, numTokens: reply.length - 1 } });
    expect(request(fixture, join(reply, countFrom(900, 9)))).toBe(reply.length - 1);
  });

  test('the child that shares most tokens is copied, inside a full block or a tail', () => {
    const fixture = makeCache(32);
    const stem = countFrom(0, 8);
    request(fixture, join(stem, countFrom(100, 3), countFrom(200, 5)));
    request(fixture, join(stem, countFrom(100, 5), countFrom(300, 1)));
    const query = (numShared: number) => join(stem, countFrom(100, numShared), countFrom(400, 9));
    expect([1, 3, 4, 5].map((n) => countCached(fixture, query(n)))).toEqual([9, 11, 12, 13]);
  });

  test('looks up at most maxTokens', () => {
    const fixture = makeCache(8);
    const tokens = countFrom(0, 24);
    request(fixture, tokens);
    const counts = [0, 1, 7, 8, 9, 23, 24].map(
      (maxTokens) => fixture.cache.match(tokens, { maxTokens }).numCachedTokens,
    );
    expect(counts).toEqual([0, 1, 7, 8, 9, 23, 24]);
    expect(() => fixture.cache.match(tokens, { maxTokens: 25 })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'maxTokens' }),
    );
  });

  test('an empty prompt and a cold cache hit nothing', () => {
    const { cache } = makeCache(4);
    expect(cache.matchPrompt(new Int32Array(0)).numCachedTokens).toBe(0);
    expect(cache.matchPrompt(countFrom(0, 30)).numCachedTokens).toBe(0);
  });

  test('a longer tail takes the place of the shorter one that it begins with', () => {
    const fixture = makeCache(8);
    request(fixture, countFrom(0, 3));
    request(fixture, countFrom(0, 6));
    expect(fixture.cache.stats().numCachedIdle).toBe(1);
    request(fixture, countFrom(0, 8));
    expect(fixture.cache.stats().numCachedIdle).toBe(1);
    request(fixture, countFrom(0, 4));
    expect(fixture.cache.stats().numCachedIdle).toBe(1);
    expect(countCached(fixture, countFrom(0, 8))).toBe(8);
  });
});

describe('PrefixCache: isolation', () => {
  test('equal prompts under different salts share nothing, not even inside a first block', () => {
    for (const length of [1, 5, 8, 13, 40]) {
      const fixture = makeCache(40);
      const tokens = countFrom(0, length);
      const asked = [null, salt('ann'), salt('ben'), [...salt('ann'), ['lora', 'x'] as const]];
      for (const extraKeys of asked) expect(request(fixture, tokens, extraKeys)).toBe(0);
      for (const extraKeys of asked) expect(request(fixture, tokens, extraKeys)).toBe(length - 1);
    }
  });

  test('an adapter separates every block, also behind a shared salt', () => {
    const fixture = makeCache(40);
    const tokens = countFrom(0, 20);
    request(fixture, tokens, [
      ['salt', 's'],
      ['lora', 'a'],
    ]);
    expect(
      countCached(fixture, tokens, [
        ['salt', 's'],
        ['lora', 'b'],
      ]),
    ).toBe(0);
    expect(
      countCached(fixture, tokens, [
        ['lora', 'a'],
        ['salt', 's'],
      ]),
    ).toBe(20);
  });

  test('keys of different kinds with one value do not meet', () => {
    const fixture = makeCache(8);
    request(fixture, countFrom(0, 12), [['salt', 'x']]);
    expect(countCached(fixture, countFrom(0, 12), [['lora', 'x']])).toBe(0);
  });

  test('forgets keys that no node and no table uses', () => {
    const fixture = makeCache(4);
    for (let i = 0; i < 50; i++) request(fixture, countFrom(0, 10), salt(`user ${i}`));
    fixture.cache.invalidate({ all: true });
    fixture.cache.checkInvariants([]);
    expect(countCached(fixture, countFrom(0, 10), salt('user 49'))).toBe(0);
  });
});

describe('PrefixCache: bookkeeping', () => {
  test('two sequences that compute one block at the same time make two places of one node', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const tokens = countFrom(0, 9);
    const leases = [0, 1].map(() => cache.acquire(cache.matchPrompt(tokens), { numTokens: 9 })!);
    for (const { table } of leases) cache.registerSubmitted(table, tokens, 9);
    cache.checkInvariants(leases.map(({ table }) => table));
    expect(cache.match(tokens).fullBlocks[0]).toBe(leases[0].table.blocks[0]);

    cache.free(leases[0].table);
    expect(cache.match(tokens).fullBlocks[0]).toBe(leases[1].table.blocks[0]);
    cache.free(leases[1].table);
    expect(cache.stats()).toMatchObject({ numCachedIdle: 1, numFree: 7, numLive: 0 });
    cache.checkInvariants([]);
  });

  test('counts queries and hits in tokens, resumed sequences apart', () => {
    const fixture = makeCache(16);
    const { cache } = fixture;
    request(fixture, countFrom(0, 20));
    request(fixture, countFrom(0, 20));
    expect(cache.stats()).toMatchObject({ queryTokens: 40, hitTokens: 19, copiedTokens: 3 });
    const resumed = cache.acquire(cache.matchPrompt(countFrom(0, 20)), { isResumed: true })!;
    expect(resumed.numCachedTokens).toBe(19);
    expect(cache.stats()).toMatchObject({ queryTokens: 40, hitTokens: 19, copiedTokens: 3 });
  });

  test('live, idle, pinned, free blocks and the null block add up', () => {
    const fixture = makeCache(12);
    const { cache } = fixture;
    request(fixture, countFrom(0, 20));
    open(fixture, countFrom(500, 10));
    cache.pin(cache.match(countFrom(0, 8)));
    expect(cache.stats()).toMatchObject({
      numBlocks: 13,
      numLive: 2,
      numCachedIdle: 2,
      numPinned: 1,
      numFree: 7,
    });
  });

  test('keeps its bookkeeping below 250 bytes per block at block size 16', () => {
    const allocator = new BlockAllocator({ numBlocks: 4096, blockSize: 16 });
    const cache = new PrefixCache({ allocator, onEvent: () => {}, maxIdleMs: 1e6 });
    const tokens = countFrom(0, 4000 * 16);
    const { table } = cache.acquire(cache.match(tokens), { numTokens: tokens.length })!;
    cache.registerSubmitted(table, tokens, tokens.length);
    cache.commit(table, tokens.length);
    cache.free(table);
    cache.flushEvents();
    expect(cache.stats().bookkeepingBytes / 4096).toBeLessThanOrEqual(250);
  });

  test('raw blocks come and go all or nothing', () => {
    const fixture = makeCache(6);
    request(fixture, countFrom(0, 16));
    const { cache } = fixture;
    expect(cache.tryAllocate(7)).toBeUndefined();
    expect(cache.stats().numCachedIdle).toBe(2);
    expect(() => cache.allocate(7)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_BLOCKS', numNeeded: 7, numFree: 6 }),
    );
    const blocks = cache.allocate(6);
    expect(new Set(blocks).size).toBe(6);
    cache.freeBlocks(blocks);
    expect(() => cache.freeBlocks(blocks)).toThrow(
      expect.objectContaining({ code: 'ERR_DOUBLE_FREE' }),
    );
    cache.checkInvariants([]);
  });

  test.each([
    [{ maxPinnedFraction: 1.5 }, 'maxPinnedFraction'],
    [{ maxPinnedFraction: Number.NaN }, 'maxPinnedFraction'],
    [{ maxGhosts: -1 }, 'maxGhosts'],
    [{ maxIdleMs: 0 }, 'maxIdleMs'],
  ])('refuses the options %p', (options, field) => {
    expect(() => makeCache(4, options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    );
  });

  test('refuses tokens that are not an Int32Array', () => {
    const { cache } = makeCache(4);
    expect(() => cache.match([1, 2] as unknown as Int32Array)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'tokens' }),
    );
  });

  test('refuses to free a table twice, with nothing changed', () => {
    const fixture = makeCache(4);
    const sequence = open(fixture, countFrom(0, 10));
    close(fixture, sequence);
    expect(() => close(fixture, sequence)).toThrow(
      expect.objectContaining({ code: 'ERR_DOUBLE_FREE' }),
    );
    fixture.cache.checkInvariants([]);
  });
});
