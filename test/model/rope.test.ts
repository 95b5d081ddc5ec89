import {
  identityRopeTable,
  inverseFrequencies,
  type RopeConfig,
  ropeTable,
} from '../../lib/model/rope.js';

const plain: RopeConfig = { theta: 10000, rotaryDim: 8, scaling: { type: 'default' } };

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
