import type { Device, WeightDType } from '../../lib/device/index.js';
import { isQuantized } from '../reference/quantized.js';
import { expectSameBits, MismatchError } from './compare.js';
import { inScope } from './device-scope.js';
import { Random } from './random.js';
import { attendArranged, type SequenceUnderTest } from './sequence-arrangement.js';

/** A device as it stands in a message. */
export const nameOf = ({ info }: Device) => `${info.backend}/${info.isa}, ${info.threads} threads`;

/**
 * Rows of a product must be the same alone, in small groups and among strangers that are NaN.
 *
 * @throws {MismatchError} naming the device and how many rows ran together
 */
export async function expectRowsAlone(
  devices: readonly Device[],
  dtype: WeightDType,
  seed: number,
): Promise<void> {
  const random = new Random(seed, `rows/${dtype}`);
  const [inDim, outDim, numRows] = [530, 70, 40];
  const x = random.normals(numRows * inDim);
  const values = random.normals(outDim * inDim);
  const multiply = (device: Device, rows: Float32Array) =>
    inScope(device, async (scope) => {
      await device.ops.matmul({
        out: await scope.output('out', 'f32', [rows.length / inDim, outDim]),
        x: scope.floats(isQuantized(dtype) ? 'f32' : dtype, [rows.length / inDim, inDim], rows),
        weight: await scope.weight({ dtype, inDim, partRows: [outDim], values }),
      });
    });
  // Rows that are all NaN stand between the others.
  const strangers = x.map((value, i) => (Math.floor(i / inDim) % 5 === 3 ? Number.NaN : value));
  for (const device of devices) {
    const { out: together } = await multiply(device, strangers);
    for (const numAlone of [1, 2, 3, 16]) {
      const { out } = await multiply(device, strangers.slice(0, numAlone * inDim));
      const expected = { out: together.slice(0, numAlone * outDim) };
      expectSameBits(`${numAlone} rows on ${nameOf(device)}`, { out }, expected);
    }
  }
}

/**
 * Groups of quantised weights and rows that have no finite scale, none at all, or only just one.
 *
 * @throws {MismatchError} naming the device
 */
export async function expectQuantizedEdges(
  devices: readonly Device[],
  dtype: 'int8' | 'int4',
  seed: number,
): Promise<void> {
  const random = new Random(seed, `edges/${dtype}`);
  const [inDim, outDim, numRows] = [96, 40, 7];
  const spread = (length: number) =>
    Float32Array.from({ length }, () => random.normal() * 2 ** random.integer(-140, 100));
  const x = spread(numRows * inDim);
  x[3 * inDim + 40] = Number.NaN;
  x[4 * inDim + 95] = Number.NEGATIVE_INFINITY;
  x.fill(0, 5 * inDim, 6 * inDim);
  // Scales of weights are f16: from 2^-24, and infinite above 65504.
  const values = Float32Array.from(
    { length: outDim * inDim },
    () => random.normal() * 2 ** random.integer(-36, 12),
  );
  values[inDim * 2 + 5] = Number.NaN;
  values[inDim * 33] = Number.POSITIVE_INFINITY;
  values[inDim * 9] = 1e30;
  const outputs = devices.map((device) =>
    inScope(device, async (scope) => {
      await device.ops.matmul({
        out: await scope.output('out', 'f32', [numRows, outDim]),
        x: scope.floats('f32', [numRows, inDim], x),
        weight: await scope.weight({ dtype, inDim, partRows: [outDim], values }),
      });
    }),
  );
  const [expected, ...others] = await Promise.all(outputs);
  others.forEach((output, i) => {
    expectSameBits(`on ${nameOf(devices[i + 1])}`, output, expected);
  });
  const isNaNAt = (row: number, output: number) =>
    Number.isNaN(expected.out[row * outDim + output]);
  const wrong = [...expected.out.keys()].filter((i) => {
    const [row, output] = [Math.floor(i / outDim), i % outDim];
    const mustBe = row === 3 || row === 4 || output === 2 || output === 33;
    // 1e30 makes an infinite scale, whose products with 0 are NaN and with others infinite.
    return output !== 9 && isNaNAt(row, output) !== mustBe;
  });
  if (wrong.length > 0) throw new MismatchError(`NaN where none belongs, or none: ${wrong}`);
}

/**
 * Rows of attention must be the same whatever their chunks, blocks and neighbours, and on every device.
 *
 * @returns the rows
 * @throws {MismatchError} naming the arrangement and the device
 */
export async function expectArrangementsAgree(
  devices: readonly Device[],
  sequence: SequenceUnderTest,
  seed: number,
): Promise<Float32Array> {
  const base = { blockSize: 16, chunkLen: 70, strangers: 'none', seed } as const;
  const arrangements = [
    { ...base, seed: seed + 1 },
    { ...base, chunkLen: 1, blockSize: 32 },
    { ...base, chunkLen: 16, strangers: 'normal' },
    { ...base, chunkLen: 64, blockSize: 8, strangers: 'NaN' },
    { ...base, chunkLen: 33, blockSize: 256, strangers: 'NaN' },
  ] as const;
  const expected = { ...(await attendArranged(devices[0], sequence, base)) };
  for (const device of devices) {
    for (const arrangement of [base, ...arrangements]) {
      const label = `${JSON.stringify(arrangement)} on ${nameOf(device)}`;
      const rows = { ...(await attendArranged(device, sequence, arrangement)) };
      expectSameBits(label, rows, expected);
    }
  }
  return expected.out;
}

/** Contexts of two splits, whose last rows begin and end inside a tile; by name. */
export function sequencesUnderTest(
  seed: number,
  kinds: readonly Pick<
    SequenceUnderTest,
    'dtype' | 'headDim' | 'numKvHeads' | 'group' | 'window' | 'softcap'
  >[],
): [string, SequenceUnderTest][] {
  return kinds.map((kind) => {
    const { dtype, headDim, numKvHeads, group } = kind;
    const name = `${dtype}, head dim ${headDim}, group ${group}, window ${kind.window}`;
    const random = new Random(seed, name);
    const [contextLen, queryLen] = [1075, 70];
    const sequence: SequenceUnderTest = {
      ...kind,
      contextLen,
      queryLen,
      sinks: random.normals(numKvHeads * group),
      key: random.normals(contextLen * numKvHeads * headDim),
      value: random.normals(contextLen * numKvHeads * headDim),
      q: random.normals(queryLen * numKvHeads * group * headDim, 2),
    };
    return [name, sequence];
  });
}
