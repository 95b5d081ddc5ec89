import type { InvalidateTarget } from '../../lib/kv/index.js';
import { close, countCached, countFrom, join, makeCache, open, request } from './cache-fixture.js';

describe('invalidate', () => {
  test('all: nothing is hittable at once, and blocks in use go when their users are done', () => {
    const fixture = makeCache(12);
    const { cache } = fixture;
    request(fixture, countFrom(100, 20));
    const running = open(fixture, countFrom(0, 20));
    cache.pin(cache.match(countFrom(100, 16)));
    expect(cache.invalidate({ all: true })).toBe(5);
    expect(countCached(fixture, countFrom(0, 20))).toBe(0);
    expect(cache.stats()).toMatchObject({ numLive: 3, numCachedIdle: 0, numPinned: 0, numFree: 9 });
    cache.grow(running.table, 32);
    cache.registerSubmitted(running.table, countFrom(0, 32), 32);
    expect(countCached(fixture, countFrom(0, 32))).toBe(0);
    close(fixture, running);
    expect(cache.stats().numFree).toBe(12);
    cache.checkInvariants([]);
  });

  test('salt: drops what is under it and nothing else', () => {
    const fixture = makeCache(20);
    const { cache } = fixture;
    const tokens = countFrom(0, 20);
    request(fixture, tokens);
    request(fixture, tokens, [['salt', 'ann']]);
    request(fixture, tokens, [
      ['lora', 'x'],
      ['salt', 'ann'],
    ]);
    request(fixture, tokens, [['salt', 'ben']]);
    expect(cache.invalidate({ salt: 'ann' })).toBe(6);
    const left = [null, [['salt', 'ann']], [['salt', 'ben']]] as const;
    expect(left.map((keys) => countCached(fixture, tokens, keys))).toEqual([20, 0, 20]);
    expect(cache.explain(tokens, { extraKeys: [['salt', 'ann']] }).cause).toBe('invalidated');
    cache.checkInvariants([]);
  });

  test('tag: drops the tagged document and what follows it, not what others continue', () => {
    const fixture = makeCache(30);
    const { cache } = fixture;
    const system = countFrom(0, 16);
    const document = join(system, countFrom(100, 16));
    const question = join(document, countFrom(200, 8));
    request(fixture, join(system, countFrom(900, 8)));
    request(fixture, question);
    cache.pin(cache.match(document), { tag: 'doc-1' });
    expect(cache.invalidate({ tag: 'doc-2' })).toBe(0);
    expect(cache.invalidate({ tag: 'doc-1' })).toBe(3);
    expect(countCached(fixture, question)).toBe(16);
    expect(countCached(fixture, join(system, countFrom(900, 8)))).toBe(24);
    expect(cache.stats().numPinned).toBe(0);
    cache.checkInvariants([]);
  });

  test('tag: goes up to what another pin holds, and lets pins below it go', () => {
    const fixture = makeCache(30);
    const { cache } = fixture;
    const document = countFrom(0, 32);
    request(fixture, join(document, countFrom(100, 8)));
    const above = cache.pin(cache.match(document.slice(0, 8)));
    cache.pin(cache.match(document), { tag: 'doc' });
    const below = cache.pin(cache.match(join(document, countFrom(100, 8))));
    cache.invalidate({ tag: 'doc' });
    expect(countCached(fixture, document)).toBe(8);
    expect(cache.unpin(below.id)).toBe(false);
    expect(cache.unpin(above.id)).toBe(true);
    cache.checkInvariants([]);
  });

  test.each([{}, { salt: 'a', tag: 'b' }, { all: false }, { salt: 7 }, { name: 'x' }])(
    'refuses %p',
    (target) => {
      const { cache } = makeCache(4);
      expect(() => cache.invalidate(target as unknown as InvalidateTarget)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      );
    },
  );
});
