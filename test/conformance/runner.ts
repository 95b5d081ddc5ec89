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
    isa: values.isa,
    threads: Number(values.threads),
  } as DeviceOptions);
  const { backend, isa, threads } = device.info;
  console.log(`${backend}/${isa}, ${threads} threads, seed ${seed}`);

  const total = { numPassed: 0, numFailed: 0 };
  for (const suite of allSuites) {
    const wantedOp = values.op ?? values.case?.split(' ')[0] ?? suite.op;
    if (suite.op !== wantedOp) continue;
    const cases =
      values.case === undefined
        ? casesOf(suite, { seed, extent: values.all ? 'all' : 'cover' })
        : [caseNamed(suite, values.case, seed)];
    await runCases(suite.op, cases, device, total);
  }
  await device.close();
  console.log(`${total.numPassed} passed, ${total.numFailed} failed`);
  return total.numFailed === 0 && total.numPassed > 0 ? 0 : 1;
}

function readArguments(commandLine: readonly string[]) {
  return parseArgs({
    args: [...commandLine],
    options: {
      backend: { type: 'string', default: 'cpu' },
      isa: { type: 'string', default: 'auto' },
      threads: { type: 'string', default: '0' },
      seed: { type: 'string' },
      op: { type: 'string' },
      case: { type: 'string' },
      all: { type: 'boolean', default: false },
    },
  }).values;
}

/** Runs one op's cases, adds to the totals, and prints failures and one line. */
async function runCases(
  op: string,
  cases: Iterable<ConformanceCase>,
  device: Device,
  total: { numPassed: number; numFailed: number },
): Promise<void> {
  const usedBefore = process.cpuUsage();
  let numCases = 0;
  for (const conformanceCase of cases) {
    numCases++;
    const failure = await failureOf(conformanceCase, device);
    if (failure === undefined) total.numPassed++;
    else if (++total.numFailed <= maxPrinted) console.log(failure);
  }
  const { user, system } = process.cpuUsage(usedBefore);
  const seconds = ((user + system) / 1e6).toFixed(1);
  console.log(`${op}: ${numCases} cases, ${seconds} s of processor time`);
}

async function failureOf(
  conformanceCase: ConformanceCase,
  device: Device,
): Promise<string | undefined> {
  try {
    await conformanceCase.run(device);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
