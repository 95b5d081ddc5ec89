import type { BlockInfo, BlockUser } from '../../lib/kv/index.js';
import { close, countFrom, type Fixture, join, makeCache, open, request } from './cache-fixture.js';

/** All stretches of the map, a few blocks each. */
function wholeMap({ cache }: Fixture, users: BlockUser[] = [], maxBlocks = 5): BlockInfo[] {
  const blocks: BlockInfo[] = [];
  for (let start: number | undefined = 1; start !== undefined; ) {
    const map = cache.blockMap(users, { start, maxBlocks });
    blocks.push(...map.blocks);
    start = map.next;
  }
  return blocks;
}

const saltOne = [['salt', 'one']] as const;
const saltTwo = [['salt', 'two']] as const;

/** A cache with blocks in every state, and the sequences that run. */
function makeBusyCache() {
  const fixture = makeCache(40);
  const { cache } = fixture;
  request(fixture, countFrom(0, 20), saltOne);
  request(fixture, countFrom(500, 30), saltTwo);
  request(fixture, countFrom(300, 30));
  cache.pin(cache.match(countFrom(300, 30)), { tag: 'doc' });
  cache.pin(cache.match(countFrom(300, 8)), { tag: 'title' });
  const one = open(fixture, countFrom(300, 30));
  const two = open(fixture, join(countFrom(300, 16), countFrom(700, 5)));
  const users = [one, two].map(({ table, tokens }) => ({ table, numTokens: tokens.length }));
  return { fixture, cache, users, one, two };
}

describe('the block map', () => {
  test('adds up to the gauges of stats()', () => {
    const { fixture, cache, users } = makeBusyCache();
    const blocks = wholeMap(fixture, users);
    const stats = cache.stats(users);
    const count = (state: BlockInfo['state']) =>
      blocks.filter((block) => block.state === state).length;
    expect(blocks.map(({ block }) => block)).toEqual([...countFrom(1, 40)]);
    expect(count('live')).toBe(stats.numLive);
    expect(count('cached')).toBe(stats.numCachedIdle);
    expect(count('pinned')).toBe(stats.numPinned);
    expect(count('free')).toBe(stats.numFree);
    for (const state of ['live', 'cached', 'pinned', 'free'] as const) {
      expect(count(state)).toBeGreaterThan(0);
    }
    const wasted = blocks.map(({ numTokens }) => (numTokens === 0 ? 0 : 8 - numTokens));
    expect(stats.wastedSlots).toBe(wasted.reduce((sum, slots) => sum + slots, 0));
    expect(blocks.filter(({ numRefs, numPins }) => numRefs - numPins > 1)).toHaveLength(
      stats.sharedBlocks,
    );
  });

  test('says what a block holds, after which block, and for whom', () => {
    const { fixture, users, two } = makeBusyCache();
    const blocks = wholeMap(fixture, users);
    const [first, second, last] = [...two.table.blocks.slice(0, 3)].map((id) => blocks[id - 1]);
    expect(first).toMatchObject({ state: 'live', holds: 'full', numTokens: 8, numPins: 2 });
    expect(first).toMatchObject({ parent: undefined, saltHash: undefined, isProtected: true });
    expect(first.tags).toEqual(['doc', 'title']);
    expect(second).toMatchObject({ parent: first.block, numRefs: 3, numPins: 1, tags: ['doc'] });
    expect(last).toMatchObject({ state: 'live', holds: undefined, numTokens: 5, numRefs: 1 });
    expect(last).toMatchObject({ parent: second.block, tags: [], isProtected: false });
    const tails = blocks.filter(({ holds, state }) => holds === 'tail' && state === 'cached');
    expect(tails.map(({ numTokens }) => numTokens).sort()).toEqual([4, 6]);
  });

  test('tells salts apart without telling them, down the whole prompt', () => {
    const { fixture } = makeBusyCache();
    const hidden = open(fixture, join(countFrom(0, 20), countFrom(900, 9)), saltOne);
    const users = [{ table: hidden.table, numTokens: 29 }];
    const hashes = wholeMap(fixture, users).map(({ saltHash }) => saltHash);
    const sizes = new Map<string | undefined, number>();
    for (const hash of hashes) sizes.set(hash, (sizes.get(hash) ?? 0) + 1);
    sizes.delete(undefined);
    expect([...sizes.values()].sort()).toEqual([4, 4]);
    expect([...sizes.keys()].join()).toMatch(/^[0-9a-f]{16},[0-9a-f]{16}$/);
    expect(JSON.stringify(hashes)).not.toMatch(/one|two/);
  });

  test('comes in stretches, and refuses one that is none', () => {
    const { cache } = makeCache(10);
    const map = cache.blockMap([], { start: 8, maxBlocks: 2 });
    expect(map).toMatchObject({ numBlocks: 11, blockSize: 8, next: 10 });
    expect(map.blocks.map(({ block }) => block)).toEqual([8, 9]);
    expect(cache.blockMap().blocks).toHaveLength(10);
    expect(cache.blockMap([], { start: 11 })).toMatchObject({ blocks: [], next: undefined });
    for (const range of [{ start: 0 }, { start: 1.5 }, { maxBlocks: 0 }]) {
      expect(() => cache.blockMap([], range)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: Object.keys(range)[0] }),
      );
    }
  });
});

describe('the gauges', () => {
  test('count a block as shared while two sequences hold it, whatever pins do', () => {
    const fixture = makeCache(20);
    const { cache } = fixture;
    const one = open(fixture, countFrom(0, 20));
    cache.pin(cache.match(countFrom(0, 16)));
    expect(cache.stats().sharedBlocks).toBe(0);
    const two = open(fixture, countFrom(0, 20));
    expect(cache.stats().sharedBlocks).toBe(2);
    close(fixture, two);
    expect(cache.stats().sharedBlocks).toBe(0);
    close(fixture, one);
  });

  test('count a copy that waits for its step as no user', () => {
    const fixture = makeCache(20);
    const { cache } = fixture;
    const one = open(fixture, countFrom(0, 24));
    const prompt = join(countFrom(0, 20), countFrom(100, 9));
    const lease = cache.acquire(cache.matchPrompt(prompt), { numTokens: 29 });
    expect(lease?.copy?.source).toBe(one.table.blocks[2]);
    expect(cache.stats().sharedBlocks).toBe(2);
  });

  test('count the empty slots of tails and of blocks that are being filled, once each', () => {
    const fixture = makeCache(20);
    const { cache } = fixture;
    const one = open(fixture, countFrom(0, 21));
    const user = { table: one.table, numTokens: 21 };
    expect(cache.stats([user]).wastedSlots).toBe(3);
    const two = cache.fork(one.table);
    expect(cache.stats([user, { table: two, numTokens: 21 }]).wastedSlots).toBe(3);
    cache.registerTail(one.table, one.tokens, 19);
    expect(cache.stats([user]).wastedSlots).toBe(3);
    cache.free(two);
    close(fixture, { ...one, tokens: one.tokens.subarray(0, 19) });
    expect(cache.stats().wastedSlots).toBe(5);
  });
});
