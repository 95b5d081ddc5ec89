// Runs the kernel tests under emulation and keeps what they say about each kernel.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './sources.mjs';

const resultsPath = join(root, 'build/emulation/kernel-results.json');
const buildFolder = join(root, 'build/emulation/plain');
const reportPath = join(root, 'build/emulation/kernel-report.json');

/** Digest of everything that the kernel tests are made of. */
function digestTests() {
  const hash = createHash('sha256');
  for (const folder of ['cuda', 'addon/cuda', 'test/emulation', 'test/native']) {
    const names = readdirSync(join(root, folder), { recursive: true }).toSorted();
    for (const name of names.filter((file) => /\.(cu|cuh|h|cpp|txt)$/.test(file))) {
      hash.update(`\0${folder}/${name}\0`).update(readFileSync(join(root, folder, name)));
    }
  }
  return hash.digest('hex');
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) process.stderr.write(`${command}: ${error.message}\n`);
  return status === 0;
}

/**
 * Builds and runs the kernel tests, unless they were run as they stand; their output goes to stderr.
 *
 * @returns whether all of them passed
 */
export function runKernelTests() {
  const digest = digestTests();
  if (readEmulatedCases()?.digest === digest) return true;
  const isBuilt =
    run('cmake', ['-S', 'test/emulation', '-B', buildFolder, '-G', 'Ninja']) &&
    run('ninja', ['-C', buildFolder, 'kernel_tests']);
  if (!isBuilt) return false;
  const tests = join(buildFolder, 'kernel_tests');
  const hasPassed = run(tests, ['--order', 'd', '--report', reportPath]);
  if (hasPassed) {
    const kernels = JSON.parse(readFileSync(reportPath, 'utf8'));
    writeFileSync(resultsPath, JSON.stringify({ digest, kernels }, null, 1));
  }
  return hasPassed;
}

/**
 * What the last passing run of the kernel tests said.
 *
 * @returns `{ digest, kernels: { name: { cases, worst, absolute, relative, launches,
 *   dynamicSharedBytes } } }`, or undefined; `worst` is the error as a fraction of the tolerance
 */
export function readEmulatedCases() {
  return existsSync(resultsPath) ? JSON.parse(readFileSync(resultsPath, 'utf8')) : undefined;
}
