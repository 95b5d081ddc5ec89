// How many sequences of one salt run at once: the harness asserts after each step that none has more rows.

import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, greedy, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(33);
const vocabSize = 97;
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);

/**
 * An engine that has four rows, the ids in the order of their first tokens, and the sequences of each step. Four
 * prompts of 7 tokens fit into the first step, which has 32 rows.
 */
function sharedEngine(maxSeqsPerSalt: number | undefined) {
  const numSeqs: number[] = [];
  const engine = arithmeticEngine({
    numBlocks: 256,
    blockSize: 8,
    maxSeqs: 4,
    engine: { maxSeqsPerSalt, overlapSteps: false },
    onSubmit: (step) => numSeqs.push(step.numSeqs),
  });
  const started = new Set<number>();
  engine.core.onStep(({ events }) => {
    for (const { id, type } of events) if (type === 'tokens') started.add(id);
  });
  return { ...engine, started, numSeqs };
}

describe('maxSeqsPerSalt', () => {
  test('a salt at its limit waits, and those behind it go first', async () => {
    const { client, core, started, numSeqs } = sharedEngine(2);
    const salts = ['a', 'a', 'a', 'a', 'b', undefined];
    const prompts = salts.map(() => promptOf(7));
    const runs = prompts.map((prompt, i) =>
      client.runOne(prompt, { salt: salts[i], maxTokens: 5 }),
    );
    const answers = await Promise.all(runs);
    expect([...started]).toEqual([1, 2, 5, 6, 3, 4]);
    expect(numSeqs).toEqual([4, 4, 4, 4, 4, 2, 2, 2, 2, 2]);
    expect(core.stats().numHeldBack).toBe(2);
    answers.forEach(({ tokens }, i) => {
      expect(tokens).toEqual(answerAlone(prompts[i], 5, vocabSize).tokens);
    });
  });

  test('is off by default: all rows may be of one salt', async () => {
    const { client, core, numSeqs } = sharedEngine(undefined);
    const options = { salt: 'a', maxTokens: 3 };
    await Promise.all(Array.from({ length: 4 }, () => client.run(promptOf(7), options)));
    expect(numSeqs).toEqual([4, 4, 4]);
    expect(core.stats().numHeldBack).toBe(0);
  });

  test('holds requests without a salt to it too', async () => {
    const { client, numSeqs } = sharedEngine(1);
    await Promise.all([client.run(promptOf(7)), client.run(promptOf(7))]);
    expect(numSeqs).toEqual([1, 1]);
  });

  test('a request of several samples waits for so many rows of its salt, and blocks no other', async () => {
    const { client, core, started } = sharedEngine(3);
    const sampling = { ...greedy, temperature: 1 };
    const runs = [
      client.run(promptOf(7), { salt: 'a', maxTokens: 4 }),
      client.run(promptOf(7), { salt: 'a', n: 3, maxTokens: 4, sampling }),
      client.run(promptOf(7), { salt: 'a', maxTokens: 9 }),
      client.run(promptOf(7), { salt: 'b', maxTokens: 4 }),
    ];
    await Promise.all(runs);
    expect([...started]).toEqual([1, 3, 4, 2]);
    expect(core.stats().numHeldBack).toBe(1);
  });

  test('refuses more samples than a salt may have', async () => {
    const { client } = sharedEngine(2);
    await expect(client.run(promptOf(7), { n: 3 })).rejects.toMatchObject({ field: 'n', value: 3 });
  });

  test('a fork past the limit waits until one of its salt has ended', async () => {
    const { client, core, started } = sharedEngine(1);
    const prompt = promptOf(7);
    const parent = client.runOne(prompt, { salt: 'a', maxTokens: 8 });
    const fork = client.follow(50);
    client.afterEvents = () => {
      client.afterEvents = () => {};
      core.fork({ id: 50, from: 1 });
      expect(core.stats()).toMatchObject({ numRunning: 1, numWaiting: 1 });
    };
    const { tokens } = await parent;
    expect([...started]).toEqual([1]);
    expect((await fork)[0].tokens).toEqual(tokens.slice(1));
  });
});
