// Bounds of what a user downloads and keeps on disk, and what a package may contain.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { faultsOfAddon } from '../../prebuilds/inspect.mjs';
import { glibcFloor, prebuiltArchitectures } from '../../prebuilds/zig.mjs';

/** Bytes, inclusive. */
export const mostBytes = { tarball: 25e6, ours: 25e6, withDependencies: 125e6, kernels: 150e6 };
const runsOnInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Bytes of all files of a folder, those of its folders included. */
export const bytesBelow = (folder) =>
  filesBelow(folder).reduce((sum, file) => sum + statSync(file).size, 0);

/** Prints a size beside its bound, and counts it. */
export function checkAtMost(results, name, bytes, most) {
  const outcome = { status: 0, text: `${bytes} bytes` };
  results.check(`${name}: ${megabytes(bytes)} MB of at most ${megabytes(most)}`, outcome, () => {
    return bytes <= most;
  });
}

/** Sizes of the tarballs, the install scripts that none has, and the same of what was installed. */
export function checkSizes({ results, tarballs, installed }) {
  checkAtMost(results, basename(tarballs.core), statSync(tarballs.core).size, mostBytes.tarball);
  for (const tarball of tarballs.kernels) {
    checkAtMost(results, basename(tarball), statSync(tarball).size, mostBytes.kernels);
  }
  const packages = join(installed, 'node_modules');
  const ours = join(packages, 'paged-attention');
  checkAtMost(results, 'installed, ours', bytesBelow(ours), mostBytes.ours);
  checkAtMost(
    results,
    'installed, with dependencies',
    bytesBelow(packages),
    mostBytes.withDependencies,
  );
  const { scripts = {} } = JSON.parse(readFileSync(join(ours, 'package.json'), 'utf8'));
  const unwanted = filesBelow(ours).filter((file) =>
    /binding\.gyp$|\.(cubin|ptx|cu|cpp|ts\.map)$/.test(file),
  );
  results.checkFaults('nothing runs or is compiled when it is installed', [
    ...runsOnInstall.filter((name) => name in scripts).map((name) => `it has the script ${name}`),
    ...unwanted,
  ]);
}

/** What the installed addons need of the system that they are loaded on. */
export function checkAddons({ results, installed }) {
  for (const architecture of prebuiltArchitectures) {
    const file = join(
      installed,
      `node_modules/paged-attention/prebuilds/linux-${architecture}/node.glibc.node`,
    );
    results.checkFaults(
      `prebuilt addon for ${architecture}: glibc ${glibcFloor} and nothing else`,
      faultsOfAddon(file, architecture),
    );
  }
}
