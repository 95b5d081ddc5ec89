import { countFrom, join, makeCache, request } from './cache-fixture.js';

describe('explain', () => {
  test('cold: nothing like it was seen', () => {
    const { cache } = makeCache(8);
    expect(cache.explain(countFrom(0, 20))).toEqual({
      numCachedTokens: 0,
      firstDivergentToken: 0,
      cause: 'cold',
      removedAtMs: undefined,
      nearest: undefined,
    });
  });

  test('no cause when all tokens are cached', () => {
    const fixture = makeCache(8);
    request(fixture, countFrom(0, 20));
    const { cause, firstDivergentToken } = fixture.cache.explain(countFrom(0, 20));
    expect([cause, firstDivergentToken]).toEqual([undefined, undefined]);
  });

  test('cold behind a cached prefix that simply goes on', () => {
    const fixture = makeCache(8);
    request(fixture, countFrom(0, 16));
    const { cause, firstDivergentToken } = fixture.cache.explain(countFrom(0, 30));
    expect([cause, firstDivergentToken]).toEqual(['cold', 16]);
  });

  test('diverged: names the first other token and the nearest cached continuation', () => {
    const fixture = makeCache(16);
    request(fixture, countFrom(0, 24));
    const { cache } = fixture;
    const inside = cache.explain(join(countFrom(0, 11), countFrom(500, 9)));
    expect(inside).toMatchObject({
      cause: 'diverged',
      numCachedTokens: 11,
      firstDivergentToken: 11,
    });
    expect(inside.nearest).toEqual({ numTokens: 3, tokens: countFrom(8, 8) });
    const between = cache.explain(join(countFrom(0, 16), countFrom(500, 9)));
    expect(between).toMatchObject({ cause: 'diverged', firstDivergentToken: 16 });
  });

  test('evicted: with the time', () => {
    const fixture = makeCache(4);
    request(fixture, countFrom(0, 24));
    fixture.time.nowMs = 1234;
    fixture.cache.freeBlocks(fixture.cache.allocate(3));
    expect(fixture.cache.explain(countFrom(0, 24))).toMatchObject({
      cause: 'evicted',
      firstDivergentToken: 8,
      removedAtMs: 1234,
    });
  });

  test('salt: the same tokens are cached under another one', () => {
    const fixture = makeCache(16);
    const { cache } = fixture;
    request(fixture, countFrom(0, 20), [['salt', 'ann']]);
    const explain = (extraKeys: Parameters<typeof cache.explain>[1]) =>
      cache.explain(countFrom(0, 20), extraKeys).cause;
    expect(explain({ extraKeys: [['salt', 'ben']] })).toBe('salt');
    expect(explain({})).toBe('salt');
    expect(explain({ extraKeys: [['lora', 'ann']] })).toBe('cold');
  });

  test('discarded and dropped are told apart', () => {
    const fixture = makeCache(16);
    const { cache } = fixture;
    request(fixture, countFrom(0, 16), null, { keep: 'off' });
    expect(cache.explain(countFrom(0, 16)).cause).toBe('discarded');
  });

  test('what the cache has just found of a prompt is explained like its tokens', () => {
    const fixture = makeCache(16);
    const { cache } = fixture;
    request(fixture, countFrom(0, 24), [['salt', 'ann']]);
    request(fixture, countFrom(100, 24));
    for (const prompt of [
      countFrom(0, 20),
      countFrom(100, 30),
      join(countFrom(100, 11), countFrom(500, 9)),
      countFrom(700, 9),
    ]) {
      expect(cache.explain(cache.matchPrompt(prompt))).toEqual(cache.explain(prompt));
    }
  });

  test('a prompt whose last token alone is computed misses nothing', () => {
    const fixture = makeCache(16);
    const { cache } = fixture;
    request(fixture, countFrom(0, 24));
    for (const length of [9, 16, 17, 24]) {
      const prompt = countFrom(0, length);
      expect(cache.explain(cache.matchPrompt(prompt)).cause).toBeUndefined();
      const other = join(prompt.subarray(0, length - 1), countFrom(500, 1));
      expect(cache.explain(cache.matchPrompt(other)).cause).toBeUndefined();
    }
  });

  test('counts nothing', () => {
    const fixture = makeCache(8);
    request(fixture, countFrom(0, 20));
    const before = fixture.cache.stats();
    fixture.cache.explain(countFrom(0, 40));
    expect(fixture.cache.stats()).toEqual(before);
  });
});
