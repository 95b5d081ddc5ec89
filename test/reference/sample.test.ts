import { digestOfRow } from './digest.js';
import { philox, uniformAt } from './philox.js';
import {
  adjustLogits,
  argmax,
  candidatesOf,
  drawWithin,
  isDrawable,
  logSoftmax,
  type SampleSettings,
} from './sample.js';

const plain: SampleSettings = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 1n,
  bias: new Map(),
  promptTokens: new Set(),
  outputCounts: new Map(),
};

/** Logits of the given probabilities. */
const logitsOf = (...probabilities: number[]) => Float64Array.from(probabilities, Math.log);

describe('philox', () => {
  test('gives the published vectors', () => {
    // The known-answer file of Random123, philox4x32-10.
    expect(philox([0n, 0n, 0n, 0n], [0n, 0n])).toEqual([
      0x6627e8d5n,
      0xe169c58dn,
      0xbc57ac4cn,
      0x9b00dbd8n,
    ]);
    const ones = 0xffffffffn;
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([
      0x408f276dn,
      0x41c83b0en,
      0xa20bc7c6n,
      0x6d5451fdn,
    ]);
  });

  test('spreads evenly over positions and over seeds', () => {
    const numDraws = 4000;
    for (const at of [
      (i: number) => uniformAt(7n, i),
      (i: number) => uniformAt(BigInt(i), 7),
      (i: number) => uniformAt(BigInt(i) << 32n, 7),
    ]) {
      const tenths = new Array(10).fill(0);
      for (let i = 0; i < numDraws; i++) tenths[Math.floor(at(i) * 10)]++;
      // Five standard deviations of a tenth's count.
      for (const count of tenths) expect(Math.abs(count - 400)).toBeLessThan(5 * 19);
    }
  });
});

describe('adjustLogits', () => {
  test('biases first, then divides positive and multiplies negative logits of seen tokens', () => {
    const settings = {
      ...plain,
      repetitionPenalty: 2,
      bias: new Map([[1, 8]]),
      promptTokens: new Set([0, 1]),
      outputCounts: new Map([[2, 1]]),
    };
    expect([...adjustLogits([-1, -4, 6, 5], settings)]).toEqual([-2, 2, 3, 5]);
  });

  test('takes presence once and frequency per time, of outputs only', () => {
    const settings = {
      ...plain,
      presencePenalty: 0.5,
      frequencyPenalty: 0.25,
      promptTokens: new Set([0]),
      outputCounts: new Map([
        [1, 1],
        [2, 3],
      ]),
    };
    expect([...adjustLogits([1, 1, 1, 1], settings)]).toEqual([1, 0.25, -0.25, 1]);
  });
});

describe('candidatesOf', () => {
  const logits = logitsOf(0.1, 0.4, 0.2, 0.3);

  test('are all tokens in order of ids when nothing is on', () => {
    expect(candidatesOf(logits, plain).ids).toEqual([0, 1, 2, 3]);
  });

  test('top-k keeps the k best, the lower id of equals', () => {
    expect(candidatesOf(logits, { ...plain, topK: 2 }).ids).toEqual([1, 3]);
    expect(candidatesOf(new Float64Array(4), { ...plain, topK: 2 }).ids).toEqual([0, 1]);
  });

  test('top-p keeps the fewest that hold its share, and at least one', () => {
    expect(candidatesOf(logits, { ...plain, topP: 0.69 }).ids).toEqual([1, 3]);
    expect(candidatesOf(logits, { ...plain, topP: 0.71 }).ids).toEqual([1, 3, 2]);
    expect(candidatesOf(logits, { ...plain, topP: 1e-9 }).ids).toEqual([1]);
  });

  test('top-p is a share of what top-k left', () => {
    // Of 0.4 and 0.3 the first holds 0.571.
    expect(candidatesOf(logits, { ...plain, topK: 2, topP: 0.57 }).ids).toEqual([1]);
    expect(candidatesOf(logits, { ...plain, topK: 2, topP: 0.58 }).ids).toEqual([1, 3]);
  });

  test('min-p keeps what is at least its share of the best', () => {
    expect(candidatesOf(logits, { ...plain, minP: 0.6 }).ids).toEqual([1, 3]);
  });

  test('a low temperature sharpens before min-p looks', () => {
    expect(candidatesOf(logits, { ...plain, temperature: 0.5, minP: 0.6 }).ids).toEqual([1]);
  });
});

describe('drawWithin', () => {
  test('gives each token in proportion to its weight', () => {
    const candidates = candidatesOf(logitsOf(0.1, 0.4, 0.2, 0.3), plain);
    const counts = [0, 0, 0, 0];
    for (let position = 0; position < 4000; position++) {
      counts[drawWithin(candidates, plain, position, 0)[0]]++;
    }
    [400, 1600, 800, 1200].forEach((expected, id) => {
      expect(Math.abs(counts[id] - expected)).toBeLessThan(5 * Math.sqrt(expected));
    });
  });
});

describe('small parts', () => {
  test('argmax takes the lowest of equals', () => {
    expect(argmax([1, 3, 3, 2])).toBe(1);
  });

  test('log-probabilities are those of a softmax', () => {
    const logprobs = logSoftmax(logitsOf(1, 2, 5));
    expect(Math.exp(logprobs[2])).toBeCloseTo(5 / 8, 12);
  });

  test('a row can be drawn from unless it has NaN, +infinity, or nothing finite', () => {
    expect(isDrawable([0, Number.NEGATIVE_INFINITY])).toBe(true);
    expect(isDrawable([0, Number.NaN])).toBe(false);
    expect(isDrawable([0, Number.POSITIVE_INFINITY])).toBe(false);
    expect(isDrawable([Number.NEGATIVE_INFINITY])).toBe(false);
  });

  test('a digest changes with any bit, with the order and with the length', () => {
    const row = Float32Array.from({ length: 40 }, (_, i) => i);
    const digests = new Set([digestOfRow(row)]);
    const words = new Uint32Array(row.buffer);
    for (let i = 0; i < 40; i++) {
      for (const bit of [0, 13, 31]) {
        words[i] ^= 1 << bit;
        digests.add(digestOfRow(row));
        words[i] ^= 1 << bit;
      }
    }
    digests.add(digestOfRow(row.slice().reverse()));
    digests.add(digestOfRow(Float32Array.from([...row, 0])));
    expect(digests.size).toBe(1 + 40 * 3 + 2);
  });
});
