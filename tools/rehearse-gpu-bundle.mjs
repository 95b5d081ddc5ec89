// `npm run rehearse:gpu [-- --quick]`: unpacks the bundle of `npm run pack:gpu` into an empty folder and
// runs its run-all under the emulated driver, small shapes, with an empty PATH: what happens on the first
// real GPU, correctness only. `--quick` is the short form for CI. Other arguments go to run-all too.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './cuda/sources.mjs';

const archive = join(root, 'build/paged-attention-gpu.tar.gz');
const driver = join(root, 'build/emulation/driver');
const environment = {
  PATH: '',
  PAGED_ATTENTION_LIBCUDA: join(driver, 'libcuda-emulated.so'),
  PAGED_ATTENTION_CUDA_PAYLOAD: join(driver, 'payload/cuda-13'),
  PAGED_ATTENTION_CUBLASLT: '/none', // nothing could run its kernels
};
/** Emulated kernels take hundreds of times as long as real ones. */
const timeoutFactor = '20';
const notRehearsed = [
  'loading the cubins of the bundle: the emulated driver takes its own',
  'cuBLASLt, whose kernels need a GPU',
  'the PyTorch peers, which need PyTorch: python3 bench/peers/torch/main.py --rehearse --out FILE',
  'compute-sanitizer, which needs a GPU',
  'times: they mean nothing here',
];

function fail(sentence) {
  process.stderr.write(`rehearsal: ${sentence}\n`);
  process.exit(1);
}

/** Says what a rehearsal shows and what not; gives whether the results are all there. */
function describeResults(folder) {
  const files = ['summary.json', 'gpu-run.json', 'log.txt'].map((name) => join(folder, name));
  if (!files.every(existsSync)) return false;
  const { gpu, kernels, isEmulated } = JSON.parse(readFileSync(files[1], 'utf8'));
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  process.stdout.write(
    `rehearsal: ${kernels.length} kernels ran on ${gpu}, ${seconds} s; not rehearsed:\n`,
  );
  for (const what of notRehearsed) process.stdout.write(`rehearsal:   ${what}\n`);
  return isEmulated;
}

/** Unpacks the bundle and runs it; gives its exit status. */
function rehearse(folder) {
  if (spawnSync('tar', ['xzf', archive, '-C', folder]).status !== 0) return 1;
  const results = join(folder, 'results');
  const args = ['--rehearse', '--timeout-factor', timeoutFactor, '--out', results];
  const runAll = join(folder, 'paged-attention-gpu/run-all');
  const { status } = spawnSync(runAll, [...args, ...process.argv.slice(2)], {
    cwd: folder,
    env: environment,
    stdio: 'inherit',
  });
  return describeResults(results) ? (status ?? 1) : 1;
}

const started = performance.now();
if (!existsSync(archive)) fail(`${archive} is missing: npm run pack:gpu`);
if (!existsSync(environment.PAGED_ATTENTION_LIBCUDA)) {
  fail(`${environment.PAGED_ATTENTION_LIBCUDA} is missing: node tools/build-emulation.mjs`);
}
const folder = mkdtempSync(join(tmpdir(), 'gpu-bundle-'));
try {
  process.exitCode = rehearse(folder);
} finally {
  rmSync(folder, { recursive: true });
}
