// Promise P1 at the level of ops: which instruction set, how many threads, which rows beside it, which
// chunks, blocks and block size change no bit of a result.
import { Device, type Isa } from '../../lib/device/index.js';
import { encode, type FloatDType } from '../reference/dtype.js';
import { arithmetic } from '../tolerances.js';
import { allSuites } from './all-suites.js';
import { expectSameBits } from './compare.js';
import { casesOf } from './conformance-case.js';
import { inScope } from './device-scope.js';
import { Random, seedOfThisRun } from './random.js';
import {
  expectArrangementsAgree,
  expectQuantizedEdges,
  expectRowsAlone,
  nameOf,
  sequencesUnderTest,
} from './same-bits-checks.js';
import { attendArranged } from './sequence-arrangement.js';

const seed = seedOfThisRun();
const isas = Device.availableIsas();
const best = isas[isas.length - 1];
const timeoutMs = 600_000;
const dtypes: readonly FloatDType[] = ['f32', 'f16', 'bf16'];

const sequences = sequencesUnderTest(seed, [
  { dtype: 'f32', headDim: 64, numKvHeads: 2, group: 1, window: -1, softcap: 0 },
  { dtype: 'f16', headDim: 96, numKvHeads: 1, group: 4, window: 600, softcap: 20 },
  { dtype: 'bf16', headDim: 80, numKvHeads: 1, group: 7, window: -1, softcap: 0 },
  { dtype: 'bf16', headDim: 128, numKvHeads: 1, group: 2, window: 37, softcap: 0 },
]);

/** Opens devices for a block of tests and closes them after it. */
function openDevices(kinds: readonly { isa: Isa; threads: number }[]): Device[] {
  const devices: Device[] = [];
  beforeAll(() => {
    for (const kind of kinds) devices.push(Device.open({ backend: 'cpu', ...kind }));
  });
  afterAll(async () => {
    for (const device of devices) await device.close();
  });
  return devices;
}

describe(`every instruction set and number of threads gives the same bits (PA_SEED=${seed})`, () => {
  const devices = openDevices([
    { isa: best, threads: 1 },
    { isa: best, threads: 2 },
    { isa: best, threads: 3 },
    ...isas.slice(0, -1).map((isa, i) => ({ isa, threads: 1 + (i % 3) })),
  ]);

  test.each(allSuites.map((suite) => [suite.op, suite] as const))(
    '%s',
    async (_, suite) => {
      for (const { name, trial } of casesOf(suite, { seed, extent: 'cover' })) {
        // Ops that only move numbers are exact on every instruction set: ops.test.ts.
        const movesOnly = arithmetic[suite.op as keyof typeof arithmetic] === 0;
        const [first, ...others] = movesOnly ? devices.slice(0, 3) : devices;
        const expected = await trial().execute(first);
        for (const device of others) {
          const label = `${name} on ${nameOf(device)} (${nameOf(first)} is expected)`;
          expectSameBits(label, await trial().execute(device), expected);
        }
      }
    },
    timeoutMs,
  );
});

describe(`a row of a product is the same alone and among others (PA_SEED=${seed})`, () => {
  const devices = openDevices(isas.map((isa) => ({ isa, threads: 2 })));

  test.each([...dtypes, 'int8', 'int4'] as const)('matmul, %s', (dtype) =>
    expectRowsAlone(devices, dtype, seed),
  );
});

describe(`a row of attention is the same in every arrangement (PA_SEED=${seed})`, () => {
  const devices = openDevices(isas.map((isa) => ({ isa, threads: 2 })));

  test.each(sequences)(
    '%s',
    async (_, sequence) => {
      const rows = await expectArrangementsAgree(devices, sequence, seed);
      expect(rows.every(Number.isFinite)).toBe(true);
    },
    timeoutMs,
  );
});

describe(`a row of attention does not see what comes after it (PA_SEED=${seed})`, () => {
  const devices = openDevices(isas.map((isa) => ({ isa, threads: 2 })));

  test.each(sequences)(
    '%s',
    async (_, sequence) => {
      const arrangement = { blockSize: 16, chunkLen: 70, strangers: 'none', seed } as const;
      const numSpoilt = 21;
      const kvWidth = sequence.numKvHeads * sequence.headDim;
      const spoil = (x: Float32Array) => x.slice().fill(Number.NaN, x.length - numSpoilt * kvWidth);
      const spoilt = { ...sequence, key: spoil(sequence.key), value: spoil(sequence.value) };
      const numRows = sequence.queryLen - numSpoilt;
      for (const device of devices) {
        const clean = await attendArranged(device, sequence, arrangement);
        const other = await attendArranged(device, spoilt, arrangement);
        const ofRows = (x: Float32Array) => x.slice(0, (x.length / sequence.queryLen) * numRows);
        const label = `rows before NaN on ${nameOf(device)}`;
        expectSameBits(label, { out: ofRows(other.out) }, { out: ofRows(clean.out) });
        expect(other.out.slice(-kvWidth).every(Number.isNaN)).toBe(true);
      }
    },
    timeoutMs,
  );
});

describe('numbers at the edges of float32', () => {
  const devices = openDevices(isas.map((isa) => ({ isa, threads: 1 })));

  test.each(['int8', 'int4'] as const)(
    'infinity, NaN and numbers too small for a scale give the same bits, %s',
    (dtype) => expectQuantizedEdges(devices, dtype, seed),
  );

  test.each(dtypes)('subnormal operands of a product give the same bits, %s', async (dtype) => {
    const random = new Random(seed, `subnormal/${dtype}`);
    const [inDim, outDim, numRows] = [64, 33, 5];
    const smallest = dtype === 'f16' ? 2 ** -24 : 2 ** -133;
    const tiny = (length: number, exponent: number) =>
      Float32Array.from(
        { length },
        () => random.normal() * smallest * 2 ** random.integer(0, exponent),
      );
    const x = encode(dtype, tiny(numRows * inDim, 20));
    const weight = tiny(outDim * inDim, dtype === 'f16' ? 20 : 250);
    const outputs = devices.map((device) =>
      inScope(device, async (scope) => {
        const tensor = device.tensor({ dtype, shape: [numRows, inDim], data: x });
        await device.ops.matmul({
          out: await scope.output('out', 'f32', [numRows, outDim]),
          x: tensor,
          weight: await scope.weight({ dtype, inDim, partRows: [outDim], values: weight }),
        });
        tensor.free();
      }),
    );
    const [expected, ...others] = await Promise.all(outputs);
    others.forEach((output, i) => {
      expectSameBits(`on ${nameOf(devices[i + 1])}`, output, expected);
    });
  });
});
