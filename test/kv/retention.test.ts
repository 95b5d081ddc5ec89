import { close, countCached, countFrom, join, makeCache, open, request } from './cache-fixture.js';

describe('Retention: what is kept', () => {
  test.each([
    ['auto', 20],
    ['off', 0],
    [{ upTo: 0 }, 0],
    [{ upTo: 5 }, 5],
    [{ upTo: 8 }, 8],
    [{ upTo: 13 }, 13],
    [{ upTo: 99 }, 20],
  ] as const)('keep %p of a request of 20 tokens leaves %i of them cached', (keep, expected) => {
    const fixture = makeCache(8);
    request(fixture, countFrom(0, 20), null, { keep });
    expect(countCached(fixture, countFrom(0, 20))).toBe(expected);
  });

  test('what another request uses stays, whatever the first one wished', () => {
    const fixture = makeCache(16);
    const first = open(fixture, countFrom(0, 16));
    const second = open(fixture, join(countFrom(0, 16), countFrom(100, 8)));
    close(fixture, second);
    close(fixture, first, { keep: 'off' });
    expect(countCached(fixture, join(countFrom(0, 16), countFrom(100, 8)))).toBe(24);
    fixture.cache.checkInvariants([]);
  });

  test('what was a hit is not the request’s to forget', () => {
    const fixture = makeCache(16);
    request(fixture, countFrom(0, 16));
    request(fixture, countFrom(0, 24), null, { keep: 'off' });
    expect(countCached(fixture, countFrom(0, 24))).toBe(16);
  });

  test.each([{ upTo: -1 }, { upTo: 1.5 }, 'all'])('refuses keep %p and frees nothing', (keep) => {
    const fixture = makeCache(8);
    const sequence = open(fixture, countFrom(0, 20));
    expect(() => close(fixture, sequence, { keep: keep as 'auto' })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'keep' }),
    );
    fixture.cache.checkInvariants([sequence.table]);
    close(fixture, sequence);
  });
});

describe('Retention: maxIdleMs', () => {
  test('idle blocks are forgotten on time, never hit after, and explained', () => {
    const fixture = makeCache(8);
    const { cache, time } = fixture;
    request(fixture, countFrom(0, 20), null, { maxIdleMs: 100 });
    time.nowMs += 99;
    expect(countCached(fixture, countFrom(0, 20))).toBe(20);
    time.nowMs += 1;
    expect(countCached(fixture, countFrom(0, 20))).toBe(0); // nobody called expire()
    expect(cache.stats()).toMatchObject({ numCachedIdle: 0, numFree: 8 });
    expect(cache.stats().removals.expired).toBe(3);
    expect(cache.explain(countFrom(0, 20))).toMatchObject({ cause: 'expired', removedAtMs: 1100 });
  });

  test('a match found before the time is not honoured after it', () => {
    const fixture = makeCache(8);
    const { cache, time } = fixture;
    request(fixture, countFrom(0, 20), null, { maxIdleMs: 100 });
    const match = cache.matchPrompt(countFrom(0, 20));
    time.nowMs += 100;
    expect(cache.acquire(match)!.numCachedTokens).toBe(0);
  });

  test('the time counts from when the last user is done', () => {
    const fixture = makeCache(8);
    const { cache, time } = fixture;
    const sequence = open(fixture, countFrom(0, 16));
    time.nowMs += 1000;
    cache.expire();
    close(fixture, sequence, { maxIdleMs: 100 });
    time.nowMs += 60;
    request(fixture, countFrom(0, 16), null, { maxIdleMs: 100 });
    time.nowMs += 60;
    cache.expire();
    expect(countCached(fixture, countFrom(0, 16))).toBe(16);
  });

  test('what requests with different wishes share is kept as long as the longest of them allows', () => {
    const fixture = makeCache(16);
    const { cache, time } = fixture;
    const system = countFrom(0, 16);
    request(fixture, join(system, countFrom(100, 8)));
    request(fixture, join(system, countFrom(200, 8)), null, { maxIdleMs: 50 });
    time.nowMs += 50;
    cache.expire();
    expect(countCached(fixture, join(system, countFrom(200, 8)))).toBe(16);
    expect(countCached(fixture, join(system, countFrom(100, 8)))).toBe(24);
  });

  test('the cache’s own limit holds where nobody said anything', () => {
    const fixture = makeCache(8, { maxIdleMs: 10 });
    request(fixture, countFrom(0, 16));
    fixture.time.nowMs += 10;
    fixture.cache.expire();
    expect(fixture.cache.stats().numFree).toBe(8);
  });

  test.each([0, -5, Number.NaN])('refuses maxIdleMs and retainMs of %p', (value) => {
    const fixture = makeCache(8);
    const sequence = open(fixture, countFrom(0, 12));
    for (const options of [{ maxIdleMs: value }, { retainMs: value }]) {
      expect(() => close(fixture, sequence, options)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: Object.keys(options)[0] }),
      );
    }
    fixture.cache.checkInvariants([sequence.table]);
  });
});

describe('Retention: retainMs', () => {
  test('eviction passes over what is promised, until the promise ends', () => {
    const fixture = makeCache(8);
    const { cache, time } = fixture;
    const sequence = open(fixture, countFrom(0, 20));
    expect(close(fixture, sequence, { retainMs: 100 }).isRetained).toBe(true);
    const blocks = cache.allocate(5);
    expect(cache.tryAllocate(1)).toBeUndefined();
    expect(countCached(fixture, countFrom(0, 20))).toBe(20);
    expect(cache.stats().numPinned).toBe(3);
    time.nowMs += 100;
    cache.expire();
    expect(cache.stats()).toMatchObject({ numPinned: 0, numCachedIdle: 3 });
    cache.freeBlocks(blocks);
    cache.checkInvariants([]);
  });

  test('a promise beyond the budget is not given, and says so', () => {
    const fixture = makeCache(8, { maxPinnedFraction: 0.25 });
    const sequence = open(fixture, countFrom(0, 20));
    expect(close(fixture, sequence, { retainMs: 100 }).isRetained).toBe(false);
    expect(fixture.cache.stats()).toMatchObject({ numPinned: 0, numCachedIdle: 3 });
  });
});
