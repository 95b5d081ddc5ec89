// Installs the packed package in empty folders as users do, and runs it there. Ends with `N passed, N failed`.
//
//   node tools/packages/check.mjs [--all] [--only nodes,bullseye] [--list] [--tarballs build/tarballs]
//
// Without --tarballs the clone is packed first; --all adds the slow checks (other package managers, Debian
// bullseye), --only runs those named, --list prints their names. Needs the npm registry.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkBullseye } from './checks/bullseye.mjs';
import { checkBundleBesidePackage, checkBundles } from './checks/bundle.mjs';
import {
  checkFirstUse,
  checkIgnoredScripts,
  checkInstall,
  checkNodes,
} from './checks/installs.mjs';
import { checkKernels } from './checks/kernels.mjs';
import { checkLicences } from './checks/licences.mjs';
import { checkAddonPlaces, checkReadOnly, checkWorkers } from './checks/loading.mjs';
import { BareMachine } from './checks/machine.mjs';
import { checkManagers } from './checks/managers.mjs';
import { findNode, nodeVersions } from './checks/registry.mjs';
import { Results } from './checks/results.mjs';
import { checkAddons, checkSizes } from './checks/sizes.mjs';
import { checkPublishing, checkTypes } from './checks/types.mjs';
import { checkWorkflows } from './checks/workflow.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** In this order, after the installation that most of them use. */
const quickChecks = {
  sizes: checkSizes,
  addons: checkAddons,
  nodes: checkNodes,
  'first-use': checkFirstUse,
  'ignore-scripts': checkIgnoredScripts,
  workers: checkWorkers,
  'read-only': checkReadOnly,
  'addon-places': checkAddonPlaces,
  bundles: checkBundles,
  'bundle-beside-package': checkBundleBesidePackage,
  publishing: checkPublishing,
  types: checkTypes,
  licences: checkLicences,
  kernels: checkKernels,
  workflows: checkWorkflows,
};
const slowChecks = { managers: checkManagers, bullseye: checkBullseye };
const allChecks = { ...quickChecks, ...slowChecks };

const { values: options } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    tarballs: { type: 'string' },
  },
});

function chosenChecks() {
  if (options.only === undefined) return Object.entries(options.all ? allChecks : quickChecks);
  return options.only.split(',').map((name) => {
    if (name in allChecks) return [name, allChecks[name]];
    throw new Error(`--only: ${name} is none of ${Object.keys(allChecks).join(', ')}`);
  });
}

/** Paths of the tarballs in a folder. */
function tarballsIn(folder) {
  const paths = readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(folder, name));
  const core = paths.find((path) => /\/paged-attention-\d[^/]*\.tgz$/.test(path));
  if (core === undefined) throw new Error(`${folder} has no tarball of paged-attention`);
  return { core, kernels: paths.filter((path) => path !== core) };
}

/** Builds and packs the clone as it stands, with the kernels that are there. */
function packClone(results, folder) {
  const args = ['tools/packages/pack-local.mjs', '--to', folder];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
  });
  if (results.check('npm run pack:local', { status, text: stdout + stderr })) {
    return tarballsIn(folder);
  }
  throw new Error('there is nothing to check');
}

function makeMachines(work) {
  return nodeVersions.map((version) => {
    return new BareMachine(findNode(version), join(work, `machine ${version}`));
  });
}

/** Runs the chosen checks; what breaks off is a failure too. */
async function runChecks(results, work) {
  const tarballs = options.tarballs
    ? tarballsIn(resolve(options.tarballs))
    : packClone(results, join(work, 'tarballs'));
  const installed = join(work, 'a new user ß 日本');
  const context = { results, work, tarballs, installed, machines: makeMachines(work) };
  checkInstall(context);
  for (const [name, check] of chosenChecks()) {
    const started = performance.now();
    try {
      await check(context);
    } catch (error) {
      results.checkFaults(`${name} ran to its end`, [error.stack]);
    }
    process.stdout.write(`    ${name}: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  }
}

if (options.list) {
  process.stdout.write(`${Object.keys(allChecks).join('\n')}\n`);
  process.exit(0);
}
const results = new Results();
const work = mkdtempSync(join(tmpdir(), 'paged-attention ß '));
try {
  await runChecks(results, work);
} catch (error) {
  results.checkFaults('the checks ran to their end', [error.stack]);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.stdout.write(`\n${results.numPassed} passed, ${results.numFailed} failed\n`);
process.exit(results.numFailed === 0 ? 0 : 1);
