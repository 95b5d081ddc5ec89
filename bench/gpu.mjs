// The GPU benchmark: `npm run bench:gpu [-- options]`. Every figure stands beside ceilings measured in
// the same process, and every timed result is verified.
//
//   --rehearse         small shapes, to prove that everything runs (also under the emulated driver)
//   --payload DIR      kernels; default: prebuilds/linux-x64/cuda-13 and cuda-12
//   --peers FILE       rows that bench/peers/torch/main.py wrote
//   --binary FILE      gpu_bench, built elsewhere; default: built here
//   --only KIND        ceiling, decode, prefill, matmul, copyBlocks, ropeAndWriteKv, transfer, step
//   --out FILE         rows and tables as JSON

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { allRequests, requestLine } from './gpu/requests.mjs';
import { gatedValues, gateTable, rowTable } from './gpu/tables.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const { values: options } = parseArgs({
  options: {
    rehearse: { type: 'boolean', default: false },
    payload: { type: 'string', multiple: true },
    peers: { type: 'string' },
    binary: { type: 'string' },
    only: { type: 'string' },
    out: { type: 'string' },
  },
});

/** Builds the native part, unless it was given. */
function nativeBinary() {
  if (options.binary !== undefined) return options.binary;
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

/** Runs the native program over the requests; gives its rows, the GPU's first. */
async function runNative(requests) {
  const child = spawn(nativeBinary(), payloadFolders(), { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  child.stdin.on('error', () => {}); // it may end before it has read all: its exit status says so
  child.stdin.end(`${requests.map(requestLine).join('\n')}\n`);
  const rows = [];
  for await (const line of createInterface({ input: child.stdout })) {
    rows.push(JSON.parse(line));
    console.error(line);
  }
  const status = await ended;
  if (status !== 0) throw new Error(`gpu_bench ended with ${status} after ${rows.length - 1} rows`);
  return rows;
}

const shapes = JSON.parse(readFileSync(`${root}bench/gpu/shapes.json`, 'utf8'))[
  options.rehearse ? 'rehearsal' : 'full'
];
const peers = options.peers ? JSON.parse(readFileSync(options.peers, 'utf8')) : { rows: [] };
const requests = allRequests(shapes).filter(
  ({ kind }) => options.only === undefined || kind === options.only,
);
const [gpu, ...rows] = await runNative(requests);
console.log(
  `${gpu.name}, compute capability ${gpu.capability}, kernels of ${gpu.kernels}, driver ${gpu.driver}`,
);
if (peers.torch) console.log(`peers: PyTorch ${peers.torch} on ${peers.device}`);
console.log(`\n${rowTable(rows, peers.rows)}`);
const gated = gatedValues(rows, shapes);
if (options.rehearse) {
  console.log(`\nrehearsal: ${rows.length} rows ran and were verified; times mean nothing`);
} else {
  console.log(`\n${gateTable(gated)}`);
}
if (options.out !== undefined) {
  writeFileSync(options.out, `${JSON.stringify({ gpu, rows, gated, peers }, null, 1)}\n`);
}
