// The work of tools/check-cuda-headers.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './sources.mjs';
import { findToolkits } from './toolkit.mjs';

/** What is compared: NVIDIA's header, and the file that compares the addon's declarations with it. */
const checks = [
  { header: 'cuda.h', source: 'addon/cuda/cuda_driver_abi_check.cpp' },
  { header: 'cublasLt.h', source: 'addon/cuda/cublaslt_abi_check.cpp' },
];

/** Compiles one comparison against one toolkit's headers; gives whether it holds. */
function check({ header, source }, { version, include }) {
  const compiler = process.env.CXX ?? 'c++';
  const folders = [include, join(include, 'cccl')].flatMap((folder) => ['-isystem', folder]);
  const args = ['-std=c++20', '-fsyntax-only', '-Wall', ...folders, join(root, source)];
  const { status } = spawnSync(compiler, args, { cwd: root, stdio: 'inherit' });
  const verdict = status === 0 ? 'agrees with the addon' : 'DIFFERS from the addon';
  process.stdout.write(`${header} of CUDA ${version}: ${verdict}\n`);
  return status === 0;
}

const { values } = parseArgs({ options: { include: { type: 'string' } } });
const given = values.include && { version: `in ${values.include}`, include: values.include };
const choices = given ? [{ toolkit: given }] : findToolkits();
const results = choices.flatMap(({ major, toolkit, missing }) =>
  checks.map((one) => {
    if (toolkit && existsSync(join(toolkit.include, one.header))) return check(one, toolkit);
    const reason = missing ?? `it is not in ${toolkit.include}`;
    process.stdout.write(
      `${one.header} of CUDA ${toolkit?.version ?? major}: not checked: ${reason}\n`,
    );
    return true;
  }),
);
process.exit(results.every(Boolean) ? 0 : 1);
