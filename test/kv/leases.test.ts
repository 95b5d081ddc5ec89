import { type BlockCopy, BlockTable } from '../../lib/kv/index.js';
import { close, countCached, countFrom, join, makeCache, open, request } from './cache-fixture.js';

const code = (name: string) => expect.objectContaining({ code: name });

describe('Leases: partial hits', () => {
  test('the source of a copy is held while the destination is taken, and until the step is submitted', () => {
    const fixture = makeCache(3);
    const { cache, allocator } = fixture;
    request(fixture, countFrom(0, 5)); // a tail: what eviction takes first
    cache.allocate(1);
    const lease = cache.acquire(cache.matchPrompt(join(countFrom(0, 5), countFrom(50, 2))))!;
    const copy = lease.copy!;
    expect(copy.numTokens).toBe(5);
    expect(copy.destination).not.toBe(copy.source);
    expect(allocator.getRefCount(copy.source)).toBe(1);
    expect(() => cache.allocate(1)).toThrow(code('ERR_OUT_OF_BLOCKS'));
    cache.releaseCopySource(copy);
    expect(cache.allocate(1)[0]).toBe(copy.source);
  });

  test('two requests may copy from one source in one step', () => {
    const fixture = makeCache(6);
    const { cache } = fixture;
    request(fixture, countFrom(0, 5));
    const leases = [1, 2].map(
      (i) => cache.acquire(cache.matchPrompt(join(countFrom(0, 5), countFrom(100 * i, 3))))!,
    );
    const [a, b] = leases.map((lease) => lease.copy!);
    expect(a.source).toBe(b.source);
    expect(new Set([a.source, a.destination, b.destination]).size).toBe(3);
    cache.checkInvariants(leases.map(({ table }) => table));
  });

  test('gives the partial hit up when the sequence fits only without its source', () => {
    const fixture = makeCache(3);
    const { cache } = fixture;
    request(fixture, countFrom(0, 20));
    const lease = cache.acquire(cache.matchPrompt(countFrom(0, 20)), { numTokens: 20 })!;
    expect(lease.copy).toBeUndefined();
    expect(lease.numCachedTokens).toBe(16);
    expect(lease.table.numBlocks).toBe(3);
    cache.checkInvariants([lease.table]);
  });

  test('a copy is released once', () => {
    const fixture = makeCache(6);
    const { cache } = fixture;
    request(fixture, countFrom(0, 5));
    const lease = cache.acquire(cache.matchPrompt(countFrom(0, 7)))!;
    cache.releaseCopySource(lease.copy!);
    expect(() => cache.releaseCopySource(lease.copy!)).toThrow(code('ERR_DOUBLE_FREE'));
  });

  test('an abort before the step releases the source with the table', () => {
    const fixture = makeCache(6);
    const { cache, allocator } = fixture;
    request(fixture, countFrom(0, 5));
    const lease = cache.acquire(cache.matchPrompt(countFrom(0, 7)), { numTokens: 7 })!;
    cache.free(lease.table);
    expect(allocator.getRefCount(lease.copy!.source)).toBe(0);
    expect(lease.copy!.isSourceHeld).toBe(false);
    cache.checkInvariants([]);
  });
});

describe('Leases: all or nothing', () => {
  test('takes nothing when blocks are short', () => {
    const fixture = makeCache(6);
    const { cache } = fixture;
    request(fixture, countFrom(0, 16));
    open(fixture, countFrom(500, 24));
    const before = cache.stats();
    const match = cache.matchPrompt(countFrom(0, 40));
    expect(cache.acquire(match, { numTokens: 40 })).toBeUndefined();
    expect(cache.stats()).toEqual(before);
    expect(cache.acquire(match, { numTokens: 24 })).toBeDefined();
  });

  test('looks again when the cache changed since the match', () => {
    const fixture = makeCache(4);
    const { cache } = fixture;
    request(fixture, countFrom(0, 24));
    const match = cache.matchPrompt(countFrom(0, 25));
    expect(match.numCachedTokens).toBe(24);
    cache.freeBlocks(cache.allocate(2)); // evicts the last full block
    const lease = cache.acquire(match, { numTokens: 25 })!;
    expect(lease.numCachedTokens).toBe(16);
    cache.checkInvariants([lease.table]);
  });

  test('growth takes nothing when blocks are short, and says what is missing', () => {
    const fixture = makeCache(4);
    const { table } = open(fixture, countFrom(0, 10));
    expect(fixture.cache.tryGrow(table, 41)).toBe(false);
    expect(table.numBlocks).toBe(2);
    expect(() => fixture.cache.grow(table, 41)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_BLOCKS', numNeeded: 4, numFree: 2 }),
    );
    fixture.cache.grow(table, 32);
    expect(table.numBlocks).toBe(4);
    fixture.cache.grow(table, 5);
    expect(table.numBlocks).toBe(4);
  });
});

describe('Leases: fork and copy on write', () => {
  test('a fork shares every block; the first to write the last one gets a copy', () => {
    const fixture = makeCache(8);
    const { cache, allocator } = fixture;
    const { table } = open(fixture, countFrom(0, 13));
    const forked = cache.fork(table);
    expect([...forked.blocks.subarray(0, 2)]).toEqual([...table.blocks.subarray(0, 2)]);
    const copy = cache.ensureWritable(forked, 13) as BlockCopy;
    expect(copy).toMatchObject({ source: table.blocks[1], numTokens: 5 });
    expect(copy.destination).toBe(forked.blocks[1]);
    expect(forked.dirtyFrom).toBeLessThanOrEqual(1);
    cache.releaseCopySource(copy);
    expect(cache.ensureWritable(table, 13)).toBeUndefined();
    expect(cache.ensureWritable(forked, 14)).toBeUndefined();
    expect(allocator.getRefCount(table.blocks[0])).toBe(2);
    cache.checkInvariants([table, forked]);
  });

  test('forks that go on differently are both cached', () => {
    const fixture = makeCache(12);
    const { cache } = fixture;
    const prompt = countFrom(0, 13);
    const { table } = open(fixture, prompt);
    const tables = [table, cache.fork(table), cache.fork(table)];
    const texts = tables.map((_, i) => join(prompt, countFrom(100 * (i + 1), 6)));
    tables.forEach((table, i) => {
      const copy = cache.ensureWritable(table, 13);
      if (copy !== undefined) cache.releaseCopySource(copy);
      cache.grow(table, 19);
      cache.registerSubmitted(table, texts[i], 19);
    });
    cache.checkInvariants(tables);
    tables.forEach((table, i) => {
      cache.free(table, { tail: { tokens: texts[i], numTokens: 19 } });
    });
    for (const text of texts) expect(countCached(fixture, text)).toBe(19);
    cache.checkInvariants([]);
  });

  test('a block whose tail is cached is written behind the tail in place, within it in a copy', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const { table, tokens } = open(fixture, countFrom(0, 12));
    cache.registerTail(table, tokens, 12);
    expect(cache.ensureWritable(table, 12)).toBeUndefined();
    expect(cache.ensureWritable(table, 11)).toMatchObject({ numTokens: 3 });
  });

  test('pins and copies of a tail do not keep its sequence from writing behind it', () => {
    const fixture = makeCache(8);
    const { cache } = fixture;
    const { table, tokens } = open(fixture, countFrom(0, 12));
    cache.registerTail(table, tokens, 12);
    cache.pin(table);
    const other = cache.acquire(cache.matchPrompt(join(tokens, countFrom(100, 3))))!;
    expect(other.copy!.source).toBe(table.blocks[1]);
    expect(cache.ensureWritable(table, 12)).toBeUndefined();
    cache.grow(table, 16);
    cache.registerSubmitted(table, countFrom(0, 16), 16);
    cache.free(table);
    cache.checkInvariants([other.table]);
    cache.free(other.table);
    expect(cache.stats()).toMatchObject({ numPinned: 2, numLive: 0 });
  });

  test('needs a block for the copy, and takes nothing without one', () => {
    const fixture = makeCache(2);
    const { cache } = fixture;
    const { table } = open(fixture, countFrom(0, 13));
    const forked = cache.fork(table);
    expect(() => cache.ensureWritable(forked, 13)).toThrow(code('ERR_OUT_OF_BLOCKS'));
    cache.checkInvariants([table, forked]);
  });

  test('refuses to fork before the copy of a partial hit was submitted', () => {
    const fixture = makeCache(6);
    request(fixture, countFrom(0, 5));
    const lease = fixture.cache.acquire(fixture.cache.matchPrompt(countFrom(0, 7)))!;
    expect(() => fixture.cache.fork(lease.table)).toThrow(code('ERR_INVALID_ARGUMENT'));
    fixture.cache.releaseCopySource(lease.copy!);
    expect(fixture.cache.fork(lease.table)).toBeInstanceOf(BlockTable);
  });

  test('refuses freed tables and positions outside the table', () => {
    const fixture = makeCache(6);
    const { cache } = fixture;
    const sequence = open(fixture, countFrom(0, 12));
    for (const position of [-1, 16, 1.5]) {
      const write = () => cache.ensureWritable(sequence.table, position);
      expect(write).toThrow(code('ERR_INVALID_ARGUMENT'));
    }
    close(fixture, sequence);
    expect(() => cache.fork(sequence.table)).toThrow(code('ERR_DOUBLE_FREE'));
    expect(() => cache.grow(sequence.table, 20)).toThrow(code('ERR_DOUBLE_FREE'));
  });
});
