// Programs for the checks, of exact versions, from the npm registry into .cache/package-checks/: nothing of them
// stands in package.json, and no install script of theirs runs.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../../../.cache/package-checks', import.meta.url));

/** Oldest supported Node, then the newest of each line that the registry had when this was written. */
export const nodeVersions = ['20.19.0', '20.20.2', '22.23.3', '24.21.0', '26.10.0'];

export const versions = {
  npm: '11.19.1',
  pnpm: '11.28.10',
  yarn: '1.22.22',
  '@yarnpkg/cli-dist': '4.18.1',
  publint: '0.3.25',
  '@arethetypeswrong/cli': '0.18.5',
  esbuild: '0.28.2',
  yaml: '2.8.1',
};

/**
 * Folder of an installed package; installed on first use.
 *
 * @param name of a package in `versions`, or any other with its `version`
 * @param beside packages, as `name@version`, that are installed next to it
 */
export function packageFolder(name, version = versions[name], beside = []) {
  const wanted = [`${name}@${version}`, ...beside];
  const folder = join(cache, wanted.join('+').replaceAll('/', '-'));
  if (!existsSync(folder)) install(wanted, folder);
  return join(folder, 'node_modules', name);
}

function install(wanted, folder) {
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  writeFileSync(join(fresh, 'package.json'), '{ "private": true }\n');
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--silent', '--force'];
  const { status } = spawnSync('npm', ['install', ...flags, '--prefix', fresh, ...wanted], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error(`npm install ${wanted.join(' ')} failed`);
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
}

/** Path of a script that a package puts on the PATH. */
export function binOf(name, binName = name, version = versions[name]) {
  const folder = packageFolder(name, version);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[binName]);
}

/** Path of an official Node of one version for this machine's processor. */
export function findNode(version) {
  return join(packageFolder(`node-linux-${process.arch}`, version), 'bin/node');
}
