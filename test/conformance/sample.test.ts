// That each draw equals the reference's is shown case by case in sample.cases.ts; here draws are what
// they claim to be as a whole: distributed as asked, and a function of seed and position alone.
import { Device, greedySlot, type SamplingSlot } from '../../lib/device/index.js';
import { candidatesOf, type SampleSettings } from '../reference/sample.js';
import { Random, seedOfThisRun } from './random.js';

const seed = seedOfThisRun();
const random = new Random(seed, 'sample.test');
const vocabSize = 12;
const numSeeds = 100;
const numPositions = 120;

const plain: SamplingSlot = { ...greedySlot, temperature: 1 };

/** Draws once per seed and position, all from the same logits. `[position][seed]` */
async function drawMany(
  device: Device,
  logits: Float32Array,
  settings: Partial<SamplingSlot>,
): Promise<Int32Array[]> {
  const firstSeed = BigInt(random.uint32()) << 20n;
  const slots = Array.from({ length: numSeeds }, (_, i) => ({
    ...plain,
    ...settings,
    seed: firstSeed + BigInt(i),
  }));
  const rows = new Float32Array(numSeeds * vocabSize);
  for (let row = 0; row < numSeeds; row++) rows.set(logits, row * vocabSize);
  const tensor = device.tensor({ dtype: 'f32', shape: [numSeeds, vocabSize], data: rows });
  const rowSlots = Int32Array.from(slots, (_, i) => i);
  const firstPosition = random.integer(0, 2 ** 20);
  const drawn: Int32Array[] = [];
  for (let i = 0; i < numPositions; i++) {
    const rowPositions = new Int32Array(numSeeds).fill(firstPosition + i);
    const { samples } = await device.ops.sample({ logits: tensor, slots, rowSlots, rowPositions });
    drawn.push(samples.slice());
  }
  tensor.free();
  return drawn;
}

/** Pearson's statistic; with d cells it is about d - 1, and beyond d + 8 sqrt(2d) once in 10^8 runs. */
function expectFrequencies(counts: readonly number[], probabilities: readonly number[]): void {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const statistic = counts.reduce((sum, count, i) => {
    const expected = probabilities[i] * total;
    return sum + (expected === 0 ? 0 : (count - expected) ** 2 / expected);
  }, 0);
  expect(statistic).toBeLessThan(counts.length + 8 * Math.sqrt(2 * counts.length));
  counts.forEach((count, i) => {
    if (probabilities[i] === 0) expect(count).toBe(0);
  });
}

describe(`sample (PA_SEED=${seed})`, () => {
  let device: Device;
  beforeAll(() => {
    device = Device.open({ backend: 'cpu', threads: 2 });
  });
  afterAll(() => device.close());

  test.each<[string, Partial<SamplingSlot>]>([
    ['nothing else', {}],
    ['a temperature', { temperature: 1.7 }],
    ['top-k', { topK: 4 }],
    ['top-p', { topP: 0.8 }],
    ['min-p', { minP: 0.2 }],
    ['all of them', { temperature: 1.3, topK: 8, topP: 0.9, minP: 0.05 }],
  ])('draws each token as often as its probability says, with %s', async (_, settings) => {
    const logits = random.normals(vocabSize, 1.2);
    const drawn = await drawMany(device, logits, settings);
    const counts = new Array<number>(vocabSize).fill(0);
    for (const samples of drawn) for (const token of samples) counts[token]++;

    const none = { bias: new Map(), promptTokens: new Set<number>(), outputCounts: new Map() };
    const full: SampleSettings = { ...plain, ...settings, ...none };
    const { ids, weights } = candidatesOf(Float64Array.from(logits), full);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const probabilities = new Array<number>(vocabSize).fill(0);
    ids.forEach((id, i) => {
      probabilities[id] = weights[i] / total;
    });
    expectFrequencies(counts, probabilities);
  });

  test('draws at neighbouring positions and of neighbouring seeds are independent', async () => {
    const logits = new Float32Array(vocabSize).fill(Number.NEGATIVE_INFINITY);
    logits.fill(0, 0, 4);
    const drawn = await drawMany(device, logits, {});
    const byPosition = new Array<number>(16).fill(0);
    const bySeed = new Array<number>(16).fill(0);
    for (let p = 1; p < numPositions; p++) {
      for (let s = 1; s < numSeeds; s++) {
        byPosition[4 * drawn[p - 1][s] + drawn[p][s]]++;
        bySeed[4 * drawn[p][s - 1] + drawn[p][s]]++;
      }
    }
    const sixteenths = new Array<number>(16).fill(1 / 16);
    expectFrequencies(byPosition, sixteenths);
    expectFrequencies(bySeed, sixteenths);
  });

  test('a draw depends on its logits, seed and position, not on its row, batch or slot', async () => {
    const logits = random.normals(vocabSize);
    const strangers = random.normals(40 * vocabSize);
    const slot = { ...plain, seed: 77n };
    const drawAt = async (row: number, numRows: number) => {
      const rows = strangers.slice(0, numRows * vocabSize);
      rows.set(logits, row * vocabSize);
      const tensor = device.tensor({ dtype: 'f32', shape: [numRows, vocabSize], data: rows });
      const slots = [{ ...plain, seed: 5n }, slot];
      const rowSlots = Int32Array.from({ length: numRows }, (_, i) => (i === row ? 1 : 0));
      const rowPositions = Int32Array.from({ length: numRows }, (_, i) => (i === row ? 1234 : i));
      const result = await device.ops.sample({ logits: tensor, slots, rowSlots, rowPositions });
      tensor.free();
      return result.samples[row];
    };
    const alone = await drawAt(0, 1);
    expect(await drawAt(0, 40)).toBe(alone);
    expect(await drawAt(17, 40)).toBe(alone);
    expect(await drawAt(39, 40)).toBe(alone);
  });

  test('greedy takes the lowest id of equal logits, wherever they stand', async () => {
    const wide = 3000;
    const logits = new Float32Array(wide).fill(-1);
    for (const id of [1500, 1501, 2999]) logits[id] = 2;
    const tensor = device.tensor({ dtype: 'f32', shape: [1, wide], data: logits });
    const { samples } = await device.ops.sample({
      logits: tensor,
      slots: [{ ...plain, temperature: 0 }],
      rowSlots: Int32Array.of(0),
      rowPositions: Int32Array.of(0),
    });
    tensor.free();
    expect(samples[0]).toBe(1500);
  });
});
