import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(7);
const vocabSize = 97;
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);
const typed = (tokens: readonly number[]): Int32Array => Int32Array.from(tokens);

function engineWithClock(options: { numBlocks?: number } = {}) {
  const clock = { nowMs: 0 };
  const engine = arithmeticEngine({
    numBlocks: 64,
    blockSize: 8,
    ...options,
    engine: { clock: () => clock.nowMs },
  });
  const { client } = engine;
  const cachedTokens = async (prompt: readonly number[], changes = {}) =>
    (await client.runOne(prompt, { cache: 'auto', ...changes })).finished!.usage.cachedTokens;
  return { ...engine, clock, cachedTokens };
}

describe('cache policy', () => {
  test("'off' neither finds nor leaves anything", async () => {
    const { client, core, cachedTokens } = engineWithClock();
    const prompt = promptOf(30);
    await client.run(prompt, { cache: 'off' });
    expect(core.stats().cache).toMatchObject({ numFree: 63, numCachedIdle: 0 });
    expect(await cachedTokens(prompt)).toBe(0);
    expect(await cachedTokens(prompt, { cache: 'off' })).toBe(0);
    expect(await cachedTokens(prompt)).toBe(29);
  });

  test('upToTokens keeps nothing beyond', async () => {
    const { client, cachedTokens } = engineWithClock();
    const prompt = promptOf(40);
    await client.run(prompt, { cache: { upToTokens: 19 }, maxTokens: 10 });
    expect(await cachedTokens(prompt, { cache: { upToTokens: 19 } })).toBe(19);
  });

  test('equal prompts under different salts share nothing', async () => {
    const { client, cachedTokens } = engineWithClock();
    const prompt = promptOf(30);
    await client.run(prompt, { salt: 'north' });
    expect(await cachedTokens(prompt)).toBe(0);
    expect(await cachedTokens(prompt, { salt: 'south' })).toBe(0);
    expect(await cachedTokens(prompt, { salt: 'north' })).toBe(29);
  });

  test('maxIdleMs forgets what nobody used for so long, and says so', async () => {
    const { client, clock, cachedTokens, core } = engineWithClock();
    const prompt = promptOf(30);
    await client.run(prompt, { maxIdleMs: 1000 });
    clock.nowMs = 999;
    expect(core.explain({ tokens: typed(prompt) }).numCachedTokens).toBe(30);
    clock.nowMs = 2001;
    expect(core.explain({ tokens: typed(prompt) })).toMatchObject({ cause: 'expired' });
    expect(await cachedTokens(prompt)).toBe(0);
  });

  test('retainMs keeps a prefix that others would push out, for as long', async () => {
    const { client, clock, core } = engineWithClock({ numBlocks: 21 });
    const kept = promptOf(40);
    const numCached = () => core.explain({ tokens: typed(kept) }).numCachedTokens;
    await client.run(kept, { retainMs: 1000 });
    const flood = async () => {
      for (let i = 0; i < 6; i++) await client.run(promptOf(100));
    };
    await flood();
    expect(numCached()).toBe(40);
    clock.nowMs = 1001;
    await flood();
    expect(numCached()).toBeLessThan(40);
  });

  test('a tag names what invalidate drops', async () => {
    const { client, core, cachedTokens } = engineWithClock();
    const [tagged, other] = [promptOf(30), promptOf(30)];
    await client.run(tagged, { retainMs: 1000, tag: 'handbook' });
    await client.run(other);
    expect(core.invalidate({ tag: 'handbook' })).toBe(4);
    expect(await cachedTokens(tagged)).toBe(0);
    expect(await cachedTokens(other)).toBe(29);
  });

  test('invalidate while a request runs changes no answer', async () => {
    const { client, core } = engineWithClock();
    const prompt = promptOf(30);
    client.afterEvents = () => core.invalidate({ all: true });
    const { tokens } = await client.runOne(prompt, { maxTokens: 20 });
    expect(tokens).toEqual(answerAlone(prompt, 20, vocabSize).tokens);
    expect(core.stats().cache.numLive).toBe(0);
  });

  test('pins keep a prompt until they are let go', async () => {
    const { client, core, cachedTokens } = engineWithClock({ numBlocks: 21 });
    const kept = promptOf(40);
    await client.run(kept);
    const { id, numBlocks } = core.pin({ tokens: typed(kept) });
    expect(numBlocks).toBe(5);
    for (let i = 0; i < 6; i++) await client.run(promptOf(100));
    expect(await cachedTokens(kept)).toBe(39);
    expect([core.unpin(id), core.unpin(id)]).toEqual([true, false]);
  });
});

describe('a prefix handle', () => {
  test('continues exactly where its answer ended', async () => {
    const { client } = engineWithClock();
    const prompt = promptOf(21);
    const first = await client.runOne(prompt, { maxTokens: 6, keepPrefix: true });
    const added = promptOf(5);
    const { tokens, finished } = await client.runOne(added, {
      maxTokens: 4,
      continueFrom: first.finished!.handle,
    });
    const whole = [...prompt, ...first.tokens, ...added];
    expect(tokens).toEqual(answerAlone(whole, 4, vocabSize).tokens);
    // All but the last drawn token, which never ran, and the new ones.
    expect(finished!.usage).toMatchObject({ promptTokens: 32, cachedTokens: 26 });
  });

  test('holds its blocks against eviction until it is released', async () => {
    const { client, core } = engineWithClock({ numBlocks: 21 });
    const prompt = promptOf(21);
    const { finished } = await client.runOne(prompt, { maxTokens: 6, keepPrefix: true });
    const handle = finished!.handle!;
    for (let i = 0; i < 6; i++) await client.run(promptOf(100));
    const again = await client.runOne([1], { continueFrom: handle });
    expect(again.finished!.usage).toMatchObject({ promptTokens: 28, cachedTokens: 26 });
    expect(core.stats()).toMatchObject({ numHandles: 1, cache: { numPinned: 4 } });
    expect([core.releaseHandle(handle), core.releaseHandle(handle)]).toEqual([true, false]);
    expect(core.stats()).toMatchObject({ numHandles: 0, cache: { numPinned: 0 } });
    const gone = client.runOne([1], { continueFrom: handle });
    await expect(gone).rejects.toMatchObject({ code: 'ERR_PREFIX_RELEASED' });
  });

  test('expires after retainMs', async () => {
    const { client, clock, core } = engineWithClock();
    const options = { keepPrefix: true, retainMs: 500 };
    const { finished } = await client.runOne(promptOf(21), options);
    clock.nowMs += 501;
    const gone = client.runOne([1], { continueFrom: finished!.handle });
    await expect(gone).rejects.toMatchObject({ code: 'ERR_PREFIX_RELEASED' });
    expect(core.stats()).toMatchObject({ numHandles: 0, cache: { numPinned: 0 } });
  });

  test('past the pin budget is given all the same, and its blocks are cached like others', async () => {
    const { client, core } = engineWithClock({ numBlocks: 21 });
    const options = { keepPrefix: true };
    const first = await client.runOne(promptOf(70), options);
    const second = await client.runOne(promptOf(70), options);
    expect(core.stats()).toMatchObject({ numHandles: 2, cache: { numPinned: 9 } });
    for (const { finished } of [first, second]) {
      const again = await client.runOne([1], { continueFrom: finished!.handle });
      expect(again.finished!.usage.promptTokens).toBe(72);
    }
  });

  test('stays under its salt', async () => {
    const { client } = engineWithClock();
    const prompt = promptOf(21);
    const { finished } = await client.runOne(prompt, { keepPrefix: true, salt: 'north' });
    const continueFrom = finished!.handle;
    const other = client.runOne([1], { continueFrom, salt: 'south' });
    await expect(other).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'salt' });
    const same = await client.runOne([1], { continueFrom });
    expect(same.finished!.usage.cachedTokens).toBe(21);
  });

  test('may be continued without a new token', async () => {
    const { client } = engineWithClock();
    const prompt = promptOf(10);
    const first = await client.runOne(prompt, { maxTokens: 3, keepPrefix: true });
    const more = await client.runOne([], { maxTokens: 3, continueFrom: first.finished!.handle });
    expect([...first.tokens, ...more.tokens]).toEqual(answerAlone(prompt, 6, vocabSize).tokens);
    expect(more.finished!.usage.computedTokens).toBe(1);
  });
});

describe('close', () => {
  test('lets all handles go', async () => {
    const { client, core } = engineWithClock();
    await client.runOne(promptOf(21), { keepPrefix: true });
    await core.close();
    expect(core.stats()).toMatchObject({ numHandles: 0, cache: { numPinned: 0, numLive: 0 } });
  });
});
