// Everything that is installed with the package, and everything that builds and tests it, has a permissive licence.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  buildTimeExceptions,
  installedPackages,
  licenceFaults,
  lockedPackages,
} from '../licences.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Such as `280 MIT, 36 ISC`, the most frequent first. */
function describe(packages) {
  const counts = new Map();
  for (const { licence = 'none' } of packages) counts.set(licence, (counts.get(licence) ?? 0) + 1);
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([licence, count]) => `${count} ${licence}`)
    .join(', ');
}

export function checkLicences({ results, installed }) {
  const users = installedPackages(join(installed, 'node_modules'));
  const ours = lockedPackages(root);
  for (const [place, packages, exceptions] of [
    ['installed packages', users, {}],
    ['packages of package-lock.json', ours, buildTimeExceptions],
  ]) {
    results.checkFaults(
      `licences of ${packages.length} ${place}: ${describe(packages)}`,
      packages.length === 0 ? ['there are none'] : licenceFaults(packages, exceptions),
    );
  }
}
