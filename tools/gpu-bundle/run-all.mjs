// The work of ./run-all inside the bundle: every stage in a process of its own with a time limit; what
// each gives is written at once (results.mjs).
//
//   run-all [--list] [--only STAGE,STAGE | --tests] [--out DIR] [--limit SECONDS] [--rehearse] [--quick]
//           [--timeout-factor 4]
//
// --out is $OUT, or ./results; --limit is for all stages together; --rehearse takes small shapes;
// --quick takes fewer cases still.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Device } from '../../dist/device/index.js';
import { findCublasLt } from './programs.mjs';
import { Results } from './results.mjs';
import { runStage } from './run-stage.mjs';
import { listStages } from './stages.mjs';

/** A stage that has less time than this is not begun. */
const leastSeconds = 5;

const { values: options } = parseArgs({
  options: {
    list: { type: 'boolean', default: false },
    tests: { type: 'boolean', default: false },
    only: { type: 'string' },
    out: { type: 'string', default: process.env.OUT || 'results' },
    limit: { type: 'string', default: 'Infinity' },
    rehearse: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    'timeout-factor': { type: 'string', default: '1' },
  },
});
const timeoutFactor = Number(options['timeout-factor']);
const stages = listStages({
  out: resolve(options.out),
  isRehearsal: options.rehearse,
  isQuick: options.quick,
  timeoutFactor,
});

/** The stages that the arguments choose, in their order here. */
function chosenStages() {
  const wanted = options.only?.split(',');
  const unknown = wanted?.find((name) => !stages.some((stage) => stage.name === name));
  if (unknown !== undefined) {
    throw new Error(`no stage ${unknown}; there are ${stages.map(({ name }) => name).join(', ')}`);
  }
  return stages.filter(({ name, isTest }) => wanted?.includes(name) ?? (isTest || !options.tests));
}

/** Opens the GPU once, so that a machine without one is told so before anything runs. */
async function openGpu() {
  const device = Device.open({ backend: 'cuda' });
  const { info } = device;
  await device.close();
  return info;
}

/** What the stages run with; cuBLASLt where the loader would not find it. */
function environment(kernelLog) {
  const { PAGED_ATTENTION_CUBLASLT: given = findCublasLt(), ...rest } = process.env;
  const cublasLt = given === undefined ? {} : { PAGED_ATTENTION_CUBLASLT: given };
  return { ...rest, ...cublasLt, PAGED_ATTENTION_KERNEL_LOG: kernelLog };
}

if (options.list) {
  const line = ({ name, limitSeconds }) => `${name.padEnd(26)}at most ${limitSeconds} s\n`;
  process.stdout.write(stages.map(line).join(''));
  process.exit(0);
}
const chosen = chosenStages();
const info = await openGpu();
const results = new Results(resolve(options.out), info, info.name === 'Emulated GPU');
const env = environment(results.kernelLog);
results.write(`${info.name}, compute capability ${info.computeCapability}\n`);
results.write(`cuBLASLt: ${env.PAGED_ATTENTION_CUBLASLT ?? 'where the loader looks'}\n`);
const endMs = performance.now() + 1000 * Number(options.limit);
for (const { name, args, limitSeconds } of chosen) {
  const restSeconds = Math.floor((endMs - performance.now()) / 1000);
  if (restSeconds < leastSeconds) {
    results.add({ name, status: 'skipped', passed: 0, failed: 0, seconds: 0, why: 'no time left' });
    continue;
  }
  results.write(`\n=== ${name}\n`);
  const stage = await runStage(
    { args, env },
    {
      limitSeconds: Math.min(limitSeconds * timeoutFactor, restSeconds),
      write: (text) => results.write(text),
    },
  );
  results.add({ name, ...stage });
}
const run = results.describeRun();
results.write(`\n${results.describeStages()}`);
results.write(`${run.kernels.length} kernels ran on ${run.gpu}; see ${results.folder}\n`);
results.write(`${run.passed} passed, ${run.failed} failed\n`);
results.close();
process.exit(run.failed === 0 && run.passed > 0 ? 0 : 1);
