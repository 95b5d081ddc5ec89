/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// Every op of the instruction set on the CUDA backend, its kernels emulated: a pairwise cover of the
// cases that the CPU passes too.

import { Device } from '../../lib/device/index.js';
import { allSuites } from '../conformance/all-suites.js';
import { casesOf } from '../conformance/conformance-case.js';
import { seedOfThisRun } from '../conformance/random.js';
import { deterministic, fast } from './emulated-gpu.js';

const seed = seedOfThisRun();
/** A pairwise cover has both dtypes that a GPU takes with each of at least 8 values of another axis. */
const minCases = 2 * 8;
/** Failures that are shown in full. */
const maxShown = 3;

describe.each([
  ['default', fast],
  ['deterministic', deterministic],
])(
  `on an emulated GPU every op agrees with its float64 reference, %s mode (PA_SEED=${seed})`,
  (mode, options) => {
    let device: Device;
    const counts: Record<string, { passed: number; unsupported: number }> = {};
    beforeAll(() => {
      device = Device.open(options);
    });
    afterAll(async () => {
      await device.close();
      const { passed, unsupported } = Object.values(counts).reduce((a, b) => ({
        passed: a.passed + b.passed,
        unsupported: a.unsupported + b.unsupported,
      }));
      console.info(
        `${mode} mode: ${passed} cases passed, ${unsupported} of dtypes that are refused`,
      );
    });

    test.each(allSuites.map((suite) => [suite.op, suite] as const))(
      '%s',
      async (op, suite) => {
        const failures: string[] = [];
        const count = { passed: 0, unsupported: 0 };
        for (const conformanceCase of casesOf(suite, { seed, extent: 'cover' })) {
          await conformanceCase.run(device).then(
            (outcome) => count[outcome]++,
            (error: Error) => failures.push(error.message),
          );
        }
        counts[op] = count;
        if (failures.length > 0) {
          const shown = failures.slice(0, maxShown).join('\n\n');
          throw new Error(`${failures.length} runs failed; the first ones:\n\n${shown}`);
        }
        expect(count.passed).toBeGreaterThanOrEqual(minCases);
      },
      600_000,
    );
  },
);
