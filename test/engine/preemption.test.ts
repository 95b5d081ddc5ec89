import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, greedy, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(6);
const vocabSize = 97;
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);

describe('out of blocks', () => {
  test('the sequence that loses least computed work is preempted, and answers the same', async () => {
    // Ten blocks of 8: six for 40 + 8 tokens, four for 20 + 12; both want more.
    const { client } = arithmeticEngine({ numBlocks: 11, blockSize: 8 });
    const prompts = [promptOf(40), promptOf(20)];
    const [long, short] = await Promise.all(
      prompts.map((prompt) => client.runOne(prompt, { maxTokens: 25 })),
    );
    expect(long.finished!.usage.preemptions).toBe(0);
    expect(short.finished!.usage.preemptions).toBeGreaterThan(0);
    expect(long.tokens).toEqual(answerAlone(prompts[0], 25, vocabSize).tokens);
    expect(short.tokens).toEqual(answerAlone(prompts[1], 25, vocabSize).tokens);
  });

  test('a lower priority is preempted first, however much it loses', async () => {
    const { client } = arithmeticEngine({ numBlocks: 11, blockSize: 8 });
    const [low, high] = await Promise.all([
      client.runOne(promptOf(40), { maxTokens: 25 }),
      client.runOne(promptOf(20), { maxTokens: 25, priority: 1 }),
    ]);
    expect(high.finished!.usage.preemptions).toBe(0);
    expect(low.finished!.usage.preemptions).toBeGreaterThan(0);
  });

  test('one that has waited as long as a priority is worth is not preempted for it', async () => {
    const clock = { nowMs: 0 };
    const engine = { clock: () => clock.nowMs, priorityAgeingMs: 1000 };
    const { client } = arithmeticEngine({ numBlocks: 11, blockSize: 8, engine });
    const old = client.runOne(promptOf(20), { maxTokens: 25 });
    clock.nowMs += 2000;
    const urgent = client.runOne(promptOf(40), { maxTokens: 25, priority: 1 });
    const [{ finished: first }, { finished: last }] = await Promise.all([old, urgent]);
    expect(first!.usage.preemptions).toBe(0);
    expect(last!.usage.preemptions).toBeGreaterThan(0);
  });

  test('an old request in a stream of urgent ones is done once its time has come', async () => {
    const clock = { nowMs: 0 };
    const engine = { clock: () => clock.nowMs, priorityAgeingMs: 100, admissionReserve: 0 };
    const { client, core } = arithmeticEngine({
      numBlocks: 17,
      blockSize: 8,
      engine,
      onSubmit: () => {
        clock.nowMs += 10;
      },
    });
    let isDone = false;
    const urgent: Promise<unknown>[] = [];
    const low = client.runOne(promptOf(12), { maxTokens: 60 }).then((sample) => {
      isDone = true;
      return sample;
    });
    client.afterEvents = () => {
      const { numRunning, numWaiting } = core.stats();
      if (isDone || numRunning + numWaiting > 8) return;
      urgent.push(client.run(promptOf(24), { maxTokens: 30, priority: 3 }));
    };
    // It is overtaken by those of the first 300 ms, 30 steps.
    const { finished } = await low;
    expect(finished!.usage.preemptions).toBeLessThan(4);
    await Promise.all(urgent);
    expect(core.stats().numPreemptions).toBeGreaterThan(10);
  });

  test('penalties and seeds go on where they were', async () => {
    const sampling = { ...greedy, temperature: 1, presencePenalty: 0.5 };
    const { client, core } = arithmeticEngine({ numBlocks: 13, blockSize: 8 });
    const prompts = Array.from({ length: 4 }, () => promptOf(14));
    const runs = await Promise.all(
      prompts.map((prompt, i) =>
        client.runOne(prompt, { maxTokens: 40, sampling: { ...sampling, seed: BigInt(i) } }),
      ),
    );
    expect(core.stats().numPreemptions).toBeGreaterThan(0);
    for (const [i, { tokens }] of runs.entries()) {
      const draw = { temperature: 1, hasPenalty: true, seed: BigInt(i) };
      expect(tokens).toEqual(answerAlone(prompts[i], 40, vocabSize, draw).tokens);
    }
  });

  test('samples of one request that do not fit together come one after the other', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 9, blockSize: 8 });
    const prompt = promptOf(20);
    const sampling = { ...greedy, temperature: 1 };
    const samples = await client.run(prompt, { n: 4, maxTokens: 40, sampling });
    for (const [i, { tokens }] of samples.entries()) {
      const draw = { temperature: 1, seed: BigInt(i) };
      expect(tokens).toEqual(answerAlone(prompt, 40, vocabSize, draw).tokens);
    }
    expect(core.stats().numPreemptions).toBeGreaterThan(0);
  });

  test('a request that pinned blocks leave no room for fails, and says what it needed', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 21, blockSize: 8 });
    const pinned = promptOf(80);
    await client.run(pinned);
    core.pin({ tokens: Int32Array.from(pinned) });
    await expect(client.run(promptOf(100))).rejects.toMatchObject({
      name: 'OutOfBlocksError',
      numNeeded: 13,
      numFree: 10,
    });
    const growing = client.runOne(promptOf(60), { maxTokens: 40 });
    await expect(growing).rejects.toMatchObject({ code: 'ERR_OUT_OF_BLOCKS' });
    expect(core.stats()).toMatchObject({ numRunning: 0, numWaiting: 0, cache: { numLive: 0 } });
    await expect(client.run(promptOf(60))).resolves.toHaveLength(1);
  });
});
