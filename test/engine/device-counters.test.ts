import { DeviceEngine, tinyCheckpoint, tinyVocabSize } from './device-engine.js';
import { randomFrom, randomTokens } from './harness.js';

const checkpoint = tinyCheckpoint({ dtype: 'bf16', group: 4, headDim: 64 });
const { folder } = checkpoint;
afterAll(() => checkpoint.remove());

describe.each([8, 16, 32])('by the counters of the device, block size %d', (blockSize) => {
  let engine: DeviceEngine;
  beforeAll(async () => {
    engine = await DeviceEngine.open({ folder, numBlocks: 64, blockSize });
  });
  afterAll(() => engine.close());

  const random = randomFrom(11);
  const promptOf = (length: number): number[] => randomTokens(random, length, tinyVocabSize);
  const counted = async <T>(work: Promise<T>) => {
    const before = engine.device.counters();
    const result = await work;
    const { tokensComputed, kvSlotsWritten } = engine.device.counters();
    return {
      result,
      tokensComputed: tokensComputed - before.tokensComputed,
      kvSlotsWritten: kvSlotsWritten - before.kvSlotsWritten,
    };
  };

  test('a repeated prompt of any length 1 to 100 computes exactly one token', async () => {
    for (let length = 1; length <= 100; length++) {
      const prompt = promptOf(length);
      const first = await engine.client.runOne(prompt);
      const again = await counted(engine.client.runOne(prompt));
      expect(again.result.digests).toEqual(first.digests);
      expect(again.tokensComputed).toBe(1);
      // In a prompt that ends with a block, the one token lies in a shared block: nothing is written.
      expect(again.kvSlotsWritten).toBe(length % blockSize === 0 ? 0 : 1);
      expect(again.result.finished!.usage).toMatchObject({
        promptTokens: length,
        cachedTokens: length - 1,
        computedTokens: 1,
      });
    }
  });

  test('a turn computes its new tokens: prompt and answer before it are hits', async () => {
    let history = promptOf(29);
    let numSeen = 0;
    for (let turn = 0; turn < 6; turn++) {
      const { result, tokensComputed } = await counted(
        engine.client.runOne(history, { maxTokens: 9 }),
      );
      const { cachedTokens, computedTokens, decodedTokens } = result.finished!.usage;
      expect(cachedTokens).toBe(numSeen);
      expect(tokensComputed).toBe(computedTokens + decodedTokens);
      expect(tokensComputed).toBe(history.length - numSeen + 8);
      // The last token of an answer was drawn but never run.
      numSeen = history.length + 8;
      history = [...history, ...result.tokens, ...promptOf(5)];
    }
  });
});
