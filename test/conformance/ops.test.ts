import { Device } from '../../lib/device/index.js';
import { allSuites } from './all-suites.js';
import { casesOf, describeCases, minCasesPerOp } from './conformance-case.js';
import { extentOfThisRun } from './extent.js';
import { seedOfThisRun } from './random.js';

const seed = seedOfThisRun();
const extent = extentOfThisRun();
const isas = Device.availableIsas();
const timeoutMs = extent === 'cover' ? 600_000 : 7_200_000;
/** Failures that are shown in full. */
const maxShown = 3;

describe(`every op agrees with its float64 reference (PA_SEED=${seed})`, () => {
  const devices: Device[] = [];
  beforeAll(() => {
    for (const isa of isas) devices.push(Device.open({ backend: 'cpu', isa, threads: 2 }));
  });
  afterAll(async () => {
    for (const device of devices) await device.close();
  });

  test.each(allSuites.map((suite) => [suite.op, suite] as const))(
    `%s, on ${isas.join(', ')}`,
    async (_, suite) => {
      const failures: string[] = [];
      let numCases = 0;
      for (const conformanceCase of casesOf(suite, { seed, extent })) {
        numCases++;
        for (const device of devices) {
          await conformanceCase.run(device).catch((error: Error) => failures.push(error.message));
        }
      }
      if (failures.length > 0) {
        const shown = failures.slice(0, maxShown).join('\n\n');
        throw new Error(`${failures.length} runs failed; the first ones:\n\n${shown}`);
      }
      if (extent !== 'cover') {
        console.info(`${suite.op}: ${describeCases(suite, numCases)}, seed ${seed}`);
      }
      expect(numCases).toBeGreaterThanOrEqual(minCasesPerOp);
    },
    timeoutMs,
  );
});
