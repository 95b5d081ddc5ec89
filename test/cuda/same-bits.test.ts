/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// Promise P1 at the level of ops, in `deterministic` mode: neither the rows beside it, nor its chunks,
// blocks, block size or the kernel that runs it change a bit of a row.
import { Device } from '../../lib/device/index.js';
import { seedOfThisRun } from '../conformance/random.js';
import {
  expectArrangementsAgree,
  expectRowsAlone,
  sequencesUnderTest,
} from '../conformance/same-bits-checks.js';
import { deterministic } from './emulated-gpu.js';

const seed = seedOfThisRun();
const timeoutMs = 300_000;

describe(`on an emulated GPU a row is the same in every arrangement (PA_SEED=${seed})`, () => {
  const devices: Device[] = [];
  beforeAll(() => {
    devices.push(Device.open(deterministic));
  });
  afterAll(async () => {
    for (const device of devices) await device.close();
  });

  test.each(['f16', 'bf16'] as const)(
    'of a product, %s',
    (dtype) => expectRowsAlone(devices, dtype, seed),
    timeoutMs,
  );

  test.each(
    sequencesUnderTest(seed, [
      { dtype: 'f16', headDim: 64, numKvHeads: 2, group: 1, window: -1, softcap: 0 },
      { dtype: 'f16', headDim: 96, numKvHeads: 1, group: 7, window: 600, softcap: 20 },
      { dtype: 'bf16', headDim: 128, numKvHeads: 1, group: 2, window: 37, softcap: 0 },
    ]),
  )(
    'of attention: %s',
    async (_, sequence) => {
      const rows = await expectArrangementsAgree(devices, sequence, seed);
      expect(rows.every(Number.isFinite)).toBe(true);
    },
    timeoutMs,
  );
});
