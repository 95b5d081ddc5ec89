// Makes a clone ready to run: `node tools/setup.mjs`. Installs the npm packages, compiles the
// TypeScript and builds the native addon, each only when something changed; one line per step.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describePayloads } from './cuda/payload-status.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const oldestNode = [20, 19];

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  fail(
    `Node ${process.versions.node} is too old: paged-attention needs ${oldestNode.join('.')} or newer.`,
  );
}

/** Runs one step in the foreground and says how long it took. */
function step(name, command, args) {
  const started = process.hrtime.bigint();
  process.stdout.write(`setup: ${name} ...\n`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail(`setup: ${name} failed: ${command} ${args.join(' ')}`);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  process.stdout.write(`setup: ${name} done in ${seconds.toFixed(1)} s\n`);
}

/** npm writes what it installed to node_modules/.package-lock.json; each locked package must be in it. */
function packagesAreInstalled() {
  const installedPath = `${root}node_modules/.package-lock.json`;
  if (!existsSync(installedPath)) return false;
  const wanted = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || optional || installed[path]?.version === version,
  );
}

checkNode();
if (!packagesAreInstalled()) {
  step('npm packages', 'npm', ['ci', '--no-audit', '--no-fund']);
}
step('TypeScript', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
step('native addon', process.execPath, ['tools/build-addon.mjs']);
if (process.platform === 'linux') process.stdout.write(`setup: ${describePayloads()}\n`);
