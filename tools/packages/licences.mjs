// Which licences the packages of a dependency tree have, and which of them may not be there.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** SPDX names of licences that ask for their text to be kept, at most. */
export const permissiveLicences = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC-BY-4.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Python-2.0',
  'Unlicense',
];

/** Packages that only build or test, under other licences: why each may stay, by name. */
export const buildTimeExceptions = {};

/** One package of a tree. @typedef {{ name: string, version: string, licence?: string, isDev: boolean }} Package */

/**
 * Whether an SPDX expression lets its reader choose permissive licences only.
 *
 * @param expression such as `(MIT OR GPL-2.0) AND ISC`
 */
export function isPermissive(expression) {
  const flat = expression.replace(/\(([^()]*)\)/g, (_, inner) =>
    isPermissive(inner) ? permissiveLicences[0] : 'no',
  );
  if (flat !== expression) return isPermissive(flat);
  return flat.split(' OR ').some((choice) => {
    const parts = choice.split(' AND ').map((part) => part.replace(/ WITH .*/, '').trim());
    return parts.every((part) => permissiveLicences.includes(part));
  });
}

/** Says of each package that may not be there which it is, and its licence; one sentence each. */
export function licenceFaults(packages, exceptions = buildTimeExceptions) {
  const isExcused = ({ name, isDev }) => isDev && name in exceptions;
  const isRight = ({ licence }) => licence !== undefined && isPermissive(licence);
  const unused = Object.keys(exceptions).filter((name) =>
    packages.every((entry) => entry.name !== name || isRight(entry)),
  );
  return [
    ...packages
      .filter((entry) => !isRight(entry) && !isExcused(entry))
      .map(({ name, version, licence = 'no licence', isDev }) => {
        return `${name}@${version} has ${licence}${isDev ? ', at build time' : ''}`;
      }),
    ...unused.map((name) => `${name} is an exception that nothing needs`),
  ];
}

/**
 * All packages of a package-lock.json, dependencies of development too. What stands in `node_modules` beside it
 * counts, and the lockfile's word for what is not installed, such as programs for other systems.
 *
 * @returns {Package[]}
 */
export function lockedPackages(folder) {
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([path, { version, license, dev = false }]) => {
      const installed = readPackage(join(folder, path));
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      const entry = { name, version, licence: license, isDev: dev };
      return installed?.version === version ? { ...entry, licence: installed.licence } : entry;
    });
}

/** All packages that stand in a `node_modules` folder and in those below it. @returns {Package[]} */
export function installedPackages(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => (name.startsWith('@') ? scopedNames(folder, name) : [name]))
    .flatMap((name) => {
      const own = readPackage(join(folder, name));
      const below = installedPackages(join(folder, name, 'node_modules'));
      return own === undefined ? below : [own, ...below];
    });
}

const scopedNames = (folder, scope) =>
  readdirSync(join(folder, scope)).map((name) => `${scope}/${name}`);

function readPackage(folder) {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  const { name, version, license } = JSON.parse(readFileSync(file, 'utf8'));
  // Old packages name an object.
  return { name, version, licence: license?.type ?? license, isDev: false };
}
