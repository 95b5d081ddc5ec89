import { chooseRotation, identityRopeTable, ropeTable } from '../../lib/model/rope.js';
import type { RopeConfig } from '../../lib/model/rope-config.js';

const plain: RopeConfig = { theta: 10000, rotaryDim: 8, scaling: { type: 'default' } };
const inverseFrequencies = (rope: RopeConfig, contextLen = 64) =>
  chooseRotation(rope, contextLen).frequencies;

describe('rotary embedding', () => {
  test('turns the first pair by one radian per position and the others ever more slowly', () => {
    const expected = [1, 0.1, 0.01, 0.001];
    const frequencies = [...inverseFrequencies(plain)];
    frequencies.forEach((frequency, pair) => {
      expect(frequency).toBeCloseTo(expected[pair], 15);
    });
  });

  test('linear scaling slows every pair by its factor', () => {
    const scaled = inverseFrequencies({ ...plain, scaling: { type: 'linear', factor: 4 } });
    expect([...scaled]).toEqual([...inverseFrequencies(plain)].map((frequency) => frequency / 4));
  });

  test('llama3 scaling keeps fast pairs, slows slow ones by its factor, and blends between', () => {
    const kept = inverseFrequencies(plain);
    const scaling = {
      type: 'llama3',
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 128,
    } as const;
    const scaled = inverseFrequencies({ ...plain, scaling });
    // 128 positions are 20.4, 2.04, 0.2 and 0.02 turns of the four pairs.
    expect(scaled[0]).toBe(kept[0]);
    const blend = ((128 * 0.1) / (2 * Math.PI) - 1) / 3;
    expect(scaled[1]).toBeCloseTo(0.1 * (blend + (1 - blend) / 8), 15);
    expect(scaled[2]).toBe(kept[2] / 8);
    expect(scaled[3]).toBe(kept[3] / 8);
  });

  test('yarn keeps the pairs that turn often, slows the others by its factor, and blends by index', () => {
    const scaling = {
      type: 'yarn',
      factor: 4,
      betaFast: 32,
      betaSlow: 1,
      isTruncated: true,
      originalMaxPositions: 128,
      attentionFactor: 1.2,
    } as const;
    const rope = { ...plain, rotaryDim: 16, scaling };
    // 128 positions are 32 turns at pair -0.39 and one turn at pair 2.62 of 8: from 0 to 3.
    const kept = inverseFrequencies({ ...plain, rotaryDim: 16 });
    const blended = [1, 2 / 3 + 1 / 12, 1 / 3 + 1 / 6, 1 / 4, 1 / 4, 1 / 4, 1 / 4, 1 / 4];
    inverseFrequencies(rope).forEach((frequency, pair) => {
      expect(frequency).toBeCloseTo(kept[pair] * blended[pair], 12);
    });
    const exact = inverseFrequencies({ ...rope, scaling: { ...scaling, isTruncated: false } });
    const end = (16 * Math.log(128 / (2 * Math.PI))) / (2 * Math.log(10000));
    expect(exact[1]).toBeCloseTo(kept[1] * (1 - 0.75 / end), 12);
    expect(chooseRotation(rope, 64).magnitude).toBe(1.2);
  });

  describe('longrope', () => {
    const scaling = {
      type: 'longrope',
      shortFactors: [1, 1, 2, 4],
      longFactors: [1, 2, 8, 32],
      originalMaxPositions: 64,
      attentionFactor: 1.5,
    } as const;
    const kept = inverseFrequencies(plain);

    test.each([
      [64, scaling.shortFactors],
      [65, scaling.longFactors],
    ])('loaded for %i tokens has one list of factors for all positions', (contextLen, factors) => {
      const { frequencies, magnitude } = chooseRotation({ ...plain, scaling }, contextLen);
      expect([...frequencies]).toEqual(factors.map((factor, pair) => kept[pair] / factor));
      expect(magnitude).toBe(1.5);
    });

    test('multiplies the cosines and sines of its table', async () => {
      const table = await ropeTable({ ...plain, scaling }, 2);
      expect([...table.subarray(0, 8)]).toEqual([1.5, 1.5, 1.5, 1.5, 0, 0, 0, 0]);
      expect(table[8 + 4]).toBe(Math.fround(1.5 * Math.sin(1)));
    });
  });

  test('a row of the table is the cosine of each pair, then the sine of each', async () => {
    const table = await ropeTable({ ...plain, rotaryDim: 4, theta: 100 }, 3);
    expect([...table.subarray(0, 4)]).toEqual([1, 1, 0, 0]);
    const angles = [2, 0.2];
    const expected = [...angles.map(Math.cos), ...angles.map(Math.sin)].map(Math.fround);
    expect([...table.subarray(8)]).toEqual(expected);
  });

  test('a longer context only adds rows', async () => {
    const short = await ropeTable(plain, 5);
    expect([...(await ropeTable(plain, 9)).subarray(0, short.length)]).toEqual([...short]);
  });

  test('the event loop gets a turn after every few rows of a long table', async () => {
    let numTurns = 0;
    const count = () => {
      numTurns++;
      turn = setImmediate(count);
    };
    let turn = setImmediate(count);
    const rope = { ...plain, rotaryDim: 128 };
    const table = await ropeTable(rope, 4096);
    clearImmediate(turn);
    expect(numTurns).toBeGreaterThanOrEqual((4096 * 64) / 16384 - 1);
    const frequencies = inverseFrequencies(rope);
    for (const position of [255, 256, 4095]) {
      const expected = Array.from(frequencies, (f) => Math.fround(Math.cos(position * f)));
      expect([...table.subarray(position * 128, position * 128 + 64)]).toEqual(expected);
    }
  });

  test('the identity table has cosines 1 and sines 0', () => {
    expect([...identityRopeTable(4, 2)]).toEqual([1, 1, 0, 0, 1, 1, 0, 0]);
  });
});
