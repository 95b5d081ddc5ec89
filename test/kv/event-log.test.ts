import { hashBlocks, type KvEvent, type StoredEvent } from '../../lib/kv/index.js';
import {
  blockSize,
  close,
  countFrom,
  type Fixture,
  join,
  makeCache,
  open,
  request,
} from './cache-fixture.js';

const hex = (bytes: Uint8Array | null) =>
  bytes === null ? null : Buffer.from(bytes).toString('hex');

function makeListened(numBlocks: number): Fixture & { events: KvEvent[] } {
  const events: KvEvent[] = [];
  return {
    ...makeCache(numBlocks, { onEvent: (event) => events.push(event), medium: 'gpu' }),
    events,
  };
}

describe('EventLog', () => {
  test('announces the blocks of a prompt when their step completed, as one run', () => {
    const fixture = makeListened(8);
    const { cache, events } = fixture;
    const tokens = countFrom(0, 20);
    const { table } = cache.acquire(cache.match(tokens), { numTokens: 20 })!;
    cache.registerSubmitted(table, tokens, 20);
    cache.flushEvents();
    expect(events).toEqual([]);
    cache.commit(table, 20);
    cache.flushEvents();
    expect(events).toHaveLength(1);
    const [stored] = events as StoredEvent[];
    expect(stored).toMatchObject({
      type: 'stored',
      sequence: 1,
      parentDigest: null,
      extraKeys: [null, null],
      blockSize,
      group: 0,
      medium: 'gpu',
    });
    expect(stored.digests.map(hex)).toEqual(hashBlocks(tokens, { blockSize }).map(hex));
    expect([...stored.tokens]).toEqual([...countFrom(0, 16)]);
  });

  test('a continuation names its parent, and a salt only its first block', () => {
    const fixture = makeListened(12);
    const extraKeys = [['salt', 's']] as const;
    const tokens = countFrom(0, 24);
    request(fixture, tokens.slice(0, 8), extraKeys);
    fixture.cache.flushEvents();
    request(fixture, tokens, extraKeys);
    fixture.cache.flushEvents();
    const [first, second] = fixture.events as StoredEvent[];
    const digests = hashBlocks(tokens, { blockSize, extraKeys }).map(hex);
    expect(first.extraKeys).toEqual([[['salt', 's']]]);
    expect(second.extraKeys).toEqual([null, null]);
    expect(hex(second.parentDigest)).toBe(digests[0]);
    expect([...first.digests, ...second.digests].map(hex)).toEqual(digests);
  });

  test('tails are never announced, neither coming nor going', () => {
    const fixture = makeListened(4);
    request(fixture, countFrom(0, 5));
    request(fixture, countFrom(100, 7));
    fixture.cache.allocate(4);
    fixture.cache.flushEvents();
    expect(fixture.events).toEqual([]);
  });

  test('removal is announced when the last place goes, the end of a prompt first', () => {
    const fixture = makeListened(8);
    const { cache, events } = fixture;
    const tokens = countFrom(0, 17);
    const leases = [0, 1].map(() => cache.acquire(cache.matchPrompt(tokens), { numTokens: 17 })!);
    for (const { table } of leases) {
      cache.registerSubmitted(table, tokens, 17);
      cache.commit(table, 17);
    }
    cache.flushEvents();
    for (const { table } of leases) cache.free(table);
    cache.flushEvents();
    expect(events.map(({ type }) => type)).toEqual(['stored']);
    cache.allocate(8);
    cache.flushEvents();
    const digests = hashBlocks(tokens, { blockSize }).map(hex);
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({ type: 'removed', sequence: 2, reason: 'evicted' });
    const removed = events[1].type === 'removed' ? events[1].digests.map(hex) : [];
    expect(removed).toEqual([...digests].reverse());
  });

  test('what goes before its digest was computed is never mentioned', () => {
    const fixture = makeListened(8);
    request(fixture, countFrom(0, 24));
    fixture.cache.allocate(7);
    fixture.cache.flushEvents();
    expect(fixture.events.map(({ type }) => type)).toEqual(['stored']);
    expect((fixture.events[0] as StoredEvent).digests).toHaveLength(1);
  });

  test('what a failed step would have filled is never mentioned', () => {
    const fixture = makeListened(8);
    const { cache, events } = fixture;
    const tokens = countFrom(0, 16);
    const { table } = cache.acquire(cache.match(tokens), { numTokens: 16 })!;
    cache.registerSubmitted(table, tokens, 16);
    cache.commit(table, 8);
    cache.dropUncommitted(table);
    cache.commit(table, 16);
    cache.flushEvents();
    expect((events as StoredEvent[]).map((event) => [...event.tokens])).toEqual([
      [...countFrom(0, 8)],
    ]);
  });

  test('invalidating all is one event', () => {
    const fixture = makeListened(16);
    request(fixture, countFrom(0, 24));
    fixture.cache.flushEvents();
    request(fixture, countFrom(100, 24));
    fixture.cache.invalidate({ all: true });
    request(fixture, countFrom(200, 8));
    fixture.cache.flushEvents();
    expect(fixture.events.map(({ type }) => type)).toEqual(['stored', 'cleared', 'stored']);
    expect(fixture.events.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  });

  test('arrives from the event loop by itself, after the cache has returned', async () => {
    const fixture = makeListened(600);
    request(fixture, countFrom(0, 8 * 590));
    expect(fixture.events).toEqual([]);
    while (countDigests(fixture.events) < 590)
      await new Promise((resolve) => setImmediate(resolve));
    expect(fixture.events.length).toBeGreaterThan(1); // sliced, so that the loop stays free
  });

  test('a listener that throws loses no later event', () => {
    const seen: number[] = [];
    const fixture = makeCache(8, {
      onEvent: ({ sequence }) => {
        seen.push(sequence);
        if (sequence === 1) throw new Error('listener');
      },
    });
    request(fixture, countFrom(0, 8));
    request(fixture, countFrom(100, 8));
    expect(() => fixture.cache.flushEvents()).toThrow('listener');
    fixture.cache.flushEvents();
    expect(seen).toEqual([1, 2]);
  });

  test('a snapshot gives the state at its number, with or without a listener', () => {
    const expected = ['0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15', '16,17,18,19,20,21,22,23'];
    for (const fixture of [makeListened(20), { ...makeCache(20), events: [] }]) {
      const { cache } = fixture;
      request(fixture, countFrom(0, 24));
      request(fixture, join(countFrom(0, 16), countFrom(100, 8)));
      const running = open(fixture, countFrom(500, 8));
      cache.dropRegistered(running.table);
      close(fixture, running, { keep: 'off' });
      cache.flushEvents();
      const { sequence, stored } = cache.snapshot();
      expect(sequence).toBe(fixture.events.length);
      const texts = stored.map((event) => event.tokens.join(','));
      expect(new Set(texts)).toEqual(new Set([...expected, '100,101,102,103,104,105,106,107']));
      const leaves = stored.filter((event) => event.parentDigest !== null);
      expect(new Set(leaves.map((event) => hex(event.parentDigest))).size).toBe(1);
    }
  });
});

function countDigests(events: readonly KvEvent[]): number {
  return events.reduce(
    (sum, event) => sum + (event.type === 'stored' ? event.digests.length : 0),
    0,
  );
}
