// `npm run build:prebuilds [-- --arch x64,arm64]`: puts the native addon into
// prebuilds/linux-<arch>/, where node-gyp-build finds it at run time: by prebuildify, through cmake-js
// (node-gyp-shim.mjs), compiled by zig. Elsewhere than on Linux the machine's own compiler builds.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findZig, prebuiltArchitectures, zigTarget } from './zig.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const shim = fileURLToPath(new URL('node-gyp-shim.mjs', import.meta.url));
const isLinux = process.platform === 'linux';

const { values } = parseArgs({
  options: { arch: { type: 'string', default: isLinux ? 'x64,arm64' : process.arch } },
});

/** Environment of one build; on Linux everything is a cross build, so that no header of this machine is used. */
function environmentOf(architecture) {
  if (!isLinux) return { ...process.env, PREBUILD_NODE_GYP: shim };
  return {
    ...process.env,
    PREBUILD_NODE_GYP: shim,
    PA_ZIG: findZig(),
    PA_ZIG_TARGET: zigTarget(architecture),
    // Caches compile what differs in the environment only once.
    CMAKE_CXX_COMPILER_LAUNCHER: '',
  };
}

/** An addon of an earlier build, under whatever name, would be found beside the new one. */
function removeOld(folder) {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.node')) rmSync(join(folder, name));
  }
}

for (const architecture of values.arch.split(',')) {
  if (isLinux && !prebuiltArchitectures.includes(architecture)) {
    process.stderr.write(
      `--arch: ${architecture} is none of ${prebuiltArchitectures.join(', ')}\n`,
    );
    process.exit(1);
  }
  const work = join(root, 'build/prebuilds', architecture);
  mkdirSync(work, { recursive: true });
  removeOld(join(root, 'prebuilds', `${process.platform}-${architecture}`));
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/prebuildify/bin.js'),
      ...['--napi', '--name', 'node', '--tag-libc', '--node-gyp', shim],
      ...['--arch', architecture, '--cwd', work, '--out', root],
    ],
    { cwd: root, stdio: 'inherit', env: environmentOf(architecture) },
  );
  if (status !== 0) process.exit(status ?? 1);
}
