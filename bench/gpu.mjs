// The GPU benchmark: `npm run bench:gpu [-- options]`. Every figure stands beside ceilings measured in
// the same process, and every timed result is verified.
//
//   --rehearse         small shapes, to prove that everything runs (also under the emulated driver)
//   --payload DIR      kernels; default: prebuilds/linux-x64/cuda-13 and cuda-12
//   --binary FILE      gpu_bench, built elsewhere; default: bin/gpu_bench, or built here
//   --only KIND,KIND   ceiling, decode, prefill, matmul, copyBlocks, ropeAndWriteKv, transfer, step
//   --row-limit S      seconds after which a row is given up; default 60
//   --out FILE         rows as JSON, written after each row
//   --rows FILE        what --out wrote: nothing runs, tables only
//   --peers FILE       rows that bench/peers/torch/main.py wrote, for the tables
//
// Ends with `N passed, N failed`: rows that ran and were verified, and rows that were not.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runNative } from './gpu/native-rows.mjs';
import { allRequests } from './gpu/requests.mjs';
import { gatedValues, gateTable, rowTable } from './gpu/tables.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const { values: options } = parseArgs({
  options: {
    rehearse: { type: 'boolean', default: false },
    payload: { type: 'string', multiple: true },
    peers: { type: 'string' },
    binary: { type: 'string' },
    only: { type: 'string' },
    'row-limit': { type: 'string', default: '60' },
    out: { type: 'string' },
    rows: { type: 'string' },
  },
});
const shapes = readJson(`${root}bench/gpu/shapes.json`)[options.rehearse ? 'rehearsal' : 'full'];

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The native part: given, packed beside this, or built. */
function nativeBinary() {
  if (options.binary !== undefined) return options.binary;
  const packed = `${root}bin/gpu_bench`;
  if (existsSync(packed)) return packed;
  const folder = `${root}build/bench-gpu`;
  for (const args of [
    ['-S', `${root}bench/gpu/native`, '-B', folder],
    ['--build', folder, '-j2'],
  ]) {
    const { status, error } = spawnSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error(`cmake ${args.join(' ')} failed`, { cause: error });
  }
  return `${folder}/gpu_bench`;
}

function payloadFolders() {
  if (options.payload !== undefined) return options.payload;
  const { PAGED_ATTENTION_CUDA_PAYLOAD: fromEnvironment } = process.env;
  if (fromEnvironment) return [fromEnvironment];
  return ['cuda-13', 'cuda-12']
    .map((name) => `${root}prebuilds/linux-x64/${name}`)
    .filter((folder) => existsSync(folder));
}

/** Driver, clocks and power as nvidia-smi says them; undefined where there is none. */
function describeMachine() {
  const fields = 'name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit';
  const { status, stdout } = spawnSync('nvidia-smi', [`--query-gpu=${fields}`, '--format=csv'], {
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim().split('\n') : undefined;
}

/** Runs the requests that were asked for; writes what there is after each row. */
async function measure() {
  const kinds = options.only?.split(',');
  const requests = allRequests(shapes).filter(({ kind }) => kinds?.includes(kind) ?? true);
  const report = { date: new Date().toISOString(), gpu: undefined, rows: [] };
  const save = () => {
    if (options.out !== undefined)
      writeFileSync(options.out, `${JSON.stringify(report, null, 1)}\n`);
  };
  const onRow = (row) => {
    report.rows.push(row);
    save();
    console.error(JSON.stringify(row));
  };
  const rowLimitSeconds = Number(options['row-limit']);
  const run = { binary: nativeBinary(), payloads: payloadFolders(), rowLimitSeconds, onRow };
  report.gpu = await runNative(run, requests);
  report.machine = describeMachine();
  report.gated = gatedValues(report.rows, shapes);
  report.numMissing = requests.length - report.rows.length;
  save();
  return report;
}

function printTables({ gpu, machine = [], rows }, peers) {
  if (gpu) {
    const { name, capability, kernels, driver } = gpu;
    console.log(
      `${name}, compute capability ${capability}, kernels of ${kernels}, driver ${driver}`,
    );
  }
  for (const line of machine) console.log(line);
  if (peers.torch) console.log(`peers: PyTorch ${peers.torch} on ${peers.device}`);
  console.log(`\n${rowTable(rows, peers.rows)}\n`);
  if (options.rehearse) console.log('a rehearsal: times mean nothing');
  else console.log(gateTable(gatedValues(rows, shapes)));
}

const report = options.rows ? readJson(options.rows) : await measure();
const hasPeers = options.peers !== undefined && existsSync(options.peers);
printTables(report, hasPeers ? readJson(options.peers) : { rows: [] });
if (options.rows) {
  console.log('\n0 passed, 0 failed'); // their run has counted them
  process.exit(0);
}
const numFailed = report.rows.filter(({ failed }) => failed).length + (report.numMissing ?? 0);
const numPassed = report.rows.filter(({ failed }) => !failed).length;
console.log(`\n${numPassed} passed, ${numFailed} failed`);
process.exitCode = numFailed === 0 && numPassed > 0 ? 0 : 1;
