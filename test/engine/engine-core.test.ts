import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, greedy, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(1);
const vocabSize = 97;
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);

describe('answers', () => {
  test('are those of the model alone', async () => {
    const { client, executor, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const prompt = promptOf(21);
    const { tokens, digests, finished } = await client.runOne(prompt, { maxTokens: 10 });
    expect({ tokens, digests }).toEqual(answerAlone(prompt, 10, vocabSize));
    expect(finished).toMatchObject({ reason: 'length' });
    await core.close();
    expect(executor.isClosed).toBe(true);
  });

  test('end at a stop token, which is named and not among the tokens', async () => {
    const { client } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const prompt = promptOf(9);
    const alone = answerAlone(prompt, 8, vocabSize).tokens;
    const stop = alone[5];
    const stopTokenIds = [stop];
    const { tokens, finished } = await client.runOne(prompt, { maxTokens: 8, stopTokenIds });
    const numBefore = alone.indexOf(stop);
    expect(tokens).toEqual(alone.slice(0, numBefore));
    expect(finished).toMatchObject({ reason: 'stop', stopTokenId: stop });
    expect(finished?.usage.outputTokens).toBe(numBefore + 1);
  });

  test('end at an end-of-sequence token unless it is ignored', async () => {
    const prompt = promptOf(9);
    const alone = answerAlone(prompt, 8, vocabSize).tokens;
    const options = { numBlocks: 64, blockSize: 8, eosTokenIds: [alone[0]] };
    const { client } = arithmeticEngine(options);
    const stopped = await client.runOne(prompt, { maxTokens: 8 });
    expect(stopped).toMatchObject({ tokens: [], finished: { stopTokenId: alone[0] } });
    const ignored = await client.runOne(prompt, { maxTokens: 8, ignoreEos: true });
    expect(ignored.tokens).toEqual(alone);
  });

  test('do not end before minTokens', async () => {
    const prompt = promptOf(9);
    const { client } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const stopTokenIds = Array.from({ length: 90 }, (_, id) => id);
    const { tokens, finished } = await client.runOne(prompt, {
      maxTokens: 30,
      minTokens: 4,
      stopTokenIds,
    });
    expect(tokens.every((token) => token >= 90)).toBe(true);
    expect(tokens.length).toBeGreaterThanOrEqual(4);
    expect(finished).toMatchObject({ reason: 'stop' });
  });

  test('are cut to what the context leaves after the prompt', async () => {
    const { client } = arithmeticEngine({ numBlocks: 64, blockSize: 8, contextLen: 40 });
    const { tokens, finished } = await client.runOne(promptOf(37), { maxTokens: 99 });
    expect(tokens).toHaveLength(3);
    expect(finished).toMatchObject({ reason: 'length' });
  });

  test('carry as many top logprobs as were asked for', async () => {
    const { client } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const sampling = { ...greedy, logprobs: 3 };
    const { tokens, logprobs } = await client.runOne(promptOf(9), { maxTokens: 2, sampling });
    expect(logprobs).toHaveLength(2);
    expect(logprobs[1].top.map(({ tokenId }) => tokenId)).toEqual(
      [0, 1, 2].map((k) => (tokens[1] + k) % vocabSize),
    );
  });

  test('depend on the seed only', async () => {
    const { client } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const prompt = promptOf(12);
    const draw = { temperature: 1, seed: 5n };
    const runs = await Promise.all(
      [5n, 6n, 5n].map((seed) =>
        client.runOne(prompt, { maxTokens: 6, sampling: { ...greedy, temperature: 1, seed } }),
      ),
    );
    expect(runs[0].tokens).toEqual(answerAlone(prompt, 6, vocabSize, draw).tokens);
    expect(runs[2].tokens).toEqual(runs[0].tokens);
    expect(runs[1].tokens).not.toEqual(runs[0].tokens);
  });
});

describe('n samples', () => {
  test('come from one prefill and share the blocks of the prompt', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const prompt = promptOf(21);
    const sampling = { ...greedy, temperature: 1, seed: 3n };
    const samples = await client.run(prompt, { n: 4, maxTokens: 5, sampling });
    for (const [i, { tokens, digests }] of samples.entries()) {
      const draw = { temperature: 1, seed: 3n + BigInt(i) };
      expect({ tokens, digests }).toEqual(answerAlone(prompt, 5, vocabSize, draw));
    }
    const usages = samples.map(({ finished }) => finished!.usage);
    expect(usages.map((usage) => usage.promptTokens)).toEqual([21, 0, 0, 0]);
    // All but one copy the last, non-full block of the prompt when they write into it.
    expect(core.stats()).toMatchObject({ tokensComputed: 21 + 4 * 4, blocksCopied: 3 });
  });

  test('end one by one', async () => {
    const { client } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const prompt = promptOf(8);
    const draws = [0n, 1n].map((seed) =>
      answerAlone(prompt, 12, vocabSize, { temperature: 1, seed }),
    );
    const stop = draws[1].tokens.find((token) => !draws[0].tokens.includes(token))!;
    const [first, second] = await client.run(prompt, {
      n: 2,
      maxTokens: 12,
      sampling: { ...greedy, temperature: 1 },
      stopTokenIds: [stop],
    });
    expect(first.finished).toMatchObject({ reason: 'length' });
    expect(second.finished).toMatchObject({ reason: 'stop' });
    expect(first.tokens).toEqual(draws[0].tokens);
  });
});

describe('an option outside its range', () => {
  test.each([
    { maxSeqs: 0 },
    { maxTokensPerStep: 7 },
    { maxChunkTokens: 0 },
    { maxStepMs: Number.NaN },
    { maxPrefillStepMs: 0 },
    { priorityAgeingMs: -1 },
    { maxTraceEvents: 0.5 },
    { maxSeqsPerSalt: 9 },
  ])('is refused by name: %j', (engine) => {
    const [[field, value]] = Object.entries(engine);
    expect(() => arithmeticEngine({ numBlocks: 64, blockSize: 8, engine })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field, value }),
    );
  });
});

describe('fork', () => {
  test('continues from what the parent has, on blocks that both share', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const prompt = promptOf(19);
    const parent = client.runOne(prompt, { maxTokens: 20 });
    const id = 100;
    const fork = client.follow(id);
    client.afterEvents = () => {
      if (client.samples.get(1)![0].tokens.length !== 7) return;
      core.fork({ id, from: 1, maxTokens: 6, sampling: { ...greedy, temperature: 1, seed: 9n } });
      client.afterEvents = () => {};
    };
    const { tokens } = await parent;
    const [forked] = await fork;
    const shared = [...prompt, ...tokens.slice(0, 7)];
    const draw = { temperature: 1, seed: 9n };
    expect(forked.tokens).toEqual(answerAlone(shared, 6, vocabSize, draw).tokens);
    expect(forked.finished!.usage).toMatchObject({ promptTokens: 26, cachedTokens: 25 });
    expect(tokens).toEqual(answerAlone(prompt, 20, vocabSize).tokens);
  });

  test('that the pool could never hold is refused at once, and its parent goes on', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 6, blockSize: 8 });
    const prompt = promptOf(19);
    const parent = client.runOne(prompt, { maxTokens: 10 });
    const forks = [client.follow(50), client.follow(51)];
    client.afterEvents = () => {
      client.afterEvents = () => {};
      core.fork({ id: 50, from: 1, maxTokens: 100 });
      core.fork({ id: 51, from: 1, maxTokens: 21 });
    };
    await expect(forks[0]).rejects.toMatchObject({ code: 'ERR_POOL_TOO_SMALL' });
    const { tokens } = await parent;
    expect(tokens).toEqual(answerAlone(prompt, 10, vocabSize).tokens);
    expect((await forks[1])[0].tokens).toHaveLength(21);
  });

  test('of a request that has ended is refused', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    await client.run(promptOf(5));
    const fork = client.follow(50);
    core.fork({ id: 50, from: 1 });
    await expect(fork).rejects.toMatchObject({ code: 'ERR_REQUEST_NOT_FOUND' });
  });
});

describe('abort', () => {
  test('frees the blocks before the next step is planned', async () => {
    const numSeqs: number[] = [];
    const { client, core } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      onSubmit: (step) => numSeqs.push(step.numSeqs),
    });
    const aborted = client.runOne(promptOf(10), { maxTokens: 50 });
    const other = client.runOne(promptOf(10), { maxTokens: 8 });
    client.afterEvents = () => {
      if (client.samples.get(1)![0].tokens.length === 3) core.abort(1);
    };
    const { tokens, finished } = await aborted;
    expect(tokens).toHaveLength(3);
    expect(finished).toMatchObject({ reason: 'abort', usage: { outputTokens: 3 } });
    await other;
    // The fourth step was on its way when the third token came.
    expect(numSeqs).toEqual([2, 2, 2, 2, 1, 1, 1, 1]);
    expect(core.stats().cache.numLive).toBe(0);
  });

  test('of a waiting request ends all of its samples, none of which ran', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8, maxSeqs: 2 });
    const running = client.run(promptOf(9), { maxTokens: 5, n: 2 });
    const waiting = client.run(promptOf(9), { maxTokens: 5, n: 2 });
    client.afterEvents = () => core.abort(2);
    const samples = await waiting;
    expect(samples.map(({ finished }) => finished?.reason)).toEqual(['abort', 'abort']);
    expect(samples[0].finished!.usage).toMatchObject({ computedTokens: 0, outputTokens: 0 });
    await running;
  });

  test('of an unknown id does nothing', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    core.abort(77);
    await expect(client.runOne(promptOf(5))).resolves.toBeDefined();
  });
});

describe('close', () => {
  test('drains: what was submitted is answered, what comes later is refused', async () => {
    const { client, core, executor } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const before = client.runOne(promptOf(20), { maxTokens: 9 });
    const closed = core.close();
    const after = client.runOne(promptOf(3));
    await expect(after).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect((await before).tokens).toHaveLength(9);
    await closed;
    expect(executor.isClosed).toBe(true);
  });

  test('aborts at once when told to, and a second call waits for the first', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const running = client.runOne(promptOf(20), { maxTokens: 400 });
    const drained = core.close('drain');
    await core.close('abort');
    await drained;
    expect((await running).finished).toMatchObject({ reason: 'abort' });
    expect(core.stats().cache.numLive).toBe(0);
  });
});

describe('priority', () => {
  test('lets a later request of higher priority go first', async () => {
    const { client } = arithmeticEngine({ numBlocks: 64, blockSize: 8, maxSeqs: 1 });
    const order: number[] = [];
    const runs = [0, 0, 5].map((priority, i) =>
      client.run(promptOf(9), { priority }).then(() => order.push(i)),
    );
    await Promise.all(runs);
    expect(order).toEqual([2, 0, 1]);
  });
});

describe('events', () => {
  test('come later than the call that caused them', () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    let numEvents = 0;
    core.onStep(({ events }) => {
      numEvents += events.length;
    });
    const refused = client.run([]);
    expect(numEvents).toBe(0);
    return expect(refused).rejects.toMatchObject({ code: 'ERR_EMPTY_PROMPT' });
  });

  test('and messages can be cloned to another thread', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const outputs: unknown[] = [];
    core.onStep((output) => outputs.push(structuredClone(output)));
    const sampling = { ...greedy, logprobs: 2 };
    await client.run(promptOf(5), { sampling, maxTokens: 2, keepPrefix: true });
    await client.run([]).catch(() => {});
    expect(outputs).toHaveLength(3);
  });
});
