import { parseArgs } from 'node:util';
import { Device, type DeviceOptions } from '../../lib/device/index.js';
import { allSuites } from './all-suites.js';
import { type ConformanceCase, caseNamed, casesOf } from './conformance-case.js';
import { seedOfThisRun } from './random.js';

/** Failures that are printed in full. */
const maxPrinted = 10;

/**
 * Runs the cases that the arguments choose and prints what failed.
 *
 * @returns exit code: 0 when every case passed and there was one
 */
export async function runConformance(commandLine: readonly string[]): Promise<number> {
  const values = readArguments(commandLine);
  const seed = values.seed === undefined ? seedOfThisRun() : Number(values.seed);
  const device = Device.open({
    backend: values.backend,
    deterministic: values.deterministic,
    isa: values.isa,
    threads: Number(values.threads),
  } as DeviceOptions);
  const { backend, isa, threads } = device.info;
  console.log(`${backend}/${isa}, ${threads} threads, seed ${seed}`);

  const total = { numPassed: 0, numFailed: 0, numUnsupported: 0 };
  for (const suite of allSuites) {
    const wantedOp = values.op ?? values.case?.split(' ')[0] ?? suite.op;
    if (suite.op !== wantedOp) continue;
    const cases =
      values.case === undefined
        ? casesOf(suite, { seed, extent: values.all ? 'all' : 'cover' })
        : [caseNamed(suite, values.case, seed)];
    const every = Number(values.every);
    await runCases(
      suite.op,
      [...cases].filter((_, i) => i % every === 0),
      device,
      total,
    );
  }
  await device.close();
  if (total.numUnsupported > 0) {
    console.log(`${total.numUnsupported} cases of dtypes that ${backend} refuses, as it must`);
  }
  console.log(`${total.numPassed} passed, ${total.numFailed} failed`);
  return total.numFailed === 0 && total.numPassed > 0 ? 0 : 1;
}

function readArguments(commandLine: readonly string[]) {
  return parseArgs({
    args: [...commandLine],
    options: {
      backend: { type: 'string', default: 'cpu' },
      deterministic: { type: 'boolean', default: false },
      isa: { type: 'string', default: 'auto' },
      threads: { type: 'string', default: '0' },
      seed: { type: 'string' },
      op: { type: 'string' },
      case: { type: 'string' },
      all: { type: 'boolean', default: false },
      every: { type: 'string', default: '1' },
    },
  }).values;
}

/** Runs one op's cases, adds to the totals, and prints failures and one line. */
async function runCases(
  op: string,
  cases: Iterable<ConformanceCase>,
  device: Device,
  total: { numPassed: number; numFailed: number; numUnsupported: number },
): Promise<void> {
  const usedBefore = process.cpuUsage();
  let numCases = 0;
  let numUnsupported = 0;
  for (const conformanceCase of cases) {
    numCases++;
    try {
      if ((await conformanceCase.run(device)) === 'unsupported') numUnsupported++;
      else total.numPassed++;
    } catch (error) {
      if (++total.numFailed <= maxPrinted) console.log((error as Error).message);
    }
  }
  total.numUnsupported += numUnsupported;
  const { user, system } = process.cpuUsage(usedBefore);
  const seconds = ((user + system) / 1e6).toFixed(1);
  const refused = numUnsupported > 0 ? `, ${numUnsupported} of them refused` : '';
  console.log(`${op}: ${numCases} cases${refused}, ${seconds} s of processor time`);
}
