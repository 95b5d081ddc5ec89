// Builds the emulated driver and its payload into build/emulation/driver, which the tests of the CUDA
// backend run on: `node tools/build-emulation.mjs`. Only what changed is compiled.

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeLock } from './build-lock.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'test/emulation/driver');
const folder = join(root, 'build/emulation/driver');

/** Runs a command quietly; its output is shown when it fails. */
function run(command, args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
  });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}\n`);
  process.stderr.write(`emulation: ${command} ${args.join(' ')} failed\n`);
  process.exit(1);
}

mkdirSync(folder, { recursive: true });
takeLock(join(root, 'build/emulation.lock'), 'emulation');
const started = process.hrtime.bigint();
run('cmake', ['-S', source, '-B', folder]);
run('cmake', [
  ...['--build', folder, '--target', 'cuda-emulated'],
  ...['--parallel', String(Math.min(availableParallelism(), 8))],
]);
const seconds = Number(process.hrtime.bigint() - started) / 1e9;
process.stdout.write(`emulation: the emulated driver is up to date, ${seconds.toFixed(0)} s\n`);
