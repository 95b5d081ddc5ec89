import type { GenerateOptions } from '../../dist/llm/index.js';
import type { Prefix } from '../../dist/llm/prefix.js';
import {
  byteLevelTokenizer,
  tinyTemplate,
  vocabSize,
  writeTokenizer,
} from '../text/tiny-tokenizer.js';
import { closeAll, endTokenId, openArithmeticLlm } from './arithmetic-llm.js';

afterEach(closeAll);

const user = (content: string) => ({ role: 'user', content }) as const;
const assistant = (content: string) => ({ role: 'assistant', content }) as const;
const system = (content: string) => ({ role: 'system', content }) as const;
const facts = system('The vault code of Amber is 4217. Omar lives in Lisbon. The end.');
const some = { maxTokens: 20, ignoreEos: true } as const;

/** Whole words with the space before them: any sequence of them is what its text is encoded to. */
const { vocab } = (byteLevelTokenizer() as { model: { vocab: Record<string, number> } }).model;
const wordIds = ['Ġlive', 'Ġcode', 'ĠAmber'].map((piece) => vocab[piece]);

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

/** Makes the model speak whole words, until it ends the reply: text that gives back the tokens it came from. */
function wordsOnly(): GenerateOptions {
  const banned = Array.from({ length: vocabSize() }, (_, id) => id).filter(
    (id) => id !== endTokenId && !wordIds.includes(id),
  );
  const logitBias = Object.fromEntries(banned.map((id) => [id, -1e30]));
  return { maxTokens: 200, minTokens: 3, logitBias };
}

describe('turns', () => {
  const folder = writeTokenizer({
    config: { bos_token: '<s>', chat_template: tinyTemplate.replace(' | trim', '') },
  });

  test('with the reply appended as a plain message compute only the new tokens', async () => {
    const llm = await openArithmeticLlm({ folder });
    const messages = [facts, user('Where does Omar live?')];
    const first = await llm.chat(messages, wordsOnly());
    expect(first.finishReason).toBe('stop');
    const next = [...messages, assistant(first.text), user('Are you sure?')];
    const second = await llm.chat(next, some);
    const known = first.usage.promptTokens + first.tokenIds.length;
    expect(second.usage.cachedTokens).toBe(known);
    expect(second.usage.computedTokens).toBe(second.usage.promptTokens - known);
  });

  test('are the same tokens by messages and by prefix', async () => {
    const llm = await openArithmeticLlm({ folder });
    const messages = [facts, user('Where does Omar live?')];
    const { text, prefix, usage } = await llm.chat(messages, wordsOnly());
    expect(prefix.numTokens).toBe(usage.promptTokens + usage.outputTokens);
    const byPrefix = await llm.chat([user('Are you sure?')], { ...some, prefix });
    const next = [...messages, assistant(text), user('Are you sure?')];
    const byMessages = await llm.chat(next, some);
    expect(byMessages.usage.promptTokens).toBe(byPrefix.usage.promptTokens);
    expect(byMessages.usage.computedTokens).toBe(1);
    expect(byMessages.text).toBe(byPrefix.text);
  });
});

describe('a prefix', () => {
  test('goes on exactly where the reply ended, computing only what is new', async () => {
    const llm = await openArithmeticLlm();
    const messages = [facts, user('Where does Omar live?')];
    const first = await llm.chat(messages, { ...some, keepPrefix: true, digests: true });
    const { prefix, usage } = first;
    expect(prefix.numTokens).toBe(usage.promptTokens + 20);
    expect(prefix.isHeld).toBe(true);
    const second = await llm.chat([user('Sure?')], { ...some, prefix });
    expect(second.usage.cachedTokens).toBe(prefix.numTokens - 1); // the last one drawn was never run
    expect(second.usage.promptTokens).toBeGreaterThan(prefix.numTokens);
    expect(second.prefix.numTokens).toBe(second.usage.promptTokens + 20);
    prefix.dispose();
  });

  test('is the same held, not held, and as the tokens of the whole conversation', async () => {
    const llm = await openArithmeticLlm();
    const messages = [facts, user('Where does Omar live?')];
    const replies = [];
    for (const keepPrefix of [true, false]) {
      const { prefix } = await llm.chat(messages, { ...some, keepPrefix });
      replies.push(await llm.chat([user('Sure?')], { ...some, prefix, digests: true }));
    }
    expect(replies[1].digests).toEqual(replies[0].digests);
    expect(replies[1].usage.promptTokens).toBe(replies[0].usage.promptTokens);
    const cold = await openArithmeticLlm();
    const { prefix } = await cold.chat(messages, { ...some, cache: 'off' });
    const alone = await cold.chat([user('Sure?')], { ...some, prefix, digests: true });
    expect(alone.usage.cachedTokens).toBe(0);
    expect(alone.digests).toEqual(replies[0].digests);
  });

  test('may be continued twice at the same time', async () => {
    const llm = await openArithmeticLlm();
    const { prefix } = await llm.chat([facts, user('x')], { ...some, keepPrefix: true });
    const [one, two] = await Promise.all([
      llm.chat([user('Sure?')], { ...some, prefix }),
      llm.chat([user('Sure?')], { ...some, prefix }),
    ]);
    expect(one.text).toBe(two.text);
  });

  test('continues as text with generate()', async () => {
    const llm = await openArithmeticLlm();
    const { prefix } = await llm.generate('The vault', { ...some, keepPrefix: true });
    const { usage } = await llm.generate(' code', { ...some, prefix });
    expect(usage.cachedTokens).toBe(prefix.numTokens - 1);
  });

  test('is refused after dispose(), which may be called twice', async () => {
    const llm = await openArithmeticLlm();
    for (const keepPrefix of [true, false]) {
      const { prefix } = await llm.chat([facts, user('x')], { ...some, keepPrefix });
      prefix.dispose();
      prefix.dispose();
      expect(prefix.isHeld).toBe(false);
      await expect(llm.chat([user('y')], { prefix })).rejects.toMatchObject({
        code: 'ERR_PREFIX_RELEASED',
      });
    }
    expect(llm.stats().numHandles).toBe(0);
  });

  test('holds its blocks until dispose()', async () => {
    const llm = await openArithmeticLlm();
    const { prefix } = await llm.chat([facts, user('x')], { ...some, keepPrefix: true });
    expect(llm.stats().cache.numPinned).toBeGreaterThan(3);
    prefix[Symbol.dispose]();
    expect(llm.stats().cache.numPinned).toBe(0);
  });

  test('that nobody gets holds nothing', async () => {
    const llm = await openArithmeticLlm();
    const options = { ...some, keepPrefix: true };
    const { text } = await llm.chat([facts, user('x')], some);
    for (const at of [0, text.length - 3]) {
      const stopped = await llm.chat([facts, user('x')], {
        ...options,
        stop: text.slice(at, at + 3),
      });
      expect(stopped.prefix.isHeld).toBe(false);
    }
    const aborted = [0, 1, 5, 19].map(async (numChunks) => {
      const generation = llm.chat([facts, user('x')], options);
      const chunks = generation[Symbol.asyncIterator]();
      for (let i = 0; i < numChunks; i++) await chunks.next();
      generation.abort('left');
      await generation.then(
        ({ prefix }) => prefix.dispose(),
        () => {},
      );
    });
    await Promise.all(aborted);
    await llm.chat([facts, user('y')], some);
    expect(llm.stats().numHandles).toBe(0);
  });

  test('belongs to the model that made it', async () => {
    const [llm, other] = [await openArithmeticLlm(), await openArithmeticLlm()];
    const { prefix } = await llm.chat([facts, user('x')], { ...some, keepPrefix: true });
    await expect(other.chat([user('y')], { prefix })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'prefix',
    });
    const running = llm.chat([user('y')], some);
    await expect(other.fork(running)).rejects.toMatchObject({ field: 'generation' });
    await running;
  });

  test('has the salt of its request', async () => {
    const llm = await openArithmeticLlm();
    const options = { ...some, salt: 'one', keepPrefix: true };
    const { prefix } = await llm.chat([facts, user('x')], options);
    const { usage } = await llm.chat([user('y')], { ...some, prefix });
    expect(usage.cachedTokens).toBe(prefix.numTokens - 1);
    await expect(llm.chat([user('y')], { ...some, prefix, salt: 'two' })).rejects.toMatchObject({
      field: 'salt',
    });
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
    expect(llm.unpin(pin)).toBe(true);
    expect(llm.unpin(pin)).toBe(false);
    expect(llm.stats().cache.numPinned).toBe(0);
  });

  test('what was invalidated is computed again', async () => {
    const llm = await openArithmeticLlm();
    await llm.chat(messages, { ...some, salt: 'one' });
    expect(llm.invalidate({ salt: 'one' })).toBeGreaterThan(0);
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

describe('bad input', () => {
  const cases: [
    string,
    (llm: Awaited<ReturnType<typeof openArithmeticLlm>>) => PromiseLike<unknown>,
    object,
  ][] = [
    ['an empty prompt', (llm) => llm.generate(''), { code: 'ERR_EMPTY_PROMPT' }],
    ['no tokens', (llm) => llm.generate([]), { code: 'ERR_EMPTY_PROMPT' }],
    ['no messages', (llm) => llm.chat([]), { code: 'ERR_INVALID_ARGUMENT', field: 'messages' }],
    ['a token id that is no integer', (llm) => llm.generate([1, 2.5]), { field: 'prompt[1]' }],
    [
      'a token id past the vocabulary',
      (llm) => llm.generate([1, 99999]),
      { code: 'ERR_TOKEN_OUT_OF_RANGE' },
    ],
    [
      'a prompt that fills the context',
      (llm) => llm.generate('a '.repeat(600)),
      { code: 'ERR_PROMPT_TOO_LONG' },
    ],
    [
      'a temperature of NaN',
      (llm) => llm.generate('a', { temperature: Number.NaN }),
      { field: 'temperature' },
    ],
    ['a topP of 2', (llm) => llm.generate('a', { topP: 2 }), { field: 'topP' }],
    ['maxTokens of 0', (llm) => llm.generate('a', { maxTokens: 0 }), { field: 'maxTokens' }],
    ['n of 1.5', (llm) => llm.generate('a', { n: 1.5 }), { field: 'n' }],
    ['more choices than may run', (llm) => llm.generate('a', { n: 9 }), { field: 'n' }],
    ['a negative seed', (llm) => llm.generate('a', { seed: -1 }), { field: 'seed' }],
    ['an empty salt', (llm) => llm.generate('a', { salt: '' }), { field: 'salt' }],
    ['an empty stop text', (llm) => llm.generate('a', { stop: ['x', ''] }), { field: 'stop[1]' }],
    [
      'a bias that is no number',
      (llm) => llm.generate('a', { logitBias: { 3: Number.NaN } }),
      { field: 'logitBias[3]' },
    ],
    [
      'a bias of no token',
      (llm) => llm.generate('a', { logitBias: { [-3]: 1 } }),
      { field: 'logitBias' },
    ],
    [
      'a signal that is none',
      (llm) => llm.generate('a', { signal: {} as AbortSignal }),
      { field: 'signal' },
    ],
    [
      'a prefix that is none',
      (llm) => llm.generate('a', { prefix: {} as Prefix }),
      { field: 'prefix' },
    ],
    [
      'a misspelt option',
      (llm) => llm.generate('a', { temprature: 1 } as object),
      { field: 'options.temprature' },
    ],
    [
      'a chat option of generate()',
      (llm) => llm.generate('a', { tools: [] } as object),
      { field: 'options.tools' },
    ],
    [
      'tools that are none',
      (llm) => llm.chat([user('x')], { tools: [{}] as never }),
      { field: 'tools[0]' },
    ],
  ];

  test.each(cases)('refuses %s and takes no block', async (_, call, expected) => {
    const llm = await openArithmeticLlm();
    await expect(call(llm)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', ...expected });
    expect(llm.stats()).toMatchObject({ numRunning: 0, numWaiting: 0, cache: { numLive: 0 } });
  });

  test('refuses a request that the whole pool cannot hold', async () => {
    const llm = await openArithmeticLlm({ numBlocks: 5 });
    const prompt = 'The vault code of Amber';
    await expect(llm.generate(prompt, { maxTokens: 100 })).rejects.toMatchObject({
      code: 'ERR_POOL_TOO_SMALL',
    });
    expect((await llm.generate(prompt, some)).tokenIds).toHaveLength(20);
  });

  test('refuses what the queue cannot hold', async () => {
    const llm = await openArithmeticLlm({ maxSeqs: 1, maxQueue: 1 });
    const requests = Array.from({ length: 4 }, (_, i) => llm.generate([i + 1], some));
    const results = await Promise.allSettled(requests);
    expect(results.filter(({ status }) => status === 'rejected')).not.toEqual([]);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason.code).toBe('ERR_QUEUE_FULL');
    }
  });
});
