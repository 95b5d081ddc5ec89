// What a caller can say about the cache, each shown by what a later request finds or the gauges say.
import type { BlockInfo, Llm, Usage } from '../../dist/index.js';
import { closeAll, freshStats, openArithmeticLlm } from './arithmetic-llm.js';
import { facts, some, user } from './messages.js';

afterEach(closeAll);

const messages = [facts, user('Where does Omar live?')];
const long = { maxTokens: 400, ignoreEos: true } as const;
const tokensFrom = (first: number, length: number) =>
  Array.from({ length }, (_, i) => (first + i * 7) % 90);

/** Prompts that have nothing in common, until every block that may be evicted was. */
async function flood(llm: Llm): Promise<void> {
  for (let i = 0; i < 12; i++)
    await llm.generate(tokensFrom(i, 90), { maxTokens: 1, salt: `${i}` });
  expect((await freshStats(llm)).cache.removals.evicted).toBeGreaterThan(0);
}

/** A request that runs until it is aborted, past its first token. */
async function startRunning(llm: Llm) {
  const running = llm.chat([facts, user('x')], long);
  await running[Symbol.asyncIterator]().next();
  return { running };
}

async function blocksOf(llm: Llm): Promise<readonly BlockInfo[]> {
  return (await llm.blockMap()).blocks;
}

describe('prewarm', () => {
  test('computes a prompt that the next request finds, up to its last token', async () => {
    const llm = await openArithmeticLlm();
    const first = await llm.prewarm({ messages });
    expect(first).toMatchObject({ cachedTokens: 0, computedTokens: first.numTokens });
    const { usage } = await llm.chat(messages, some);
    expect(usage).toMatchObject({ promptTokens: first.numTokens, computedTokens: 1 });
    const again = await llm.prewarm({ messages });
    expect(again).toMatchObject({ cachedTokens: first.numTokens - 1, computedTokens: 1 });
  });

  test('keeps all of the prompt, its last block too, until unpin()', async () => {
    const llm = await openArithmeticLlm({ numBlocks: 31, contextLen: 200 });
    const { numTokens, pin } = await llm.prewarm({ messages }, { tag: 'facts' });
    expect(numTokens % 8).not.toBe(0);
    expect(pin).toMatchObject({ numBlocks: Math.ceil(numTokens / 8), tag: 'facts' });
    expect(await freshStats(llm)).toMatchObject({
      numHandles: 0,
      cache: { numPinned: pin?.numBlocks },
    });
    await flood(llm);
    expect((await llm.prewarm({ messages }, { pin: false })).computedTokens).toBe(1);
    expect(await llm.unpin(pin!)).toBe(true);
    expect((await freshStats(llm)).cache.numPinned).toBe(0);
  });

  test('takes a text, token ids, a salt and a signal', async () => {
    const llm = await openArithmeticLlm();
    const options = { salt: 'one', pin: false };
    const { numTokens } = await llm.prewarm({ prompt: 'The vault code of Amber' }, options);
    const { usage } = await llm.generate('The vault code of Amber', { ...some, salt: 'one' });
    expect(usage).toMatchObject({ promptTokens: numTokens, computedTokens: 1 });
    const other = await llm.prewarm({ prompt: 'The vault code of Amber' }, { pin: false });
    expect(other.cachedTokens).toBe(0);
    expect(await llm.prewarm({ prompt: tokensFrom(3, 20) })).toMatchObject({ numTokens: 20 });
    const reason = new Error('no longer needed');
    const signal = AbortSignal.abort(reason);
    await expect(llm.prewarm({ messages }, { signal })).rejects.toBe(reason);
  });

  test('refuses what it cannot hold, and says so', async () => {
    const llm = await openArithmeticLlm({ numBlocks: 31, contextLen: 200 });
    const prompt = tokensFrom(0, 150);
    const refused = llm.prewarm({ prompt });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_PIN_BUDGET', maxPinned: 15 });
    expect(await llm.prewarm({ prompt }, { pin: false })).toMatchObject({ computedTokens: 1 });
    for (const options of [{ pin: false, tag: 'x' }, { ttl: 5 }]) {
      const misused = llm.prewarm({ prompt }, options as object);
      await expect(misused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    }
    expect(await freshStats(llm)).toMatchObject({
      numHandles: 0,
      cache: { numPinned: 0, numLive: 0 },
    });
  });

  test('shares the steps with requests that run, and what they compute', async () => {
    const llm = await openArithmeticLlm();
    const { running } = await startRunning(llm);
    const { cachedTokens } = await llm.prewarm({ messages });
    expect(cachedTokens).toBeGreaterThan(20);
    expect(running.tokenIds.length).toBeLessThan(400);
    running.abort('enough');
  });
});

describe('while a request runs', () => {
  test('invalidate() hides what it has computed from later requests, and it goes on', async () => {
    const alone = await openArithmeticLlm();
    const { text } = await alone.chat([facts, user('x')], long);
    const llm = await openArithmeticLlm();
    const { running } = await startRunning(llm);
    expect(await llm.invalidate({ all: true })).toBeGreaterThan(3);
    const { usage } = await llm.chat([facts, user('y')], { ...some, cache: 'auto' });
    expect(usage.cachedTokens).toBe(0);
    expect((await running).text).toBe(text);
    expect((await freshStats(llm)).cache.removals.invalidated).toBeGreaterThan(3);
  });

  test('invalidate() by salt and by tag leaves everybody else alone', async () => {
    const llm = await openArithmeticLlm();
    const { running } = await startRunning(llm);
    const document = { prompt: tokensFrom(5, 30) };
    await llm.prewarm(document, { tag: 'manual' });
    await llm.chat(messages, { ...some, salt: 'one' });
    expect(await llm.invalidate({ tag: 'manual' })).toBe(4);
    expect(await llm.invalidate({ salt: 'one' })).toBeGreaterThan(3);
    expect(await llm.explain(document)).toMatchObject({ cause: 'invalidated' });
    expect((await llm.explain({ messages }, { salt: 'one' })).cause).toBe('invalidated');
    const { usage } = await llm.chat([facts, user('x')], some);
    expect(usage.computedTokens).toBe(1);
    running.abort('enough');
  });

  test('pin() and unpin() hold and let go what it computed', async () => {
    const llm = await openArithmeticLlm();
    const { running } = await startRunning(llm);
    const pin = await llm.pin({ messages: [facts] });
    expect(pin.numBlocks).toBeGreaterThan(1);
    expect((await blocksOf(llm)).filter(({ numPins }) => numPins > 0)).toHaveLength(pin.numBlocks);
    running.abort('enough');
    await llm.generate('x', some);
    expect((await freshStats(llm)).cache.numPinned).toBe(pin.numBlocks);
    expect(await llm.unpin(pin)).toBe(true);
    expect((await freshStats(llm)).cache.numPinned).toBe(0);
  });

  test('the block map and the gauges show whom its blocks belong to', async () => {
    const llm = await openArithmeticLlm();
    const two = llm.chat(messages, { ...long, n: 2, temperature: 1 });
    await two[Symbol.asyncIterator]().next();
    const { sharedBlocks, wastedSlots, numLive } = (await freshStats(llm)).cache;
    const blocks = await blocksOf(llm);
    expect(sharedBlocks).toBeGreaterThan(3);
    expect(wastedSlots).toBeGreaterThanOrEqual(0);
    expect(blocks.filter(({ state }) => state === 'live').length).toBeGreaterThanOrEqual(numLive);
    expect(blocks.filter(({ numRefs }) => numRefs === 2).length).toBeGreaterThan(3);
    two.abort('enough');
    await llm.generate('x', some);
    const after = (await freshStats(llm)).cache;
    expect(after).toMatchObject({ sharedBlocks: 0, numLive: 0 });
    const filled = (await blocksOf(llm)).reduce((sum, { numTokens }) => sum + numTokens, 0);
    const numUsed = after.numCachedIdle + after.numPinned;
    expect(filled).toBe(numUsed * 8 - after.wastedSlots);
  });
});

describe('how long a request stays cached', () => {
  test('retainMs passes its blocks over while others are evicted', async () => {
    const llm = await openArithmeticLlm({ numBlocks: 31, contextLen: 200 });
    const kept = await llm.chat(messages, { ...some, retainMs: 600_000, tag: 'kept' });
    await flood(llm);
    const { usage } = await llm.chat(messages, some);
    expect(usage).toMatchObject({ promptTokens: kept.usage.promptTokens, computedTokens: 1 });
    expect(await llm.invalidate({ tag: 'kept' })).toBeGreaterThan(0);
    await flood(llm);
    expect((await llm.chat(messages, some)).usage.computedTokens).toBeGreaterThan(1);
  });

  test('maxIdleMs forgets its blocks, and only those', async () => {
    const llm = await openArithmeticLlm();
    await llm.chat(messages, { ...some, salt: 'stays' });
    await llm.chat(messages, { ...some, salt: 'goes', maxIdleMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await llm.explain({ messages }, { salt: 'goes' })).cause).toBe('expired');
    expect((await llm.chat(messages, { ...some, salt: 'goes' })).usage.cachedTokens).toBe(0);
    expect((await llm.chat(messages, { ...some, salt: 'stays' })).usage.computedTokens).toBe(1);
    expect((await freshStats(llm)).cache.removals.expired).toBeGreaterThan(3);
  });
});

describe('the gauges of stats()', () => {
  test('count what was asked and found in tokens, and every block once', async () => {
    const llm = await openArithmeticLlm();
    const usages: Usage[] = [];
    for (const question of ['one', 'two', 'one'])
      usages.push((await llm.chat([facts, user(question)], some)).usage);
    const { cache } = await freshStats(llm);
    const sum = (field: 'promptTokens' | 'cachedTokens' | 'copiedTokens') =>
      usages.reduce((total, usage) => total + usage[field], 0);
    expect(cache).toMatchObject({
      queryTokens: sum('promptTokens'),
      hitTokens: sum('cachedTokens'),
      copiedTokens: sum('copiedTokens'),
    });
    const { numLive, numCachedIdle, numPinned, numFree, numBlocks } = cache;
    expect(numLive + numCachedIdle + numPinned + numFree + 1).toBe(numBlocks);
    expect(cache.hitTokens).toBeGreaterThan(40);
  });
});
