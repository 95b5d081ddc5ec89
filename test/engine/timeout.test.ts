import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(14);
const vocabSize = 97;
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);

/** An engine on whose clock each step takes 10 ms, and the sequences of its steps. */
function slowEngine(maxSeqs: number) {
  const clock = { nowMs: 1000 };
  const numSeqs: number[] = [];
  const engine = arithmeticEngine({
    numBlocks: 64,
    blockSize: 8,
    maxSeqs,
    engine: { clock: () => clock.nowMs, overlapSteps: false },
    onSubmit: (step) => {
      clock.nowMs += 10;
      numSeqs.push(step.numSeqs);
    },
  });
  return { ...engine, numSeqs };
}

describe('a request with timeoutMs', () => {
  test('fails when they are over, and is in no step from then on', async () => {
    const { client, core, numSeqs } = slowEngine(4);
    const late = client.runOne(promptOf(9), { maxTokens: 50, timeoutMs: 35 });
    const prompt = promptOf(9);
    const other = client.runOne(prompt, { maxTokens: 6 });
    await expect(late).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      message: expect.stringContaining('35 ms'),
    });
    expect(client.samples.get(1)![0].tokens).toHaveLength(4);
    expect((await other).tokens).toEqual(answerAlone(prompt, 6, vocabSize).tokens);
    expect(numSeqs).toEqual([2, 2, 2, 2, 1, 1]);
    expect(core.stats().cache.numLive).toBe(0);
  });

  test('fails while it waits for a place', async () => {
    const { client, core } = slowEngine(1);
    const running = client.runOne(promptOf(9), { maxTokens: 9 });
    const waiting = client.runOne(promptOf(9), { timeoutMs: 30 });
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    expect(core.stats()).toMatchObject({ numWaiting: 0, numRunning: 1 });
    expect((await running).tokens).toHaveLength(9);
  });

  test('that ends in time is answered', async () => {
    const { client } = slowEngine(1);
    const { tokens } = await client.runOne(promptOf(9), { maxTokens: 3, timeoutMs: 60 });
    expect(tokens).toHaveLength(3);
  });
});
