// Copies npm packages and what they depend on, without types, sources and other platforms' binaries.

import { cpSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from '../cuda/sources.mjs';

/** The folder of a package as Node finds it from `from`, or undefined. */
function findPackage(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

/** Folders of the packages and of everything that they need at run time. */
function closureOf(names) {
  const folders = new Set();
  const visit = (name, from) => {
    const folder = findPackage(name, from);
    if (folder === undefined) throw new Error(`${name}, which ${from} needs, is not installed`);
    if (folders.has(folder)) return;
    folders.add(folder);
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const dependency of Object.keys(dependencies)) {
      if (!dependency.startsWith('@types/')) visit(dependency, folder);
    }
  };
  for (const name of names) visit(name, root);
  return folders;
}

/** Whether a file of a package is needed at run time on Linux x64 with glibc. */
function isNeeded(path) {
  if (/\.(d\.[cm]?ts|map|md|flow)$/.test(path)) return false;
  return !path.endsWith('.node') || path.endsWith('.linux-x64-gnu.node');
}

/** Copies packages into the bundle's node_modules, each at its place. */
export function copyPackages(bundle, names) {
  for (const folder of closureOf(names)) {
    const inside = (path) => relative(folder, path);
    cpSync(folder, join(bundle, relative(root, folder)), {
      recursive: true,
      filter: (path) => isNeeded(path) && !inside(path).startsWith('node_modules'),
    });
  }
}
