// `npm run rehearse:gpu`: unpacks the bundle of `npm run pack:gpu` into an empty folder and runs its
// test-gpu under the emulated driver, with no PATH: what happens on the first real GPU, correctness
// only. Arguments go to test-gpu.

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

function fail(sentence) {
  process.stderr.write(`rehearsal: ${sentence}\n`);
  process.exit(1);
}

if (!existsSync(archive)) fail(`${archive} is missing: npm run pack:gpu`);
if (!existsSync(environment.PAGED_ATTENTION_LIBCUDA)) {
  fail(`${environment.PAGED_ATTENTION_LIBCUDA} is missing: node tools/build-emulation.mjs`);
}
const folder = mkdtempSync(join(tmpdir(), 'gpu-bundle-'));
try {
  const { status: unpacked } = spawnSync('tar', ['xzf', archive, '-C', folder]);
  if (unpacked !== 0) fail(`${archive} cannot be unpacked`);
  const bundle = join(folder, 'paged-attention-gpu');
  const args = ['--timeout-factor', timeoutFactor, ...process.argv.slice(2)];
  const { status } = spawnSync(join(bundle, 'test-gpu'), args, {
    cwd: folder,
    env: environment,
    stdio: 'inherit',
  });
  const record = join(bundle, 'gpu-run.json');
  if (existsSync(record)) process.stdout.write(readFileSync(record));
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
