// The work of tools/check-cuda-headers.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './sources.mjs';
import { findToolkits } from './toolkit.mjs';

const source = join(root, 'addon/cuda/cuda_driver_abi_check.cpp');

/** Compiles the check against one toolkit's headers; gives whether it holds. */
function check({ major, version, include }) {
  const compiler = process.env.CXX ?? 'c++';
  const args = ['-std=c++20', '-fsyntax-only', '-Wall', '-isystem', include, source];
  const { status } = spawnSync(compiler, args, { cwd: root, stdio: 'inherit' });
  const verdict = status === 0 ? 'agree with the addon' : 'DIFFER from the addon';
  process.stdout.write(`cuda.h of CUDA ${major} (${version}): declarations ${verdict}\n`);
  return status === 0;
}

const results = findToolkits().map(({ major, toolkit, missing }) => {
  if (toolkit && existsSync(join(toolkit.include, 'cuda.h'))) return check(toolkit);
  const reason = missing ?? `no cuda.h in ${toolkit.include}`;
  process.stdout.write(`cuda.h of CUDA ${major}: not checked: ${reason}\n`);
  return true;
});
process.exit(results.every(Boolean) ? 0 : 1);
