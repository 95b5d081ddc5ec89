import type { BlockTable, PrefixCache } from '../../lib/kv/index.js';
import { close, countCached, countFrom, join, makeCache, open, request } from './cache-fixture.js';

/** A sequence whose prompt was submitted but whose step did not complete. */
function submit(cache: PrefixCache, tokens: Int32Array, maxKeepTokens?: number): BlockTable {
  const lease = cache.acquire(cache.matchPrompt(tokens), {
    numTokens: tokens.length,
    maxKeepTokens,
  })!;
  if (lease.copy !== undefined) cache.releaseCopySource(lease.copy);
  cache.registerSubmitted(lease.table, tokens, tokens.length);
  return lease.table;
}

describe('Registration', () => {
  test('a failed step takes back what it would have filled, and keeps what completed before', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const tokens = countFrom(0, 32);
    const table = submit(cache, tokens.slice(0, 16));
    cache.commit(table, 16);
    cache.grow(table, 32);
    cache.registerSubmitted(table, tokens, 32);
    expect(countCached(fixture, tokens)).toBe(32);
    expect(cache.dropUncommitted(table)).toEqual([]);
    expect(countCached(fixture, tokens)).toBe(16);
    cache.free(table);
    expect(countCached(fixture, tokens)).toBe(16);
    cache.checkInvariants([]);
  });

  test('names the sequences that hit, forked or copied what a failed step would have filled', () => {
    const fixture = makeCache(30);
    const { cache } = fixture;
    const tokens = countFrom(0, 20);
    const failed = submit(cache, tokens);
    const hitter = submit(cache, join(tokens, countFrom(100, 9)));
    const copier = submit(cache, join(countFrom(0, 12), countFrom(200, 9)));
    const copierOfCopier = submit(
      cache,
      join(countFrom(0, 12), countFrom(200, 6), countFrom(300, 9)),
    );
    const forked = cache.fork(failed);
    const stranger = submit(cache, countFrom(500, 20));
    const others = [hitter, copier, copierOfCopier, forked, stranger];
    const affected = cache.dropUncommitted(failed, [...others, failed]);
    expect(new Set(affected)).toEqual(new Set([hitter, copier, copierOfCopier, forked]));
    expect(countCached(fixture, join(countFrom(0, 12), countFrom(200, 9)))).toBe(0);
    expect(countCached(fixture, countFrom(500, 16))).toBe(16);
    cache.checkInvariants([failed, ...others]);
  });

  test('names who copied from the tail that a failed step would have filled', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const failed = submit(cache, countFrom(0, 5));
    cache.registerTail(failed, countFrom(0, 5), 5);
    const copier = submit(cache, join(countFrom(0, 5), countFrom(200, 2)));
    const stranger = submit(cache, countFrom(500, 5));
    expect(cache.dropUncommitted(failed, [copier, stranger])).toEqual([copier]);
    cache.checkInvariants([failed, copier, stranger]);
  });

  test('names who forked a block that a failed step was to fill by a copy', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const parent = submit(cache, countFrom(0, 5), 0);
    const earlier = cache.fork(parent);
    const copy = cache.ensureWritable(parent, 5)!;
    cache.releaseCopySource(copy);
    const later = cache.fork(parent);
    const laterStill = cache.fork(later);
    expect(cache.ensureWritable(laterStill, 5)?.source).toBe(copy.destination);
    const others = [earlier, later, laterStill];
    cache.free(parent);
    expect(cache.dropUncommitted(parent, others)).toEqual([later, laterStill]);
    cache.checkInvariants(others);
  });

  test('non-finite logits drop everything that the sequence registered, and nothing it had hit', () => {
    const fixture = makeCache(12);
    const { cache } = fixture;
    request(fixture, countFrom(0, 16));
    const tokens = join(countFrom(0, 16), countFrom(100, 20));
    const { table } = open(fixture, tokens);
    cache.dropRegistered(table);
    cache.free(table);
    expect(countCached(fixture, tokens)).toBe(16);
    cache.checkInvariants([]);
  });

  test('a step that fails or completes after its sequence was freed still counts', () => {
    const fixture = makeCache(16);
    const { cache } = fixture;
    const failed = submit(cache, countFrom(0, 16));
    const completed = submit(cache, countFrom(100, 16));
    cache.free(failed);
    cache.free(completed);
    expect(countCached(fixture, countFrom(0, 16))).toBe(16);
    cache.dropUncommitted(failed);
    cache.commit(completed, 16);
    expect(countCached(fixture, countFrom(0, 16))).toBe(0);
    expect(cache.snapshot().stored.map(({ tokens }) => [...tokens])).toEqual([
      [...countFrom(100, 16)],
    ]);
    cache.checkInvariants([]);
  });

  test('a failure does not drop what somebody else put into the same blocks since', () => {
    const fixture = makeCache(4);
    const { cache } = fixture;
    const failed = submit(cache, countFrom(0, 16));
    cache.free(failed);
    cache.freeBlocks(cache.allocate(4));
    request(fixture, countFrom(100, 30));
    cache.dropUncommitted(failed);
    expect(countCached(fixture, countFrom(100, 30))).toBe(30);
  });

  test('a failure of one of two sequences that computed a block leaves the other one’s place', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const tokens = countFrom(0, 9);
    const [a, b] = [0, 1].map(
      () => cache.acquire(cache.matchPrompt(tokens), { numTokens: 9 })!.table,
    );
    for (const table of [a, b]) cache.registerSubmitted(table, tokens, 9);
    expect(cache.dropUncommitted(a, [b])).toEqual([]);
    expect(countCached(fixture, tokens)).toBe(8);
    cache.checkInvariants([a, b]);
  });

  test('tokens beyond maxKeepTokens are never hittable, not even while the sequence runs', () => {
    for (const [maxKeepTokens, expected] of [
      [0, 0],
      [5, 5],
      [8, 8],
      [19, 19],
      [100, 24],
    ]) {
      const fixture = makeCache(8);
      const tokens = countFrom(0, 24);
      const table = submit(fixture.cache, tokens, maxKeepTokens);
      const numFull = Math.floor(expected / 8) * 8;
      expect(countCached(fixture, tokens)).toBe(numFull);
      close(fixture, { table, tokens, numCachedTokens: 0, numCopiedTokens: 0 });
      expect(countCached(fixture, tokens)).toBe(expected);
      fixture.cache.checkInvariants([]);
    }
  });

  test('a block that fills up after its tail was registered becomes a full block', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const tokens = countFrom(0, 24);
    const { table } = open(fixture, tokens.slice(0, 12));
    cache.registerTail(table, tokens, 12);
    expect(countCached(fixture, tokens)).toBe(12);
    cache.grow(table, 24);
    cache.registerSubmitted(table, tokens, 24);
    expect(countCached(fixture, tokens)).toBe(24);
    cache.checkInvariants([table]);
  });

  test('refuses more tokens than the table covers, and freed tables', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const sequence = open(fixture, countFrom(0, 12));
    const field = (name: string) =>
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: name });
    for (const end of [17, -1, 2.5]) {
      expect(() => cache.registerSubmitted(sequence.table, countFrom(0, 30), end)).toThrow(
        field('end'),
      );
    }
    expect(() => cache.registerTail(sequence.table, countFrom(0, 5), 6)).toThrow(field('end'));
    close(fixture, sequence);
    expect(() => cache.registerTail(sequence.table, countFrom(0, 12), 12)).toThrow(field('table'));
  });
});
