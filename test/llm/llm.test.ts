import type { GenerateOptions } from '../../dist/llm/index.js';
import { closeAll, freshStats, openArithmeticLlm } from './arithmetic-llm.js';
import { assistant, facts, some, user } from './messages.js';

afterEach(closeAll);

describe('usage', () => {
  test('says that the second user did not pay for the shared text', async () => {
    const llm = await openArithmeticLlm();
    const ann = await llm.chat([facts, user('What is the code of Amber?')], some);
    const ben = await llm.chat([facts, user('Where does Omar live?')], some);
    expect(ann.usage).toMatchObject({ cachedTokens: 0, missReason: 'cold' });
    expect(ben.usage.cachedTokens).toBeGreaterThan(20);
    for (const { usage } of [ann, ben]) {
      expect(usage.cachedTokens + usage.computedTokens).toBe(usage.promptTokens);
      expect(usage.outputTokens).toBe(20);
      expect(usage.recomputedTokens).toBe(0);
    }
  });

  test('has times that follow each other', async () => {
    const llm = await openArithmeticLlm();
    const { usage } = await llm.chat([facts, user('Where?')], some);
    const { tokenizeMs, queueMs, prefillMs, firstTokenMs, decodeMs } = usage.timings;
    for (const ms of [tokenizeMs, queueMs, prefillMs, decodeMs])
      expect(ms).toBeGreaterThanOrEqual(0);
    expect(firstTokenMs).toBeCloseTo(tokenizeMs + queueMs + prefillMs, 6);
  });

  test('of a repeated prompt is one computed token, whatever its length', async () => {
    const llm = await openArithmeticLlm();
    for (const length of [1, 7, 8, 9, 40]) {
      const prompt = Array.from({ length }, (_, i) => (i * 7 + length) % 90);
      await llm.generate(prompt, { maxTokens: 1 });
      const { usage } = await llm.generate(prompt, { maxTokens: 1 });
      expect(usage).toMatchObject({ promptTokens: length, computedTokens: 1 });
    }
  });
});

describe('salts', () => {
  test('share nothing between them', async () => {
    const llm = await openArithmeticLlm();
    const messages = [facts, user('Where does Omar live?')];
    const one = await llm.chat(messages, { ...some, salt: 'one' });
    const two = await llm.chat(messages, { ...some, salt: 'two' });
    const none = await llm.chat(messages, some);
    const again = await llm.chat(messages, { ...some, salt: 'one' });
    expect([one, two, none].map(({ usage }) => usage.cachedTokens)).toEqual([0, 0, 0]);
    expect(again.usage.computedTokens).toBe(1);
    expect(two.text).toBe(one.text);
  });

  test('of the model count for requests that name none', async () => {
    const llm = await openArithmeticLlm({ salt: 'house' });
    const messages = [facts, user('x')];
    await llm.chat(messages, some);
    expect((await llm.chat(messages, { ...some, salt: 'house' })).usage.computedTokens).toBe(1);
    expect((await llm.chat(messages, { ...some, salt: 'other' })).usage.cachedTokens).toBe(0);
  });
});

describe('the cache option', () => {
  const messages = [facts, user('private matter of Omar'), assistant('fine'), user('Where?')];

  /** Tokens that a second, equal request finds. */
  async function keptTokens(cache: GenerateOptions['cache']): Promise<number> {
    const llm = await openArithmeticLlm();
    await llm.chat(messages, { ...some, cache });
    return (await llm.chat(messages, some)).usage.cachedTokens;
  }

  test('keeps nothing when off', async () => {
    expect(await keptTokens('off')).toBe(0);
  });

  test('keeps the system message and no more', async () => {
    const [system, first, all] = await Promise.all([
      keptTokens({ upTo: 'system' }),
      keptTokens({ upTo: 1 }),
      keptTokens('auto'),
    ]);
    expect(system).toBeGreaterThan(20);
    expect(first).toBeGreaterThan(system);
    expect(all).toBeGreaterThan(first);
    expect(await keptTokens({ upToTokens: 16 })).toBe(16);
  });

  test('refuses a message that is not there', async () => {
    const llm = await openArithmeticLlm();
    await expect(llm.chat(messages, { cache: { upTo: 4 } })).rejects.toMatchObject({
      field: 'cache.upTo',
    });
    await expect(llm.generate('x', { cache: { upTo: 'system' } })).rejects.toMatchObject({
      field: 'cache.upTo',
    });
  });
});

describe('pins and invalidation', () => {
  const messages = [facts, user('Where does Omar live?')];

  test('a pin holds what is cached until it is let go', async () => {
    const llm = await openArithmeticLlm();
    await llm.chat(messages, some);
    const pin = await llm.pin({ messages }, { tag: 'facts' });
    expect(pin.numBlocks).toBeGreaterThan(3);
    expect(llm.stats().cache.numPinned).toBe(pin.numBlocks);
    expect(await llm.unpin(pin)).toBe(true);
    expect(await llm.unpin(pin)).toBe(false);
    expect((await freshStats(llm)).cache.numPinned).toBe(0);
  });

  test('what was invalidated is computed again', async () => {
    const llm = await openArithmeticLlm();
    await llm.chat(messages, { ...some, salt: 'one' });
    expect(await llm.invalidate({ salt: 'one' })).toBeGreaterThan(0);
    const { usage } = await llm.chat(messages, { ...some, salt: 'one' });
    expect(usage).toMatchObject({ cachedTokens: 0, missReason: 'invalidated' });
  });
});

describe('explain', () => {
  test('names the message where a prompt leaves the cached one', async () => {
    const llm = await openArithmeticLlm();
    await llm.chat([facts, user('Where does Omar live?')], some);
    const messages = [facts, user('Where does Omar hide?')];
    const found = await llm.explain({ messages });
    expect(found).toMatchObject({ cause: 'diverged', where: 'messages[1].content' });
    expect(found.numCachedTokens).toBeLessThan(found.numTokens);
    expect(found.text).toContain('hide');
    expect(found.cachedText).toContain('live');
    const { usage } = await llm.chat(messages, some);
    expect(usage.cachedTokens).toBe(found.numCachedTokens);
  });

  test('says that nothing was there, or that all of it is', async () => {
    const llm = await openArithmeticLlm();
    const messages = [facts, user('x')];
    expect(await llm.explain({ messages })).toMatchObject({
      cause: 'cold',
      firstDivergentToken: 0,
    });
    await llm.chat(messages, some);
    expect(await llm.explain({ messages })).toMatchObject({ firstDivergentToken: undefined });
    expect(await llm.explain({ messages }, { salt: 'other' })).toMatchObject({ cause: 'salt' });
  });
});

describe('close', () => {
  test('waits for the requests it finds, those being tokenised too', async () => {
    const llm = await openArithmeticLlm();
    const requests = [llm.chat([facts, user('x')], some), llm.generate('The code', some)];
    const closed = llm.close();
    const late = llm.chat([user('late')], some);
    await expect(late).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    for (const { choices } of await Promise.all(requests)) {
      expect(choices[0].tokenIds).toHaveLength(20);
    }
    await closed;
    await llm.close();
  });

  test('rejects the requests it finds when it aborts, and hurries a drain', async () => {
    const llm = await openArithmeticLlm();
    const generation = llm.chat([facts, user('x')], { maxTokens: 400, ignoreEos: true });
    await generation[Symbol.asyncIterator]().next();
    const drained = llm.close();
    await llm.close('abort');
    await drained;
    await expect(generation).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(() => llm.stats()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  });
});
