import { closeAll, collect, freshStats, openArithmeticLlm } from './arithmetic-llm.js';

afterEach(closeAll);

const chat = [{ role: 'user', content: 'What is the vault code of Amber?' }] as const;
const long = { maxTokens: 60, ignoreEos: true } as const;
const longer = { ...long, maxTokens: 200 } as const;

/** Lets everything that is due happen, steps included. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a generation', () => {
  test('gives the same text awaited and iterated', async () => {
    const llm = await openArithmeticLlm();
    const generation = llm.chat(chat, long);
    const { items } = await collect(generation);
    const reply = await generation;
    expect(items.join('')).toBe(reply.text);
    expect(reply.text.length).toBeGreaterThan(60);
    expect(generation.text).toBe(reply.text);
    expect(generation.usage).toEqual(reply.usage);
    expect(generation.finishReason).toBe('length');
  });

  test('gives every reader all of it, also after its end', async () => {
    const llm = await openArithmeticLlm();
    const generation = llm.chat(chat, long);
    const readers = [collect(generation), collect(generation)];
    const { text } = await generation;
    for (const { items } of [...(await Promise.all(readers)), await collect(generation)]) {
      expect(items.join('')).toBe(text);
    }
  });

  test('gives chunks that hold each token once', async () => {
    const llm = await openArithmeticLlm();
    const generation = llm.chat(chat, { ...long, n: 3, temperature: 1, logprobs: 2 });
    const { items } = await collect(generation.chunks());
    const { choices } = await generation;
    for (const choice of choices) {
      const own = items.filter((chunk) => chunk.choice === choice.index);
      expect(own.flatMap((chunk) => chunk.tokenIds)).toEqual(choice.tokenIds);
      expect(own.map((chunk) => chunk.text).join('')).toBe(choice.text);
      expect(own.flatMap((chunk) => chunk.logprobs ?? [])).toHaveLength(60);
    }
  });

  test('is not held up by a reader that is slow', async () => {
    const llm = await openArithmeticLlm();
    const slow = llm.chat(chat, long)[Symbol.asyncIterator]();
    await slow.next();
    const { text } = await llm.chat(chat, long); // done, while the other waits for its reader
    let read = '';
    for (let item = await slow.next(); !item.done; item = await slow.next()) read += item.value;
    expect(text.endsWith(read)).toBe(true);
  });

  test('runs to its end when nobody looks, and rejects nothing', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listener);
    const llm = await openArithmeticLlm();
    llm.chat(chat, long);
    llm.chat(chat, { temperature: -1 });
    llm.chat(chat, { signal: AbortSignal.abort(new Error('unseen')) });
    await llm.close();
    await turn();
    process.off('unhandledRejection', listener);
    expect(unhandled).toEqual([]);
  });

  test('rejects with nothing unhandled when it is only iterated', async () => {
    const llm = await openArithmeticLlm();
    const { items, error } = await collect(llm.chat(chat, { topP: 2 }));
    expect(items).toEqual([]);
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'topP' });
    await turn();
  });

  test('ends when its only reader leaves', async () => {
    const llm = await openArithmeticLlm();
    const generation = llm.chat(chat, { ...long, maxTokens: 3000 });
    for await (const _ of generation) break;
    await turn();
    await expect(generation).rejects.toMatchObject({ name: 'AbortError' });
    await llm.generate('x', { maxTokens: 1 }); // its first step comes after the end of the other
    const { numRunning, cache } = await freshStats(llm);
    expect([numRunning, cache.numLive]).toEqual([0, 0]);
    expect(generation.tokenIds.length).toBeLessThan(3000);
    await llm.close();
  });

  test('goes on when a reader leaves and somebody awaits it', async () => {
    const llm = await openArithmeticLlm();
    const generation = llm.chat(chat, long);
    const reply = generation.then((result) => result);
    for await (const _ of generation) break;
    expect((await reply).tokenIds).toHaveLength(60);
  });
});

describe('an abort', () => {
  test('rejects with the reason of the signal and frees the blocks', async () => {
    const llm = await openArithmeticLlm();
    const controller = new AbortController();
    const reason = new Error('the user left');
    const options = { ...long, maxTokens: 3000, signal: controller.signal };
    const generation = llm.chat(chat, options);
    const texts: string[] = [];
    const reading = (async () => {
      for await (const text of generation) {
        texts.push(text);
        if (texts.length === 3) controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    await expect(generation).rejects.toBe(reason);
    expect(generation.text).toBe(texts.join(''));
    await llm.generate('x', { maxTokens: 1 }); // its first step comes after the abort
    const { numRunning, cache } = await freshStats(llm);
    expect([numRunning, cache.numLive]).toEqual([0, 0]);
  });

  test('before the call submits nothing', async () => {
    const llm = await openArithmeticLlm();
    const reason = { custom: true };
    await expect(llm.chat(chat, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect((await freshStats(llm)).numSteps).toBe(0);
  });

  test('while it is tokenised submits nothing', async () => {
    const llm = await openArithmeticLlm();
    const generation = llm.chat(chat, long);
    generation.abort('no more');
    await expect(generation).rejects.toBe('no more');
    await turn();
    expect((await freshStats(llm)).numSteps).toBe(0);
  });

  test('after the end changes nothing', async () => {
    const llm = await openArithmeticLlm();
    const controller = new AbortController();
    const generation = llm.chat(chat, { maxTokens: 3, signal: controller.signal });
    const { text } = await generation;
    controller.abort();
    generation.abort();
    expect((await generation).text).toBe(text);
  });

  test('leaves no listener on the signal, however the request ends', async () => {
    const llm = await openArithmeticLlm();
    const controller = new AbortController();
    const { signal } = controller;
    let numListeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      numListeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      numListeners--;
      remove(...args);
    };
    const requests = [
      llm.chat(chat, { maxTokens: 2, signal }),
      llm.chat(chat, { temperature: Number.NaN, signal }),
      llm.generate('', { signal }),
    ];
    expect(numListeners).toBe(3);
    await Promise.allSettled(requests);
    expect(numListeners).toBe(0);
  });
});

describe('stop strings', () => {
  test('end the text before the first of them, also across tokens', async () => {
    const llm = await openArithmeticLlm();
    const { text } = await llm.chat(chat, long);
    for (const at of [5, 20, 33]) {
      const stop = [text.slice(at, at + 4), 'never there'];
      const stopped = await llm.chat(chat, { ...long, stop });
      expect(stopped.text).toBe(text.slice(0, text.indexOf(stop[0])));
      expect(stopped.finishReason).toBe('stop');
      expect(stopped.tokenIds.length).toBeLessThan(60);
    }
  });

  test('are never seen in part by a reader', async () => {
    const llm = await openArithmeticLlm();
    const { text } = await llm.chat(chat, long);
    const stop = text.slice(20, 26);
    const { items } = await collect(llm.chat(chat, { ...long, stop }));
    expect(items.join('')).toBe(text.slice(0, text.indexOf(stop)));
  });

  test('end one choice and let the others go on', async () => {
    const llm = await openArithmeticLlm();
    const options = { ...long, n: 2, temperature: 1, seed: 7 };
    const { choices } = await llm.chat(chat, options);
    const stop = choices[0].text.slice(10, 16);
    expect(choices[1].text).not.toContain(stop);
    const stopped = await llm.chat(chat, { ...options, stop });
    expect(stopped.text).toBe(choices[0].text.slice(0, choices[0].text.indexOf(stop)));
    expect(stopped.choices[1].text).toBe(choices[1].text);
    expect(stopped.choices.map((choice) => choice.finishReason)).toEqual(['stop', 'length']);
  });
});

describe('n choices', () => {
  test('differ, share the prompt, and come back with their seed', async () => {
    const llm = await openArithmeticLlm();
    const options = { ...long, n: 4, temperature: 1, seed: 3 };
    const first = await llm.chat(chat, options);
    const second = await llm.chat(chat, options);
    expect(new Set(first.choices.map(({ text }) => text)).size).toBe(4);
    expect(second.choices.map(({ text }) => text)).toEqual(first.choices.map(({ text }) => text));
    const { promptTokens, cachedTokens, computedTokens, outputTokens } = first.usage;
    expect(cachedTokens + computedTokens).toBe(promptTokens);
    expect(outputTokens).toBe(4 * 60);
    expect(first.text).toBe(first.text);
  });
});

describe('a fork', () => {
  test('has the text so far and goes on with a seed of its own', async () => {
    const llm = await openArithmeticLlm();
    const parent = llm.chat(chat, { ...longer, temperature: 1, seed: 1 });
    const iterator = parent[Symbol.asyncIterator]();
    for (let i = 0; i < 5; i++) await iterator.next();
    const fork = llm.fork(parent);
    const [one, other] = await Promise.all([parent, fork]);
    const shared = one.tokenIds.findIndex((id, i) => id !== other.tokenIds[i]);
    expect(shared).toBeGreaterThan(4);
    expect(other.tokenIds).toHaveLength(200);
    expect(other.text).not.toBe(one.text);
    expect(other.usage.cachedTokens).toBeGreaterThan(one.usage.promptTokens);
  });

  test('with the seed of its parent says the same', async () => {
    const llm = await openArithmeticLlm();
    const parent = llm.chat(chat, { ...longer, temperature: 1, seed: 9 });
    const iterator = parent[Symbol.asyncIterator]();
    await iterator.next();
    const fork = llm.fork(parent, { seed: 9 });
    const [one, other] = await Promise.all([parent, fork]);
    expect(other.text).toBe(one.text);
  });

  test('of a generation that has ended is refused', async () => {
    const llm = await openArithmeticLlm();
    const parent = llm.chat(chat, { maxTokens: 2 });
    await parent;
    await expect(llm.fork(parent)).rejects.toMatchObject({ code: 'ERR_REQUEST_NOT_FOUND' });
  });

  test('that its signal ends leaves the parent alone', async () => {
    const llm = await openArithmeticLlm({ contextLen: 4096, numBlocks: 1025 });
    const parent = llm.chat(chat, { ...long, maxTokens: 3000 });
    const controller = new AbortController();
    const fork = llm.fork(parent, { signal: controller.signal });
    await fork[Symbol.asyncIterator]().next();
    controller.abort('enough');
    await expect(fork).rejects.toBe('enough');
    expect((await parent).tokenIds).toHaveLength(3000);
  });
});
