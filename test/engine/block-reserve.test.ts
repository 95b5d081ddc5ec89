import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const vocabSize = 97;
const maxTokens = 60;

/** Streams that outgrow the pool together: what became of them, and what it cost. */
async function thrash(engine: { admissionReserve?: number }) {
  const random = randomFrom(1);
  const pool = { numBlocks: 65, blockSize: 8, maxSeqs: 24 };
  const { client, core } = arithmeticEngine({ ...pool, engine });
  const prompts = Array.from({ length: 40 }, () =>
    randomTokens(random, 10 + Math.floor(random() * 60), vocabSize),
  );
  const results = await Promise.all(prompts.map((prompt) => client.runOne(prompt, { maxTokens })));
  const { numPreemptions, numSteps } = core.stats();
  await core.close();
  const numRecomputed = results.reduce((sum, { finished }) => {
    return sum + finished!.usage.recomputedTokens;
  }, 0);
  return { prompts, results, numPreemptions, numSteps, numRecomputed };
}

describe('the reserve of free blocks', () => {
  test('more than halves preemptions and what they cost, in hardly more steps', async () => {
    const without = await thrash({ admissionReserve: 0 });
    const reserved = await thrash({});
    expect(without.numPreemptions).toBeGreaterThan(40);
    expect(reserved.numPreemptions).toBeLessThan(without.numPreemptions / 2);
    expect(reserved.numRecomputed).toBeLessThan(without.numRecomputed / 2);
    expect(reserved.numSteps).toBeLessThan(1.1 * without.numSteps);
    for (const [i, { tokens }] of reserved.results.entries()) {
      expect(tokens).toEqual(answerAlone(reserved.prompts[i], maxTokens, vocabSize).tokens);
    }
  });

  test('is there for nobody when nothing else runs', async () => {
    const { client, core } = arithmeticEngine({
      numBlocks: 11,
      blockSize: 8,
      engine: { admissionReserve: 1000 },
    });
    const prompt = randomTokens(randomFrom(2), 70, vocabSize);
    const [whole] = await Promise.all([
      client.runOne(prompt, { maxTokens: 10 }),
      client.runOne(prompt.slice(1), { maxTokens: 10 }),
    ]);
    expect(whole.tokens).toEqual(answerAlone(prompt, 10, vocabSize).tokens);
    expect(core.stats().numPreemptions).toBe(0);
  });

  test('keeps no block for a sequence that has all that it can need', async () => {
    const { client, core } = arithmeticEngine({ numBlocks: 7, blockSize: 8 });
    const random = randomFrom(3);
    const most: number[] = [];
    client.afterEvents = () => most.push(core.stats().numRunning);
    // Three blocks each, the last of which has room for all four tokens.
    const runs = [1, 2].map(() =>
      client.runOne(randomTokens(random, 20, vocabSize), { maxTokens: 4 }),
    );
    await Promise.all(runs);
    expect(Math.max(...most)).toBe(2);
  });

  test('is a count', () => {
    const engine = { admissionReserve: -1 };
    expect(() => arithmeticEngine({ numBlocks: 8, blockSize: 8, engine })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
  });
});
