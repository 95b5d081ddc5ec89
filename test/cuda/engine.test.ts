/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// The engine on an emulated GPU: what it shares, repeats, splits and gives back, by its counts, and
// that none of it changes a bit of an answer.
import { type DeviceEngine, tinyCheckpoint } from '../engine/device-engine.js';
import { greedy } from '../engine/harness.js';
import { Engines } from './engines.js';

const engines = new Engines(tinyCheckpoint({ dtype: 'bf16', group: 4, headDim: 64 }), 31);
const promptOf = (length: number) => engines.promptOf(length);
const drawing = (seed: bigint) => ({ ...greedy, temperature: 1, seed });
afterEach(() => engines.closeAll());
afterAll(() => engines.end());

/** Calls `act` once, after the events that bring request 1 to `numTokens` tokens. */
function whenFirstHas({ client }: DeviceEngine, numTokens: number, act: () => void): void {
  client.afterEvents = () => {
    if (client.samples.get(1)![0].tokens.length < numTokens) return;
    client.afterEvents = () => {};
    act();
  };
}

describe('a hit', () => {
  test('of a whole prompt leaves one token to compute', async () => {
    const { client, device } = await engines.open();
    const prompt = promptOf(40);
    await client.run(prompt, { maxTokens: 3 });
    const before = device.counters().tokensComputed;
    const again = await client.runOne(prompt);
    expect(again.finished!.usage).toMatchObject({ cachedTokens: 39, computedTokens: 1 });
    expect(device.counters().tokensComputed - before).toBe(1);
    await engines.expectAsAlone(prompt, again);
  });

  test('that ends inside a block is copied up to there', async () => {
    const { client, device } = await engines.open();
    const shared = promptOf(43);
    await client.run([...shared, ...promptOf(30)]);
    const prompt = [...shared, ...promptOf(5)];
    const result = await client.runOne(prompt, { maxTokens: 4 });
    expect(result.finished!.usage).toMatchObject({
      cachedTokens: 43,
      copiedTokens: 43 - 32,
      computedTokens: 5,
    });
    expect(device.counters().blocksCopied).toBe(1);
    await engines.expectAsAlone(prompt, result);
  });

  test('of a prefix under another salt does not happen', async () => {
    const { client } = await engines.open();
    const prompt = promptOf(40);
    await client.run(prompt, { salt: 'north' });
    const other = await client.runOne(prompt, { salt: 'south' });
    expect(other.finished!.usage).toMatchObject({ cachedTokens: 0, computedTokens: 40 });
    await engines.expectAsAlone(prompt, other);
  });

  test('of a released answer, continued from its handle, has all but its last token', async () => {
    const { client, core } = await engines.open();
    const prompt = promptOf(21);
    const first = await client.runOne(prompt, { maxTokens: 6, keepPrefix: true });
    const added = promptOf(5);
    const continueFrom = first.finished!.handle;
    const next = await client.runOne(added, { maxTokens: 4, continueFrom });
    expect(next.finished!.usage).toMatchObject({ promptTokens: 32, cachedTokens: 26 });
    await engines.expectAsAlone([...prompt, ...first.tokens, ...added], next);
    expect(core.releaseHandle(continueFrom!)).toBe(true);
    expect(core.stats().cache).toMatchObject({ numPinned: 0, numLive: 0 });
  });

  test("is neither found nor left with the cache 'off'", async () => {
    const { client, core } = await engines.open();
    const prompt = promptOf(40);
    await client.run(prompt, { cache: 'off' });
    expect(core.stats().cache).toMatchObject({ numFree: 63, numCachedIdle: 0 });
    expect((await client.runOne(prompt)).finished!.usage.cachedTokens).toBe(0);
  });
});

describe('two requests at once', () => {
  test('compute what they share once', async () => {
    const { client, core, device } = await engines.open({ engine: { maxChunkTokens: 8 } });
    const shared = promptOf(44);
    const prompts = [
      [...shared, ...promptOf(20)],
      [...shared, ...promptOf(6)],
    ];
    const results = await Promise.all(prompts.map((prompt) => client.runOne(prompt)));
    expect(results[1].finished!.usage).toMatchObject({ cachedTokens: 44, computedTokens: 6 });
    expect(core.stats().numCoalesced).toBe(1);
    expect(device.counters().tokensComputed).toBe(44 + 20 + 6);
    for (const [i, prompt] of prompts.entries()) await engines.expectAsAlone(prompt, results[i]);
  });

  test.each([1, 7, 64])('get their bits in chunks of %i, one beside the other', async (chunk) => {
    const steps: number[] = [];
    const { client } = await engines.open({
      engine: { maxChunkTokens: chunk },
      onSubmit: ({ numTokens }) => steps.push(numTokens),
    });
    const prompts = [promptOf(22), promptOf(9)];
    const results = await Promise.all(prompts.map((prompt) => client.runOne(prompt)));
    expect(steps).toHaveLength(Math.ceil(22 / chunk));
    expect(steps[0]).toBe(Math.min(chunk, 22) + Math.min(chunk, 9));
    for (const [i, prompt] of prompts.entries()) await engines.expectAsAlone(prompt, results[i]);
  });

  test('of which one is aborted in mid-answer leave the other its bits', async () => {
    const numSeqs: number[] = [];
    const engine = await engines.open({ onSubmit: (step) => numSeqs.push(step.numSeqs) });
    const { client, core } = engine;
    const prompts = [promptOf(17), promptOf(15)];
    const aborted = client.runOne(prompts[0], { maxTokens: 50 });
    const other = client.runOne(prompts[1], { maxTokens: 8 });
    whenFirstHas(engine, 3, () => core.abort(1));
    expect((await aborted).finished).toMatchObject({ reason: 'abort', usage: { outputTokens: 3 } });
    await engines.expectAsAlone(prompts[0], await aborted);
    await engines.expectAsAlone(prompts[1], await other);
    // The fourth step was on its way when the third token came.
    expect(numSeqs).toEqual([2, 2, 2, 2, 1, 1, 1, 1]);
    expect(core.stats().cache.numLive).toBe(0);
  });
});

describe('an answer', () => {
  test('comes one token per step', async () => {
    const { client } = await engines.open();
    const seen: number[] = [];
    client.afterEvents = () => seen.push(client.samples.get(1)![0].tokens.length);
    const prompt = promptOf(30);
    const result = await client.runOne(prompt, { maxTokens: 6 });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    await engines.expectAsAlone(prompt, result);
  });

  test('ends at a stop token, which is not among its tokens', async () => {
    const { client } = await engines.open();
    const prompt = promptOf(30);
    const { tokens } = await client.runOne(prompt, { maxTokens: 6 });
    const stopTokenIds = [tokens[3]];
    const stopped = await client.runOne(prompt, { maxTokens: 6, stopTokenIds });
    expect(stopped.tokens).toEqual(tokens.slice(0, tokens.indexOf(tokens[3])));
    expect(stopped.finished).toMatchObject({ reason: 'stop', stopTokenId: tokens[3] });
  });

  test('has the log-probabilities that were asked for, the likeliest first', async () => {
    const { client } = await engines.open();
    const sampling = { ...greedy, logprobs: 5 };
    const { tokens, logprobs } = await client.runOne(promptOf(30), { maxTokens: 4, sampling });
    expect(logprobs).toHaveLength(4);
    for (const [i, { top, logprob }] of logprobs.entries()) {
      expect(top[0]).toEqual({ tokenId: tokens[i], logprob });
      expect(top.map(({ logprob }) => logprob)).toEqual(
        top.map(({ logprob }) => logprob).toSorted((a, b) => b - a),
      );
    }
  });

  test('of n samples comes from one prefill, and all but one copy the block that they write', async () => {
    const { client, device } = await engines.open();
    const prompt = promptOf(21);
    const samples = await client.run(prompt, { n: 4, maxTokens: 5, sampling: drawing(3n) });
    for (const [i, result] of samples.entries()) {
      await engines.expectAsAlone(prompt, result, drawing(3n + BigInt(i)));
    }
    expect(new Set(samples.map(({ tokens }) => tokens.join())).size).toBe(4);
    expect(device.counters()).toMatchObject({ tokensComputed: 21 + 4 * 4, blocksCopied: 3 });
  });

  test('of a fork goes on from the tokens of its parent, which keeps its own', async () => {
    const engine = await engines.open();
    const { client, core } = engine;
    const prompt = promptOf(19);
    const parent = client.runOne(prompt, { maxTokens: 20 });
    const forked = client.follow(100);
    whenFirstHas(engine, 7, () =>
      core.fork({ id: 100, from: 1, maxTokens: 6, sampling: drawing(9n) }),
    );
    const result = await parent;
    const [fork] = await forked;
    await engines.expectAsAlone(prompt, result);
    await engines.expectAsAlone([...prompt, ...result.tokens.slice(0, 7)], fork, drawing(9n));
    expect(fork.finished!.usage).toMatchObject({ promptTokens: 26, cachedTokens: 25 });
    expect(engine.device.counters().blocksCopied).toBe(1);
  });
});

describe('a pool', () => {
  test('that is too small for two sequences lets one wait, and both get their bits', async () => {
    const { client, core } = await engines.open({ numBlocks: 11, blockSize: 8 });
    const prompts = [promptOf(40), promptOf(20)];
    const results = await Promise.all(
      prompts.map((prompt) => client.runOne(prompt, { maxTokens: 25 })),
    );
    expect(results[1].finished!.usage.preemptions).toBeGreaterThan(0);
    expect(core.stats().numPreemptions).toBeGreaterThan(0);
    for (const [i, prompt] of prompts.entries()) await engines.expectAsAlone(prompt, results[i]);
  });

  test('in which draws with penalties were preempted goes on with their counts', async () => {
    const { client, core } = await engines.open({ numBlocks: 13, blockSize: 8 });
    const prompts = Array.from({ length: 4 }, () => promptOf(14));
    const penalized = (i: number) => ({ ...drawing(BigInt(i)), presencePenalty: 0.5 });
    const results = await Promise.all(
      prompts.map((prompt, i) => client.runOne(prompt, { maxTokens: 40, sampling: penalized(i) })),
    );
    expect(core.stats().numPreemptions).toBeGreaterThan(0);
    for (const [i, prompt] of prompts.entries()) {
      await engines.expectAsAlone(prompt, results[i], penalized(i));
    }
  });

  test('of one sequence serves many, one after the other, from blocks that others wrote', async () => {
    const { client, core } = await engines.open({ numBlocks: 6, blockSize: 16 });
    for (let i = 0; i < 6; i++) {
      const prompt = promptOf(60 + i);
      await engines.expectAsAlone(prompt, await client.runOne(prompt, { maxTokens: 5 }));
    }
    expect(core.stats().cache.removals.evicted).toBeGreaterThan(0);
  });

  test('of blocks that pins hold refuses what does not fit, and serves it when they go', async () => {
    const { client, core } = await engines.open({ numBlocks: 21, blockSize: 8 });
    const pinned = promptOf(80);
    await client.run(pinned);
    const { id } = core.pin({ tokens: Int32Array.from(pinned) });
    const prompt = promptOf(100);
    await expect(client.run(prompt)).rejects.toMatchObject({ code: 'ERR_OUT_OF_BLOCKS' });
    core.unpin(id);
    await engines.expectAsAlone(prompt, await client.runOne(prompt));
  });
});
