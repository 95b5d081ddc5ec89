// Masks that come when they like: the engine waits for each, and for nothing else.

import { EngineError } from '../../lib/errors.js';
import type { FollowRequest, MaskSource, TokenMasks } from '../../lib/grammar/index.js';
import { answerAlone } from './arithmetic-model.js';
import { arithmeticEngine, greedy, randomFrom, randomTokens } from './harness.js';

const vocabSize = 97;
const stopTokenId = 96;
const random = randomFrom(5);
const promptOf = (length: number): number[] => randomTokens(random, length, vocabSize - 1);

/** Each token's remainder by 7 is one more than that of the token before; after `length` tokens only the stop. */
function isAllowed(drawn: readonly number[], token: number, length: number): boolean {
  if (drawn.length >= length) return token === stopTokenId;
  return token !== stopTokenId && token % 7 === ((drawn.at(-1) ?? 0) + 1) % 7;
}

function maskOf(drawn: readonly number[], length: number): Int32Array {
  const mask = new Int32Array(Math.ceil(vocabSize / 32));
  for (let id = 0; id < vocabSize; id++) {
    if (isAllowed(drawn, id, length)) mask[id >> 5] |= 1 << (id & 31);
  }
  return mask;
}

/** A grammar whose source is the length of what it allows; `bad` never has a mask. Each mask takes some turns. */
class SlowMasks implements MaskSource {
  numOpen = 0;
  /** Turns of the event loop that the next masks take. */
  turns = () => Math.floor(random() * 6);

  follow({ grammar, tokens }: FollowRequest, onChange: () => void): TokenMasks {
    this.numOpen++;
    const drawn = [...tokens];
    let mask: Int32Array | undefined;
    let version = 0;
    const prepare = async () => {
      const mine = ++version;
      mask = undefined;
      for (let turn = this.turns(); turn >= 0 && mine === version; turn--)
        await new Promise(setImmediate);
      if (mine !== version) return;
      if (grammar.source === 'bad') masks.error = new EngineError('ERR_GRAMMAR_INVALID', 'bad');
      else mask = maskOf(drawn, Number(grammar.source));
      onChange();
    };
    const masks = {
      error: undefined as EngineError | undefined,
      get isReady() {
        return mask !== undefined;
      },
      take: () => mask as Int32Array,
      accept: (token: number) => {
        drawn.push(token);
        void prepare();
      },
      fork: () => this.follow({ grammar, stopTokenIds: [], tokens: [...drawn] }, onChange),
      close: () => {
        version++;
        this.numOpen--;
      },
    };
    void prepare();
    return masks;
  }
}

function engineOf(numBlocks = 64, options: { clock?: () => number } = {}) {
  const masks = new SlowMasks();
  const engine = arithmeticEngine({ numBlocks, blockSize: 8, engine: { masks, ...options } });
  return { ...engine, masks };
}

const schema = (source: string) => ({ kind: 'schema', source }) as const;
const stopTokenIds = [stopTokenId];

function checkAnswer(tokens: readonly number[], length: number): void {
  expect(tokens).toHaveLength(length);
  tokens.forEach((token, i) => {
    expect(isAllowed(tokens.slice(0, i), token, length)).toBe(true);
  });
}

describe('a request with a grammar', () => {
  test('draws only what each mask allows, and stops where it may', async () => {
    const { client, masks, core } = engineOf();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        client.runOne(promptOf(5 + i), { maxTokens: 50, grammar: schema(`${i}`), stopTokenIds }),
      ),
    );
    answers.forEach(({ tokens, finished }, i) => {
      checkAnswer(tokens, i);
      expect(finished).toMatchObject({ reason: 'stop', stopTokenId });
    });
    expect(masks.numOpen).toBe(0);
    core.checkInvariants();
    await core.close();
  });

  test('holds up nobody else while its mask is not there', async () => {
    const { client, masks, core } = engineOf();
    masks.turns = () => 1e9;
    const prompt = promptOf(9);
    const held = client.runOne(promptOf(4), { maxTokens: 9, grammar: schema('5'), stopTokenIds });
    held.catch(() => {});
    const { tokens } = await client.runOne(prompt, { maxTokens: 20 });
    expect(tokens).toEqual(answerAlone(prompt, 20, vocabSize).tokens);
    expect(core.stats().numWaiting).toBe(1);
    core.abort(1);
    await core.close();
    expect(masks.numOpen).toBe(0);
  });

  test('fails when its time is over while it waits for nothing but its mask', async () => {
    const clock = { nowMs: 1000 };
    const { client, masks, core } = engineOf(64, { clock: () => clock.nowMs });
    masks.turns = () => 1e9;
    const options = { maxTokens: 9, grammar: schema('5'), stopTokenIds };
    const first = client.runOne(promptOf(4), { ...options, timeoutMs: 5 });
    const second = client.runOne(promptOf(4), { ...options, timeoutMs: 12 });
    while (core.stats().numWaiting < 2) await new Promise(setImmediate);
    clock.nowMs += 5;
    await expect(first).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    expect(core.stats()).toMatchObject({ numWaiting: 1, numSteps: 0 });
    clock.nowMs += 7;
    await expect(second).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    expect(masks.numOpen).toBe(0);
    await core.close();
  });

  test('fails when its time is over in the middle of its answer, for want of a mask', async () => {
    const clock = { nowMs: 1000 };
    const { client, masks, core } = engineOf(64, { clock: () => clock.nowMs });
    const options = { maxTokens: 9, grammar: schema('5'), stopTokenIds, timeoutMs: 5 };
    masks.turns = () => 0;
    client.afterEvents = () => {
      masks.turns = () => 1e9;
      if (client.samples.get(1)![0].tokens.length === 2) clock.nowMs += 5;
    };
    await expect(client.runOne(promptOf(4), options)).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
    });
    expect(core.stats().cache.numLive).toBe(0);
    expect(masks.numOpen).toBe(0);
    await core.close();
  });

  test('is cut by maxTokens like any other', async () => {
    const { client } = engineOf();
    const options = { maxTokens: 4, grammar: schema('9'), stopTokenIds };
    const { tokens, finished } = await client.runOne(promptOf(3), options);
    expect(tokens).toHaveLength(4);
    expect(finished).toMatchObject({ reason: 'length' });
  });

  test('fails alone when its grammar does not compile', async () => {
    const { client, masks, core } = engineOf();
    const bad = client.runOne(promptOf(3), { maxTokens: 4, grammar: schema('bad'), stopTokenIds });
    const good = client.runOne(promptOf(3), { maxTokens: 9, grammar: schema('6'), stopTokenIds });
    await expect(bad).rejects.toMatchObject({ code: 'ERR_GRAMMAR_INVALID' });
    checkAnswer((await good).tokens, 6);
    expect(masks.numOpen).toBe(0);
    await core.close();
  });

  test('keeps its place in the grammar through preemptions', async () => {
    const { client, core } = engineOf(14);
    const answers = await Promise.all(
      Array.from({ length: 6 }, () =>
        client.runOne(promptOf(8), { maxTokens: 40, grammar: schema('24'), stopTokenIds }),
      ),
    );
    for (const { tokens } of answers) checkAnswer(tokens, 24);
    expect(core.stats().numPreemptions).toBeGreaterThan(0);
    await core.close();
  });

  test('needs a stop token, and an engine that knows grammars', async () => {
    const { client } = engineOf();
    const grammar = schema('3');
    await expect(client.runOne(promptOf(3), { maxTokens: 4, grammar })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('a stop token that ends it'),
    });
    const plain = arithmeticEngine({ numBlocks: 9, blockSize: 8 });
    const asked = plain.client.runOne(promptOf(3), { maxTokens: 4, grammar, stopTokenIds });
    await expect(asked).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  test('gives each of its samples, and its forks, a grammar of their own', async () => {
    const { client, core, masks } = engineOf();
    const sampling = { ...greedy, temperature: 1, seed: 3n };
    const options = { maxTokens: 50, n: 4, sampling, grammar: schema('12'), stopTokenIds };
    const samples = await client.run(promptOf(11), options);
    expect(samples).toHaveLength(4);
    for (const { tokens } of samples) checkAnswer(tokens, 12);
    expect(new Set(samples.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(1);
    const id = 100;
    const parent = client.run(promptOf(8), { ...options, n: 1 });
    const fork = client.follow(id);
    client.afterEvents = () => {
      if (client.samples.get(2)![0].tokens.length !== 5) return;
      core.fork({ id, from: 2, sampling: { ...sampling, seed: 8n } });
      client.afterEvents = () => {};
    };
    const [{ tokens }] = await parent;
    const [{ tokens: rest }] = await fork;
    checkAnswer(tokens, 12);
    checkAnswer([...tokens.slice(0, 5), ...rest], 12);
    expect(rest).not.toEqual(tokens.slice(5));
    await core.close();
    expect(masks.numOpen).toBe(0);
  });
});
