// Programs and libraries of the machine that the bundle runs on.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const cudaFolders = ['/usr/local/cuda', '/opt/cuda'];

/** Path of a program in $PATH or one of the folders, or undefined. */
export function findProgram(name, folders = []) {
  const inPath = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return [...inPath, ...folders].map((folder) => join(folder, name)).find(existsSync);
}

/** compute-sanitizer, which is not in $PATH of every machine that has a toolkit. */
export function findSanitizer() {
  const folders = cudaFolders.flatMap((folder) => [`${folder}/bin`, `${folder}/compute-sanitizer`]);
  return findProgram('compute-sanitizer', folders);
}

/** Folders in which Python packages bring CUDA libraries along. */
function pythonLibraryFolders() {
  const python = findProgram('python3');
  if (python === undefined) return [];
  const script =
    'import importlib.util as u; print(*u.find_spec("nvidia").submodule_search_locations)';
  const { status, stdout } = spawnSync(python, ['-c', script], { encoding: 'utf8' });
  if (status !== 0) return [];
  return stdout
    .trim()
    .split(' ')
    .filter(existsSync)
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name, 'lib')))
    .filter(existsSync);
}

/**
 * cuBLASLt where the loader does not look: a toolkit's or a Python package's, the newest major version
 * first; undefined where there is none.
 */
export function findCublasLt() {
  const toolkits = cudaFolders.flatMap((folder) => [
    `${folder}/lib64`,
    `${folder}/targets/x86_64-linux/lib`,
  ]);
  const folders = [...toolkits, ...pythonLibraryFolders()];
  return ['libcublasLt.so.13', 'libcublasLt.so.12']
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find(existsSync);
}
