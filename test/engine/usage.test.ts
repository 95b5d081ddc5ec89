import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(4);
const vocabSize = 97;
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);

describe('usage', () => {
  test('counts prompt, output and decoded tokens of a cold request', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const { finished } = await client.runOne(promptOf(21), { maxTokens: 10 });
    expect(finished?.usage).toMatchObject({
      promptTokens: 21,
      cachedTokens: 0,
      computedTokens: 21,
      copiedTokens: 0,
      recomputedTokens: 0,
      outputTokens: 10,
      decodedTokens: 9,
      preemptions: 0,
      missReason: 'cold',
    });
    expect(core.stats()).toMatchObject({ tokensComputed: 30, kvSlotsWritten: 30 });
  });

  test('splits time into queue, prefill and decode', async () => {
    let nowMs = 100;
    const { client } = arithmeticEngine({
      numBlocks: 64,
      blockSize: 8,
      engine: { clock: () => nowMs, maxChunkTokens: 10, overlapSteps: false },
      onSubmit: () => {
        nowMs += 5;
      },
    });
    const done = client.runOne(promptOf(20), { maxTokens: 4 });
    nowMs += 2;
    // Submitted at 100; steps are on their way at 107 and 112 (prompt), 117, 122 and 127 (decode).
    expect((await done).finished!.usage.timings).toEqual({
      queueMs: 7,
      prefillMs: 5,
      firstTokenMs: 12,
      decodeMs: 15,
    });
  });

  test.each([8, 16, 32])(
    'of a repeated prompt of any length 1 to 100 is one token, block size %d',
    async (blockSize) => {
      const { client, core } = arithmeticEngine({ numBlocks: 32, blockSize });
      for (let length = 1; length <= 100; length++) {
        const prompt = promptOf(length);
        const first = await client.runOne(prompt);
        const before = core.stats();
        const second = await client.runOne(prompt);
        const after = core.stats();
        expect(second.digests).toEqual(first.digests);
        expect(after.tokensComputed - before.tokensComputed).toBe(1);
        expect(second.finished!.usage).toMatchObject({
          cachedTokens: length - 1,
          computedTokens: 1,
        });
      }
    },
  );

  test('of a repeated prompt is one token while the first one is still running', async () => {
    for (const length of [15, 16, 17, 40]) {
      const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
      const prompt = promptOf(length);
      const first = client.runOne(prompt, { maxTokens: 30 });
      const second = client.runOne(prompt);
      expect((await second).finished!.usage).toMatchObject({
        cachedTokens: length - 1,
        computedTokens: 1,
      });
      expect(core.stats().numRunning).toBe(1);
      await first;
    }
  });

  test('of a second turn is its new tokens: prompt and answer are hits', async () => {
    for (const blockSize of [8, 16, 32]) {
      const { client, core } = arithmeticEngine({ numBlocks: 128, blockSize });
      let history = promptOf(13);
      for (let turn = 0; turn < 5; turn++) {
        const before = core.stats().tokensComputed;
        const { tokens, finished } = await client.runOne(history, { maxTokens: 9 });
        const { computedTokens, cachedTokens } = finished!.usage;
        // The last token of an answer was drawn but never run.
        const numNew = turn === 0 ? history.length : 6 + 1;
        expect({ computedTokens, cachedTokens }).toEqual({
          computedTokens: numNew,
          cachedTokens: history.length - numNew,
        });
        expect(core.stats().tokensComputed - before).toBe(numNew + 8);
        history = [...history, ...tokens, ...promptOf(6)];
      }
    }
  });

  test('says how much of a hit was copied out of a partly matching block', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 64, blockSize: 16 });
    const shared = promptOf(43);
    await client.runOne([...shared, ...promptOf(30)]);
    const { finished } = await client.runOne([...shared, ...promptOf(5)]);
    expect(finished!.usage).toMatchObject({
      promptTokens: 48,
      cachedTokens: 43,
      copiedTokens: 43 - 32,
      computedTokens: 5,
      missReason: 'diverged',
    });
    expect(core.stats().blocksCopied).toBe(1);
  });

  test('keeps work repeated after a preemption apart', async () => {
    const engine = { admissionReserve: 0 };
    const { client, core } = arithmeticEngine({ numBlocks: 13, blockSize: 8, engine });
    const runs = await Promise.all(
      Array.from({ length: 4 }, () => client.runOne(promptOf(14), { maxTokens: 40, cache: 'off' })),
    );
    const usages = runs.map(({ finished }) => finished!.usage);
    const sum = (field: 'recomputedTokens' | 'decodedTokens' | 'computedTokens' | 'preemptions') =>
      usages.reduce((total, usage) => total + usage[field], 0);
    for (const usage of usages) {
      expect(usage).toMatchObject({ computedTokens: 14, cachedTokens: 0, decodedTokens: 39 });
    }
    expect(sum('preemptions')).toBeGreaterThan(3);
    expect(sum('recomputedTokens')).toBeGreaterThan(20);
    expect(core.stats()).toMatchObject({
      tokensComputed: sum('computedTokens') + sum('recomputedTokens') + sum('decodedTokens'),
      numPreemptions: sum('preemptions'),
    });
  });

  test('of a preempted request repeats the block that was taken from it meanwhile, and no more', async () => {
    const blockSize = 8;
    const recomputed = { auto: 0, off: 0 };
    for (const cache of ['auto', 'off'] as const) {
      // Eleven blocks: the second request runs out of them in its sixth, and waits until the first has ended, in its seventh.
      const { client } = arithmeticEngine({ numBlocks: 12, blockSize });
      const [, second] = await Promise.all([
        client.runOne(promptOf(33), { maxTokens: 18, cache }),
        client.runOne(promptOf(28), { maxTokens: 20, cache }),
      ]);
      expect(second.finished!.usage.preemptions).toBe(1);
      recomputed[cache] = second.finished!.usage.recomputedTokens;
    }
    expect(recomputed.auto).toBeLessThanOrEqual(blockSize);
    expect(recomputed.off).toBeGreaterThanOrEqual(4 * blockSize);
  });
});
