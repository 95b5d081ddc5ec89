import { close, countCached, countFrom, join, makeCache, open, request } from './cache-fixture.js';

describe('EvictionQueue', () => {
  test('takes empty blocks first, then tails, then full blocks, each least recently used first', () => {
    const fixture = makeCache(8, { scanResistance: false });
    const { cache } = fixture;
    request(fixture, countFrom(0, 8)); // a full block, oldest
    request(fixture, countFrom(100, 3)); // a tail
    request(fixture, countFrom(200, 16)); // two full blocks
    request(fixture, countFrom(300, 4)); // a tail
    const prompts = [
      [0, 8],
      [100, 3],
      [200, 16],
      [300, 4],
    ] as const;
    const cached = () =>
      prompts.map(([first, length]) => countCached(fixture, countFrom(first, length)));
    const steps = [
      [3, [8, 3, 16, 4]],
      [1, [8, 0, 16, 4]],
      [1, [8, 0, 16, 0]],
      [1, [0, 0, 16, 0]],
      [1, [0, 0, 8, 0]],
      [1, [0, 0, 0, 0]],
    ] as const;
    for (const [count, expected] of steps) {
      cache.allocate(count);
      expect(cached()).toEqual(expected);
    }
  });

  test('the end of a prompt goes before its beginning', () => {
    const fixture = makeCache(6);
    const tokens = countFrom(0, 48);
    request(fixture, tokens);
    const left = [1, 1, 1, 1, 1].map(() => {
      fixture.cache.allocate(1);
      return countCached(fixture, tokens);
    });
    expect(left).toEqual([40, 32, 24, 16, 8]);
  });

  test('a hit makes a prefix the last to go', () => {
    const fixture = makeCache(4, { scanResistance: false });
    request(fixture, countFrom(0, 16));
    request(fixture, countFrom(100, 16));
    request(fixture, countFrom(0, 16));
    fixture.cache.allocate(2);
    expect(countCached(fixture, countFrom(0, 16))).toBe(16);
    expect(countCached(fixture, countFrom(100, 16))).toBe(0);
  });

  test('never takes a block that somebody holds', () => {
    const fixture = makeCache(6);
    const sequence = open(fixture, countFrom(0, 20));
    request(fixture, countFrom(100, 16));
    expect(() => fixture.cache.allocate(4)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_BLOCKS', numNeeded: 4, numFree: 3 }),
    );
    fixture.cache.allocate(3);
    expect(countCached(fixture, countFrom(0, 20))).toBe(16);
    close(fixture, sequence);
  });

  test('prompts seen once do not flush a prefix that was hit', () => {
    const hot = countFrom(0, 40);
    for (const scanResistance of [true, false]) {
      const fixture = makeCache(24, { scanResistance });
      request(fixture, hot);
      request(fixture, hot);
      for (let i = 1; i <= 30; i++) request(fixture, countFrom(1000 * i, 32));
      expect(countCached(fixture, hot)).toBe(scanResistance ? 40 : 0);
    }
  });

  test('a prefix that was evicted and comes again is kept like one that was hit', () => {
    const hot = countFrom(0, 32);
    const fixture = makeCache(24);
    request(fixture, hot);
    for (let i = 1; i <= 6; i++) request(fixture, countFrom(1000 * i, 32));
    expect(countCached(fixture, hot)).toBe(0);
    request(fixture, hot);
    for (let i = 11; i <= 40; i++) request(fixture, countFrom(1000 * i, 32));
    expect(countCached(fixture, hot)).toBe(32);
  });

  test('prefixes that are hit no more make room for new ones that are', () => {
    const fixture = makeCache(24);
    const old = countFrom(0, 160);
    const young = countFrom(9000, 160);
    request(fixture, old);
    request(fixture, old);
    for (let i = 0; i < 6; i++) request(fixture, young);
    expect(countCached(fixture, young)).toBe(160);
  });

  test('a branch is evicted before the stem that a later request used', () => {
    const fixture = makeCache(8, { scanResistance: false });
    const stem = countFrom(0, 16);
    request(fixture, join(stem, countFrom(100, 16)));
    request(fixture, join(stem, countFrom(200, 16)));
    fixture.cache.allocate(2 + 2);
    expect(countCached(fixture, join(stem, countFrom(100, 16)))).toBe(16);
    expect(countCached(fixture, join(stem, countFrom(200, 16)))).toBe(32);
  });
});
