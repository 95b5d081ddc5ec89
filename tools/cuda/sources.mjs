// The device code as the payload tools see it: the files of cuda/, their ABI stamp, and the one
// translation unit that is compiled for every GPU.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the clone, with a slash at its end. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Names of the files in a folder of device code, sorted bytewise; sub-folders do not count. */
export function deviceFiles(folder = join(root, 'cuda')) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/**
 * The stamp that an addon and its payload must share: parameter structs and kernels of both are
 * then of one source. Mirrors addon/cuda/cuda.cmake.
 *
 * @returns first 16 hex digits of SHA-256 over `name\n` + content of each file
 */
export function abiStamp(folder = join(root, 'cuda')) {
  const hash = createHash('sha256');
  for (const name of deviceFiles(folder)) {
    hash.update(`${name}\n`).update(readFileSync(join(folder, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Text of the translation unit that holds every kernel; it is compiled with `-I cuda`. */
export function translationUnit(folder = join(root, 'cuda')) {
  const kernels = deviceFiles(folder).filter((name) => name.endsWith('.cu'));
  return kernels.map((name) => `#include "${name}"\n`).join('');
}
