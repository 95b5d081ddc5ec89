import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { errorOf, failureOf } from '../../lib/engine/index.js';
import {
  EngineError,
  InvalidArgumentError,
  OutOfBlocksError,
  QueueFullError,
} from '../../lib/errors.js';
import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(8);
const vocabSize = 97;
/** The token that the model breaks on; prompts do not have it. */
const brokenToken = 96;
const promptOf = (length: number): number[] => randomTokens(random, length, brokenToken);

/** A prompt whose answer has no broken token either. */
function safePrompt(start: number[], numAnswer: number): number[] {
  for (;;) {
    const prompt = [...start, ...promptOf(4)];
    if (!answerAlone(prompt, numAnswer, vocabSize).tokens.includes(brokenToken)) return prompt;
  }
}

describe('a failed step', () => {
  test('fails the requests that were in it, with its error, and no others', async () => {
    const { client, core, executor } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      maxSeqs: 1,
    });
    executor.nextFailure = new EngineError('ERR_OUT_OF_MEMORY', 'no room for activations');
    const inIt = client.runOne(promptOf(20));
    const prompt = promptOf(20);
    const behind = client.runOne(prompt, { maxTokens: 5 });
    await expect(inIt).rejects.toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message: 'no room for activations',
    });
    expect((await behind).tokens).toEqual(answerAlone(prompt, 5, vocabSize).tokens);
    expect(core.stats().cache.numLive).toBe(0);
  });

  test('leaves nothing in the cache that it would have filled', async () => {
    let numSteps = 0;
    const { client, executor } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      engine: { maxChunkTokens: 16 },
      onSubmit: () => {
        numSteps++;
        if (numSteps === 3) executor.nextFailure = new Error('the device went away');
      },
    });
    // The fourth step is behind the third when that one fails.
    const prompt = promptOf(70);
    const failing = client.runOne(prompt);
    await expect(failing).rejects.toMatchObject({
      code: 'ERR_STEP_FAILED',
      message: 'the device went away',
    });
    const { finished, tokens } = await client.runOne(prompt);
    expect(finished!.usage.cachedTokens).toBe(32);
    expect(tokens).toEqual(answerAlone(prompt, 1, vocabSize).tokens);
  });

  test('is not kept alive by those that fail after it', async () => {
    const { client, executor } = arithmeticEngine({ numBlocks: 64, blockSize: 8, maxSeqs: 1 });
    const errors: Array<WeakRef<Error>> = [];
    const failNextStep = (): void => {
      executor.nextFailure = new EngineError('ERR_OUT_OF_MEMORY', 'no room for activations');
      errors.push(new WeakRef(executor.nextFailure));
    };
    // Each error is made while the one before it is being told, so that its stack holds on to that.
    client.core.onStep(() => {
      if (errors.length < 9) failNextStep();
    });
    failNextStep();
    const requests = Array.from({ length: 9 }, () => client.run(promptOf(4)).catch(() => {}));
    await Promise.all(requests);
    setFlagsFromString('--expose-gc');
    runInNewContext('gc')();
    const numAlive = errors.filter((error) => error.deref() !== undefined).length;
    expect(errors).toHaveLength(9);
    expect(numAlive).toBeLessThan(3);
  });

  test('of an executor that throws is a failed step', async () => {
    const { client } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      onSubmit: () => {
        throw new EngineError('ERR_TOO_MANY_STEPS', '2 steps are queued');
      },
    });
    await expect(client.run(promptOf(4))).rejects.toMatchObject({ code: 'ERR_TOO_MANY_STEPS' });
  });
});

describe('non-finite logits', () => {
  test('fail the request and leave nothing of it in the cache', async () => {
    const { client, core, executor } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    executor.brokenToken = brokenToken;
    const prompt = [...promptOf(30), brokenToken];
    const other = safePrompt(promptOf(8), 4);
    const [broken, fine] = await Promise.allSettled([
      client.runOne(prompt),
      client.runOne(other, { maxTokens: 4 }),
    ]);
    expect(broken).toMatchObject({ reason: { code: 'ERR_NON_FINITE_LOGITS' } });
    expect(fine).toMatchObject({ value: { tokens: answerAlone(other, 4, vocabSize).tokens } });
    expect(core.explain({ tokens: Int32Array.from(prompt) }).numCachedTokens).toBe(0);
  });

  test('of a prompt shorter than a block leave nothing either', async () => {
    const { client, core, executor } = arithmeticEngine({ numBlocks: 64, blockSize: 16 });
    executor.brokenToken = brokenToken;
    const prompt = [...promptOf(5), brokenToken];
    const broken = client.run(prompt, { retainMs: 1000 });
    await expect(broken).rejects.toMatchObject({ code: 'ERR_NON_FINITE_LOGITS' });
    expect(core.stats().cache).toMatchObject({ numFree: 63, numCachedIdle: 0, numPinned: 0 });
  });

  test('restart the sequences that hit what the request had cached', async () => {
    const { client, core, executor } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      engine: { maxChunkTokens: 8 },
    });
    executor.brokenToken = brokenToken;
    const shared = promptOf(32);
    const broken = client.run([...shared, ...promptOf(40), brokenToken]);
    const prompt = safePrompt(shared, 30);
    const reader = client.runOne(prompt, { maxTokens: 30 });
    await expect(broken).rejects.toMatchObject({ code: 'ERR_NON_FINITE_LOGITS' });
    const { tokens, finished } = await reader;
    expect(tokens).toEqual(answerAlone(prompt, 30, vocabSize).tokens);
    expect(finished!.usage).toMatchObject({ cachedTokens: 32, computedTokens: 4, preemptions: 0 });
    expect(finished!.usage.recomputedTokens).toBeGreaterThanOrEqual(36);
    expect(core.stats().cache.removals.dropped).toBeGreaterThan(0);
  });
});

describe('a listener that throws', () => {
  test('does not stop the engine', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    let numThrown = 0;
    core.onStep(() => {
      if (numThrown++ === 0) throw new Error('mine');
    });
    const { tokens } = await client.runOne(promptOf(5), { maxTokens: 3 });
    expect(tokens).toHaveLength(3);
    expect(numThrown).toBe(3);
  });
});

describe('failures as plain data', () => {
  test.each([
    new EngineError('ERR_CLOSED', 'the engine is closed'),
    new InvalidArgumentError('topP', 2, 'a number in (0, 1]'),
    new InvalidArgumentError('promptTokens[1]', 97, 'an id', 'ERR_TOKEN_OUT_OF_RANGE'),
    new OutOfBlocksError(3, 1),
    new QueueFullError(2, 2, 350),
    new QueueFullError(3, 3, 1, 'maxQueuePerSalt'),
  ])('become the error that they were: $code', (error) => {
    const restored = errorOf(structuredClone(failureOf(1, error)));
    expect(restored).toMatchObject({ ...error });
    expect(restored.message).toBe(error.message);
    expect(restored.name).toBe(error.name);
  });
});
