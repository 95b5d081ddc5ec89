import { strict as assert } from 'node:assert';
import type { StepBatch } from '../../lib/engine/index.js';
import { EngineError } from '../../lib/errors.js';
import { answerAlone } from './arithmetic-model.js';
import {
  arithmeticEngine,
  greedy,
  randomFrom,
  randomTokens,
  type SampleResult,
} from './harness.js';

const random = randomFrom(12);
const vocabSize = 97;
const pool = { numBlocks: 64, blockSize: 8 };
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);
const typed = (tokens: readonly number[]): Int32Array => Int32Array.from(tokens);

/** A prompt whose answer's token `at` is not among those before it: it can be a stop token. */
function promptStoppedAt(length: number, at: number): { prompt: number[]; answer: number[] } {
  for (;;) {
    const prompt = promptOf(length);
    const answer = answerAlone(prompt, at + 1, vocabSize).tokens;
    if (answer.indexOf(answer[at]) === at) return { prompt, answer };
  }
}

/** Rows of a step that stand for tokens which the step before draws. */
const countUnknown = ({ tokenSources, numTokens }: StepBatch): number =>
  tokenSources.subarray(0, numTokens).filter((source) => source >= 0).length;

describe('steps that overlap', () => {
  test('take their tokens from the device, all but the first', async () => {
    const unknown: number[] = [];
    const { client, core } = arithmeticEngine({
      ...pool,
      onSubmit: (step) => unknown.push(countUnknown(step)),
    });
    const prompts = [promptOf(9), promptOf(20)];
    const runs = await Promise.all(
      prompts.map((prompt) => client.runOne(prompt, { maxTokens: 9 })),
    );
    for (const [i, { tokens, digests }] of runs.entries()) {
      expect({ tokens, digests }).toEqual(answerAlone(prompts[i], 9, vocabSize));
    }
    expect(unknown).toEqual([0, 2, 2, 2, 2, 2, 2, 2, 2]);
    expect(core.stats()).toMatchObject({ numSteps: 9, numStepsAhead: 8, tokensWasted: 0 });
  });

  test('can be had one by one', async () => {
    const { client, core } = arithmeticEngine({ ...pool, engine: { overlapSteps: false } });
    const { prompt, answer } = promptStoppedAt(9, 4);
    const { tokens } = await client.runOne(prompt, { maxTokens: 20, stopTokenIds: [answer[4]] });
    expect(tokens).toEqual(answer.slice(0, 4));
    expect(core.stats()).toMatchObject({ numSteps: 5, numStepsAhead: 0, tokensWasted: 0 });
  });

  test('leave nobody out: while the samples of a prompt wait for it, no step runs ahead', async () => {
    const numSeqs: number[] = [];
    const { client } = arithmeticEngine({
      ...pool,
      onSubmit: (step) => numSeqs.push(step.numSeqs),
    });
    const other = client.runOne(promptOf(6), { maxTokens: 6 });
    await client.run(promptOf(9), { n: 3, maxTokens: 5, sampling: { ...greedy, temperature: 1 } });
    await other;
    expect(numSeqs).toEqual([2, 4, 4, 4, 4, 1]);
  });

  test('give a sample its stop tokens in time when minTokens are over', async () => {
    const { client, core } = arithmeticEngine(pool);
    const { prompt, answer } = promptStoppedAt(9, 3);
    // Banned before: token 3 is the first that may stop.
    const options = { maxTokens: 30, minTokens: 3, stopTokenIds: [answer[3]] };
    const { tokens, finished } = await client.runOne(prompt, options);
    expect(tokens).toEqual(answer.slice(0, 3));
    expect(finished).toMatchObject({ reason: 'stop' });
    expect(core.stats().numStepsAhead).toBe(3);
  });
});

describe('samples of one token each', () => {
  test('are all drawn before another request can have their blocks', async () => {
    // Seven blocks of 8: five for the other request, which wants one more at some time, and two for the samples' prompt.
    // For one of the lengths that time is the step behind the one that draws the samples.
    const engine = { admissionReserve: 0 };
    const { client, core } = arithmeticEngine({ numBlocks: 8, blockSize: 8, engine });
    const sampling = { ...greedy, temperature: 1 };
    for (let length = 33; length <= 40; length++) {
      const prompts = [promptOf(length), promptOf(16)];
      const other = client.runOne(prompts[0], { maxTokens: 10, priority: 1, cache: 'off' });
      const steps = core.stats().numSteps;
      while (core.stats().numSteps < steps + 2) await new Promise(setImmediate);
      const samples = await client.run(prompts[1], { n: 3, maxTokens: 1, sampling, cache: 'off' });
      expect((await other).tokens).toEqual(answerAlone(prompts[0], 10, vocabSize).tokens);
      for (const [i, { tokens }] of samples.entries()) {
        const draw = { temperature: 1, seed: BigInt(i) };
        expect(tokens).toEqual(answerAlone(prompts[1], 1, vocabSize, draw).tokens);
      }
    }
    expect(core.stats().cache.numLive).toBe(0);
  });
});

describe('an end that is seen one step late', () => {
  test.each([
    ['inside a block', 9, 4],
    ['whose row that ran ahead was the last of a block', 12, 3],
    ['whose row that ran ahead was the first of a block', 13, 3],
  ])('%s leaks no token, no block and no registration', async (_, length, at) => {
    const { client, core, executor } = arithmeticEngine(pool);
    const { prompt, answer } = promptStoppedAt(length, at);
    const { tokens, finished } = await client.runOne(prompt, {
      maxTokens: 20,
      stopTokenIds: [answer[at]],
    });
    expect(tokens).toEqual(answer.slice(0, at));
    expect(finished!.usage).toMatchObject({ outputTokens: at + 1, decodedTokens: at });
    while (core.stats().numSteps < at + 2) await new Promise(setImmediate);
    const { tokensWasted, tokensComputed, cache } = core.stats();
    expect({ tokensWasted, tokensComputed, live: cache.numLive }).toEqual({
      tokensWasted: 1,
      tokensComputed: length + at + 1,
      live: 0,
    });
    // The stop token's slot was written, and is nobody's.
    const whole = typed([...prompt, ...answer, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(core.explain({ tokens: whole }).numCachedTokens).toBe(length + at);
    core.checkInvariants();
    expect(executor.isClosed).toBe(false);
  });

  test('by length is known before, and wastes nothing', async () => {
    const { client, core } = arithmeticEngine(pool);
    await client.runOne(promptOf(9), { maxTokens: 7 });
    expect(core.stats()).toMatchObject({ tokensComputed: 15, tokensWasted: 0, numSteps: 7 });
  });

  test('by abort gives the blocks back at once, and to others', async () => {
    const { client, core } = arithmeticEngine({ ...pool, numBlocks: 9 });
    const aborted = client.runOne(promptOf(40), { maxTokens: 20, cache: 'off' });
    while (client.samples.get(1)![0].tokens.length < 2) await new Promise(setImmediate);
    core.abort(1);
    expect(core.stats().cache.numLive).toBe(0);
    core.checkInvariants();
    const prompt = promptOf(50);
    const { tokens } = await client.runOne(prompt, { maxTokens: 10 });
    expect(tokens).toEqual(answerAlone(prompt, 10, vocabSize).tokens);
    expect((await aborted).finished).toMatchObject({ reason: 'abort' });
    expect(core.stats().tokensWasted).toBeGreaterThan(0);
  });
});

describe('a step that fails with another one behind it', () => {
  const failure = new EngineError('ERR_OUT_OF_MEMORY', 'no room for activations');

  test('takes its own requests along; one that came with the step behind it starts again', async () => {
    const { client, core, executor } = arithmeticEngine(pool);
    const prompts = [promptOf(9), promptOf(20)];
    const failing = client.runOne(prompts[0], { maxTokens: 40 });
    while (client.samples.get(1)![0].tokens.length < 3) await new Promise(setImmediate);
    executor.nextFailure = failure;
    let other: ReturnType<typeof client.runOne> | undefined;
    // Joins the step that is refused because it needs a token of the failed one.
    client.afterEvents = () => {
      if (executor.nextFailure === undefined) other ??= client.runOne(prompts[1], { maxTokens: 5 });
    };
    await expect(failing).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    expect((await other!).tokens).toEqual(answerAlone(prompts[1], 5, vocabSize).tokens);
    expect(core.stats()).toMatchObject({ numRunning: 0, cache: { numLive: 0 } });
  });

  test('does not let those behind it refuse each other for ever', async () => {
    const prompts = [promptOf(20), promptOf(12)];
    const joined: Array<Promise<SampleResult>> = [];
    let numSteps = 0;
    let failsAt = Number.POSITIVE_INFINITY;
    const { client, core, executor } = arithmeticEngine({
      ...pool,
      onSubmit: () => {
        numSteps++;
        assert(numSteps < 100, 'steps refuse each other without end');
        // The first joins the step behind the one that fails, the second the step behind that.
        if (numSteps !== failsAt && numSteps !== failsAt + 1) return;
        joined.push(client.runOne(prompts[joined.length], { maxTokens: 5 }));
      },
    });
    const failing = client.runOne(promptOf(9), { maxTokens: 40 });
    while (client.samples.get(1)![0].tokens.length < 3) await new Promise(setImmediate);
    executor.nextFailure = failure;
    failsAt = numSteps + 1;
    await expect(failing).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    expect(joined).toHaveLength(2);
    for (const [i, { tokens }] of (await Promise.all(joined)).entries()) {
      expect(tokens).toEqual(answerAlone(prompts[i], 5, vocabSize).tokens);
    }
    expect(core.stats()).toMatchObject({ numRunning: 0, cache: { numLive: 0 } });
  });

  test('restarts a fork of a block that its copy would have filled', async () => {
    let numCopies = 0;
    let fork: Promise<SampleResult[]> | undefined;
    const { client, core, executor } = arithmeticEngine({
      ...pool,
      onSubmit: (step) => {
        numCopies += step.numCopies;
        if (step.numCopies === 0 || fork !== undefined) return;
        executor.nextFailure = failure;
        fork = client.follow(3);
        setImmediate(() => core.fork({ id: 3, from: 1 }));
      },
    });
    const prompt = promptOf(9);
    const parent = client.runOne(prompt, { maxTokens: 30 });
    while (client.samples.get(1)![0].tokens.length < 2) await new Promise(setImmediate);
    const first = client.follow(2);
    core.fork({ id: 2, from: 1 });
    await expect(parent).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    await first.catch(() => {});
    const [{ tokens, finished }] = await fork!;
    expect(numCopies).toBeGreaterThan(0);
    const drawn = answerAlone(prompt, 30, vocabSize).tokens;
    expect(tokens).toEqual(drawn.slice(finished!.usage.promptTokens - prompt.length));
    expect(core.stats()).toMatchObject({ numRunning: 0, cache: { numLive: 0 } });
  });

  test('drops what it would have filled, and restarts who hit it', async () => {
    const { client, core, executor } = arithmeticEngine({ ...pool, engine: { maxChunkTokens: 8 } });
    const shared = promptOf(16);
    const failing = client.runOne([...shared, ...promptOf(30)]);
    executor.nextFailure = failure;
    const prompt = [...shared.slice(0, 8), ...promptOf(9)];
    const reader = client.runOne(prompt, { maxTokens: 4 });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    const { tokens, digests } = await reader;
    expect({ tokens, digests }).toEqual(answerAlone(prompt, 4, vocabSize));
    expect(core.stats().cache.removals.dropped).toBeGreaterThan(0);
    expect(core.stats().cache.numLive).toBe(0);
  });
});
