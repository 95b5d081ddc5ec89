// `npm run release`: from a clone of HEAD, so that nothing uncommitted is in it, makes every tarball, tests each by
// installing it in empty folders, and leaves them with SHA256SUMS in build/release/. Publishes nothing.
//
//   npm run release [-- --only pack,check,arm64,sums] [--kernels release|present]
//
// --kernels present packs the CUDA kernels that stand in prebuilds/ instead of compiling all architectures of a
// release. Needs a C++20 compiler, CMake, Python 3, the npm registry and PyPI; root and debootstrap for Debian
// bullseye; qemu for arm64 (tools/packages/check-arm64.mjs).

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const clone = join(root, 'build/release-clone');
const output = join(root, 'build/release');
const steps = { pack, check, arm64, sums };

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(steps).join(',') },
    kernels: { type: 'string', default: 'release' },
  },
});

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
}

/** Clones HEAD and packs it; compilers that were installed into .cache/ are shared, what they made is not. */
function pack() {
  rmSync(clone, { recursive: true, force: true });
  run('git', ['clone', '--quiet', '--no-hardlinks', root, clone]);
  mkdirSync(join(root, '.cache'), { recursive: true });
  symlinkSync(join(root, '.cache'), join(clone, '.cache'));
  const isRelease = options.kernels === 'release';
  if (isRelease) run('tools/cuda-toolkit', [], clone);
  else copyPresentKernels();
  const pack = ['run', '--silent', 'pack:local', '--', '--to', output];
  run('npm', [...pack, ...(isRelease ? ['--release'] : [])], clone);
}

function copyPresentKernels() {
  for (const major of [12, 13]) {
    const folder = `prebuilds/linux-x64/cuda-${major}`;
    if (!existsSync(join(root, folder))) continue;
    cpSync(join(root, folder), join(clone, folder), { recursive: true });
  }
}

/** Installs what was packed, in every way. */
function check() {
  run(process.execPath, ['tools/packages/check.mjs', '--all', '--tarballs', output]);
}

/** The addon for the other processor, by an emulator. */
function arm64() {
  const isThere = spawnSync('qemu-aarch64-static', ['--version']).status === 0;
  if (isThere && process.arch === 'x64') run('npm', ['run', '--silent', 'check:arm64'], clone);
  else console.log('arm64: not run, there is no qemu-aarch64-static');
}

/** Compares the checksums with the files after everything, and prints the sizes. */
function sums() {
  const lines = readFileSync(join(output, 'SHA256SUMS'), 'utf8').trim().split('\n');
  for (const line of lines) {
    const [sum, file] = line.split('  ');
    const bytes = readFileSync(join(output, file));
    if (createHash('sha256').update(bytes).digest('hex') !== sum) {
      throw new Error(`${file} is not the one of SHA256SUMS`);
    }
    console.log(`${sum}  ${file}, ${(statSync(join(output, file)).size / 1e6).toFixed(1)} MB`);
  }
  const tarballs = readdirSync(output).filter((name) => name.endsWith('.tgz'));
  if (tarballs.length !== lines.length) throw new Error('SHA256SUMS lacks a tarball');
}

const timings = [];
for (const name of options.only.split(',')) {
  if (!(name in steps)) throw new Error(`--only: ${name} is none of ${Object.keys(steps)}`);
  const started = performance.now();
  console.log(`release: ${name} ...`);
  steps[name]();
  timings.push(`${name} ${Math.round((performance.now() - started) / 1000)} s`);
}
console.log(`release: ${timings.join(', ')}; ${output}`);
