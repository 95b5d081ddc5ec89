import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(1);

describe('EngineCore', () => {
  test('answers like the model alone', async () => {
    const { client, executor, core } = arithmeticEngine({ numBlocks: 64, blockSize: 8 });
    const prompt = randomTokens(random, 21, executor.vocabSize);
    const { tokens, digests, finished } = await client.runOne(prompt, { maxTokens: 10 });
    expect({ tokens, digests }).toEqual(answerAlone(prompt, 10, executor.vocabSize));
    expect(finished).toMatchObject({ reason: 'length' });
    expect(finished?.usage).toMatchObject({
      promptTokens: 21,
      cachedTokens: 0,
      computedTokens: 21,
      copiedTokens: 0,
      recomputedTokens: 0,
      outputTokens: 10,
      decodedTokens: 9,
    });
    expect(core.stats()).toMatchObject({ numRunning: 0, numWaiting: 0, tokensComputed: 30 });
    await core.close();
    expect(executor.isClosed).toBe(true);
  });
});
