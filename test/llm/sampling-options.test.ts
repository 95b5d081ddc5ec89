// The compiled package on the recall model: what each sampling option does to the text.
import { type Llm, load } from '../../dist/index.js';
import { system, user } from './messages.js';

const facts = system('The vault code of Amber is 4217. Omar lives in Lisbon.');
const where = [facts, user('Where does Omar live?')];
const hot = { temperature: 3, maxTokens: 40, ignoreEos: true, digests: true } as const;
let llm: Llm;

beforeAll(async () => {
  llm = await load();
});
afterAll(() => llm.close());

describe('sampling', () => {
  test('a seed gives the same text, alone and in any company', async () => {
    const alone = await llm.chat(where, { ...hot, seed: 11, cache: 'off' });
    const others = Array.from({ length: 12 }, (_, i) =>
      llm.generate(`noise ${i}`, { ...hot, seed: 100 + i, maxTokens: 20 + i }),
    );
    const among = await llm.chat(where, { ...hot, seed: 11 });
    await Promise.all(others);
    const again = await llm.chat(where, { ...hot, seed: 11 });
    expect([among.tokenIds, again.tokenIds]).toEqual([alone.tokenIds, alone.tokenIds]);
    expect([among.digests, again.digests]).toEqual([alone.digests, alone.digests]);
    const other = await llm.chat(where, { ...hot, seed: 12 });
    expect(other.text).not.toBe(alone.text);
  });

  test('choice i of n is the request with seed + i', async () => {
    const { choices } = await llm.chat(where, { ...hot, seed: 5, n: 3 });
    for (const { index, tokenIds } of choices) {
      const single = await llm.chat(where, { ...hot, seed: 5 + index });
      expect(tokenIds).toEqual(single.tokenIds);
    }
  });

  test('a stop text ends inside a token and across tokens, and no part of it is shown', async () => {
    const free = await llm.chat(where, { ...hot, seed: 3 });
    const middle = Math.floor(free.text.length / 2);
    for (const length of [1, 5, 12]) {
      const stop = free.text.slice(middle, middle + length);
      const { text, finishReason } = await llm.chat(where, { ...hot, seed: 3, stop });
      expect(text).toBe(free.text.slice(0, free.text.indexOf(stop)));
      expect(finishReason).toBe('stop');
    }
  });

  test('minTokens and ignoreEos hold off the end', async () => {
    const plain = await llm.chat(where, { maxTokens: 30 });
    expect(plain).toMatchObject({ text: 'Lisbon', finishReason: 'stop' });
    const longer = await llm.chat(where, { maxTokens: 30, minTokens: plain.tokenIds.length + 4 });
    expect(longer.tokenIds.length).toBeGreaterThanOrEqual(plain.tokenIds.length + 4);
    const endless = await llm.chat(where, { maxTokens: 30, ignoreEos: true });
    expect(endless).toMatchObject({ finishReason: 'length', tokenIds: { length: 30 } });
  });

  test.each([[{ presencePenalty: 1e6 }], [{ frequencyPenalty: 1e6 }]])(
    '%j draws no token twice',
    async (penalty) => {
      const { tokenIds } = await llm.chat(where, { ...hot, ...penalty, temperature: 0 });
      expect(new Set(tokenIds).size).toBe(tokenIds.length);
      const free = await llm.chat(where, { ...hot, temperature: 0 });
      expect(new Set(free.tokenIds).size).toBeLessThan(free.tokenIds.length);
    },
  );

  test('a repetition penalty counts the prompt, and a bias moves a token', async () => {
    const [first] = (await llm.chat(where)).tokenIds;
    const repelled = await llm.chat(where, { repetitionPenalty: 1e6, maxTokens: 1 });
    expect(repelled.tokenIds[0]).not.toBe(first);
    const banned = await llm.chat(where, { logitBias: { [first]: -1e9 }, maxTokens: 1 });
    expect(banned.tokenIds[0]).not.toBe(first);
    const forced = await llm.chat(where, { logitBias: { 300: 1e9 }, maxTokens: 3 });
    expect(forced.tokenIds).toEqual([300, 300, 300]);
  });

  test('log-probabilities are of what was drawn, the likeliest first', async () => {
    const { tokenIds, logprobs } = await llm.chat(where, { logprobs: 5 });
    expect(logprobs).toHaveLength(tokenIds.length);
    logprobs!.forEach(({ logprob, top }, i) => {
      expect(top).toHaveLength(5);
      expect(top[0]).toEqual({ tokenId: tokenIds[i], logprob });
      expect(top.map((entry) => entry.logprob)).toEqual(
        top.map((entry) => entry.logprob).toSorted((a, b) => b - a),
      );
    });
  });
});
