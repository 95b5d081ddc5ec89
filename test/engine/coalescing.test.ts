import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(5);
const vocabSize = 97;
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize);

/** An engine that runs 8 prompt tokens of a sequence per step, and the steps it ran. */
function slowEngine(options: { numBlocks?: number } = {}) {
  const steps: number[] = [];
  const engine = arithmeticEngine({
    numBlocks: 64,
    blockSize: 8,
    ...options,
    engine: { maxChunkTokens: 8 },
    onSubmit: (step) => steps.push(step.numSeqs),
  });
  return { ...engine, steps };
}

describe('a waiting request', () => {
  test('waits for the running one that computes the prefix of both, and no longer', async () => {
    const { client, core } = slowEngine();
    const shared = promptOf(44);
    const long = client.runOne([...shared, ...promptOf(100)]);
    const short = client.runOne([...shared, ...promptOf(6)]);
    const { finished } = await short;
    // 44 common tokens: five full blocks, and four tokens of the sixth by a copy.
    expect(finished!.usage).toMatchObject({ cachedTokens: 44, copiedTokens: 4, computedTokens: 6 });
    expect(client.samples.get(1)![0].finished).toBeUndefined();
    expect(core.stats().numCoalesced).toBe(1);
    await long;
  });

  test('holds no blocks meanwhile', async () => {
    const { client, core, steps } = slowEngine();
    const shared = promptOf(64);
    const runs = [1, 2, 3].map(() => client.runOne([...shared, ...promptOf(6)]));
    while (steps.length < 3) await new Promise(setImmediate);
    expect(core.stats()).toMatchObject({ numWaiting: 2, cache: { numLive: Math.ceil(70 / 8) } });
    await Promise.all(runs);
  });

  test('does not delay those behind it', async () => {
    const { client } = slowEngine();
    const shared = promptOf(64);
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    await Promise.all([
      client.runOne([...shared, ...promptOf(8)]).then(note('first')),
      client.runOne([...shared, ...promptOf(8)]).then(note('coalesced')),
      client.runOne(promptOf(10)).then(note('stranger')),
    ]);
    expect(order).toEqual(['stranger', 'first', 'coalesced']);
  });

  test('waits for nothing that is less than half a block', async () => {
    const { client, core } = slowEngine();
    for (const numCommon of [1, 3, 8 + 3]) {
      const shared = promptOf(numCommon);
      const long = client.runOne([...shared, ...promptOf(60)]);
      const second = await client.runOne([...shared, ...promptOf(5)]);
      const isWhole = numCommon > 8;
      expect(core.stats().numCoalesced).toBe(isWhole ? 1 : 0);
      expect(second.finished!.usage.cachedTokens).toBe(isWhole ? 8 : 0);
      await long;
    }
  });

  test('waits for half of a block', async () => {
    const { client, core } = slowEngine();
    const shared = promptOf(4);
    const long = client.runOne([...shared, ...promptOf(60)]);
    const second = await client.runOne([...shared, ...promptOf(5)]);
    expect(core.stats().numCoalesced).toBe(1);
    expect(second.finished!.usage).toMatchObject({ cachedTokens: 4, copiedTokens: 4 });
    await long;
  });

  test('does not wait for one with another salt', async () => {
    const { client, core } = slowEngine();
    const prompt = promptOf(40);
    const [, other] = await Promise.all([
      client.runOne(prompt, { salt: 'north' }),
      client.runOne(prompt, { salt: 'south' }),
    ]);
    expect(other.finished!.usage).toMatchObject({ cachedTokens: 0, computedTokens: 40 });
    expect(core.stats().numCoalesced).toBe(0);
  });

  test('does not wait for one that keeps nothing', async () => {
    const { client, core } = slowEngine();
    const prompt = promptOf(40);
    await Promise.all([client.runOne(prompt, { cache: 'off' }), client.runOne(prompt)]);
    expect(core.stats()).toMatchObject({ numCoalesced: 0, tokensComputed: 80 });
  });

  test('is released when that one is aborted, and keeps what it had computed', async () => {
    const { client, core, steps } = slowEngine();
    const prompt = promptOf(64);
    const first = client.runOne(prompt);
    const second = client.runOne(prompt);
    while (steps.length < 3) await new Promise(setImmediate);
    core.abort(1);
    expect((await first).finished).toMatchObject({ reason: 'abort' });
    const { tokens, finished } = await second;
    expect(tokens).toEqual(answerAlone(prompt, 1, vocabSize).tokens);
    expect(finished!.usage.cachedTokens).toBeGreaterThanOrEqual(16);
    expect(finished!.usage.computedTokens).toBeGreaterThan(1);
  });

  test('runs at once when the cache has what the running one would give', async () => {
    const { client, core } = slowEngine();
    const shared = promptOf(32);
    await client.runOne(shared);
    const long = client.runOne([...shared, ...promptOf(60)]);
    const second = await client.runOne([...shared, ...promptOf(4)]);
    expect(second.finished!.usage.cachedTokens).toBe(32);
    expect(core.stats().numCoalesced).toBe(0);
    await long;
  });
});
