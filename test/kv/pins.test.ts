import { countCached, countFrom, join, makeCache, open, request } from './cache-fixture.js';

describe('Pins', () => {
  test('a pin keeps what is cached of a prompt from eviction until it is let go', () => {
    const fixture = makeCache(6);
    const { cache } = fixture;
    request(fixture, countFrom(0, 20));
    const pin = cache.pin(cache.match(countFrom(0, 20)), { tag: 'doc' });
    expect(pin).toMatchObject({ tag: 'doc', numBlocks: 3, expiresAtMs: Number.POSITIVE_INFINITY });
    cache.freeBlocks(cache.allocate(3));
    expect(cache.tryAllocate(4)).toBeUndefined();
    expect(countCached(fixture, countFrom(0, 20))).toBe(20);
    cache.checkInvariants([]);
    expect(cache.unpin(pin.id)).toBe(true);
    expect(cache.unpin(pin.id)).toBe(false);
    cache.allocate(6);
    expect(countCached(fixture, countFrom(0, 20))).toBe(0);
  });

  test('a pin of a prompt that is cached in part holds its full blocks, not what goes on differently', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    request(fixture, countFrom(0, 24));
    const prompt = join(countFrom(0, 20), countFrom(100, 4));
    expect(cache.match(prompt).numCachedTokens).toBe(20);
    expect(cache.pin(cache.match(prompt)).numBlocks).toBe(2);
  });

  test('a pin of a table keeps its tail too, as a prefix handle needs it', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const { table, tokens } = open(fixture, countFrom(0, 21));
    cache.registerTail(table, tokens, 21);
    expect(cache.pin(table).numBlocks).toBe(3);
    cache.free(table);
    cache.freeBlocks(cache.allocate(5));
    expect(request(fixture, join(tokens, countFrom(100, 6)))).toBe(21);
    cache.checkInvariants([]);
  });

  test('keeps the block that holds a tail for it when that is another one’s', () => {
    const fixture = makeCache(12);
    const { cache } = fixture;
    request(fixture, countFrom(0, 24));
    const { table, tokens } = open(fixture, countFrom(0, 21));
    cache.registerTail(table, tokens, 21);
    cache.pin(table);
    cache.free(table);
    cache.freeBlocks(cache.allocate(9));
    expect(countCached(fixture, tokens)).toBe(21);
  });

  test('a pin goes by itself when its time is over', () => {
    const fixture = makeCache(8);
    const { cache, time } = fixture;
    request(fixture, countFrom(0, 16));
    const long = cache.pin(cache.match(countFrom(0, 16)), { ttlMs: 200 });
    const short = cache.pin(cache.match(countFrom(0, 8)), { ttlMs: 100 });
    expect([short.expiresAtMs, long.expiresAtMs]).toEqual([1100, 1200]);
    time.nowMs = 1100;
    cache.expire();
    expect(cache.unpin(short.id)).toBe(false);
    expect(cache.stats().numPinned).toBe(2);
    time.nowMs = 1200;
    expect(cache.tryAllocate(8)).toBeUndefined(); // only expire, match, acquire and pin look at the clock
    cache.expire();
    expect(cache.stats()).toMatchObject({ numPinned: 0, numCachedIdle: 2 });
    cache.checkInvariants([]);
  });

  test('pins hold at most their share of the pool, blocks that two hold counted once', () => {
    const fixture = makeCache(8, { maxPinnedFraction: 0.5 });
    const { cache } = fixture;
    expect(cache.maxPinnedBlocks).toBe(4);
    request(fixture, countFrom(0, 24));
    request(fixture, countFrom(100, 24));
    cache.pin(cache.match(countFrom(0, 24)));
    cache.pin(cache.match(countFrom(0, 16)));
    const before = cache.stats();
    expect(() => cache.pin(cache.match(countFrom(100, 16)))).toThrow(
      expect.objectContaining({ code: 'ERR_PIN_BUDGET', numNeeded: 2, numPinned: 3, maxPinned: 4 }),
    );
    expect(cache.stats()).toEqual(before);
    cache.pin(cache.match(countFrom(100, 8)));
    cache.checkInvariants([]);
  });

  test('refuses a time to live that is not above 0', () => {
    const { cache } = makeCache(4);
    for (const ttlMs of [0, -1, Number.NaN]) {
      expect(() => cache.pin(cache.match(countFrom(0, 8)), { ttlMs })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'ttlMs' }),
      );
    }
  });
});
