// Finds zig, or installs it into .cache/zig/ (no system files are touched). Its C++ compiler brings the
// symbol versions of old C libraries for both processors and links its own C++ library in, so that one
// prebuilt addon runs on any distribution since 2018, whatever the machine that it was built on.

import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const version = '0.17.1';
const folder = join(root, '.cache/zig', version);
const installed = join(folder, 'ziglang/zig');

/** Oldest C library that prebuilt addons run with. */
export const glibcFloor = '2.28';

/** What zig calls the processors that Node calls so. */
const zigProcessors = { x64: 'x86_64', arm64: 'aarch64' };

export const prebuiltArchitectures = Object.keys(zigProcessors);

export const zigTarget = (architecture) => `${zigProcessors[architecture]}-linux-gnu.${glibcFloor}`;

/** As CMake calls the processor. */
export const processorOf = (architecture) => zigProcessors[architecture];

/** Path of a zig executable: PAGED_ATTENTION_ZIG, or the one of PyPI's `ziglang`, installed on first use. */
export function findZig() {
  const own = process.env.PAGED_ATTENTION_ZIG;
  if (own !== undefined) {
    if (existsSync(own)) return own;
    throw new Error(`PAGED_ATTENTION_ZIG is ${own}, which does not exist`);
  }
  if (!existsSync(installed)) install();
  return installed;
}

function install() {
  const fresh = `${folder}.${process.pid}`;
  const venv = join(fresh, 'venv');
  process.stdout.write(`prebuilds: installing zig ${version} ...\n`);
  run('python3', ['-m', 'venv', venv]);
  run(join(venv, 'bin/python'), [
    ...['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--only-binary=:all:'],
    ...['--target', join(fresh, 'packages'), `ziglang==${version}`],
  ]);
  rmSync(folder, { recursive: true, force: true });
  renameSync(join(fresh, 'packages'), folder);
  rmSync(fresh, { recursive: true, force: true });
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
}
