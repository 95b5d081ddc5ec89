// build/kernels.json: what the compilers said about every kernel, and the checks that stand on it.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './sources.mjs';
import { cudaMajors } from './toolkit.mjs';

const recordPath = join(root, 'build/kernels.json');

/**
 * Where each compilation leaves its report, `<CUDA major>/<arch>.json`. Not in build/: rebuilding
 * the addon empties that, and compiling all kernels takes minutes.
 */
export const reportFolder = join(root, '.cache/cuda-payloads');

/** Shared memory of one CTA on sm_86 and sm_89, the smallest of the GPUs that kernels run on. */
export const maxSharedBytes = 99 * 1024;

/** Reports of one CUDA major version that are of these sources, as `[arch, report]`. */
function readReports(major, abi) {
  const folder = join(reportFolder, String(major));
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^sm_\w+\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
    .filter((report) => report.abi === abi)
    .map((report) => [report.arch, report]);
}

/**
 * Gathers the reports of all compilations of the sources with this stamp.
 *
 * @returns `{ abi, compilers: { "13": "nvcc 13.0.88" }, kernels: { name: { "13": { sm_80: … } } } }`
 */
export function gatherRecord(abi) {
  const record = { abi, compilers: {}, kernels: {} };
  for (const major of cudaMajors) {
    for (const [arch, { compiler, kernels }] of readReports(major, abi)) {
      record.compilers[major] = compiler;
      for (const { name, ...resources } of kernels) {
        record.kernels[name] ??= {};
        record.kernels[name][major] ??= {};
        record.kernels[name][major][arch] = resources;
      }
    }
  }
  return record;
}

/** Writes build/kernels.json, for people and other tools. */
export function writeRecord(record) {
  mkdirSync(dirname(recordPath), { recursive: true });
  writeFileSync(recordPath, `${JSON.stringify(record, null, 1)}\n`);
}

/**
 * Gives what is wrong with the compiled kernels, one sentence each.
 *
 * Attention kernels must not spill: a spill is local-memory traffic in the innermost loop. No kernel
 * may ask for more static shared memory than the smallest GPU has.
 */
export function faultsOf({ kernels }) {
  const faults = [];
  for (const [name, byMajor] of Object.entries(kernels)) {
    for (const [major, byArch] of Object.entries(byMajor)) {
      for (const [arch, { spillStoreBytes, spillLoadBytes, sharedBytes }] of Object.entries(
        byArch,
      )) {
        const where = `${name} (CUDA ${major}, ${arch})`;
        const spilled = spillStoreBytes + spillLoadBytes;
        if (name.includes('attention') && spilled > 0) {
          faults.push(`${where} spills ${spilled} bytes; attention kernels must not spill`);
        }
        if (sharedBytes > maxSharedBytes) {
          faults.push(`${where} has ${sharedBytes} bytes of shared memory; ${maxSharedBytes} fit`);
        }
      }
    }
  }
  return faults;
}
