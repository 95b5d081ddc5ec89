// Builds the native addon into build/Release by cmake-js, only when its sources changed:
// `node tools/build-addon.mjs`.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeLock } from './build-lock.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const addon = join(root, 'build/Release/paged_attention.node');
const stamp = join(root, 'build/Release/paged_attention.stamp');
const sourcePattern = /\.(cpp|h|cu|cuh|cmake)$/;
/** What a build needs, and the Debian package that has it; one of the commands is enough. */
const tools = [
  { commands: [process.env.CXX ?? 'c++'], what: 'A C++20 compiler', package: 'g++' },
  { commands: ['cmake'], what: 'CMake', package: 'cmake' },
  { commands: ['ninja', 'make'], what: 'Ninja or make', package: 'make' },
];

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** Digest of everything that the addon is built from. */
function digestSources() {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}`);
  const files = ['addon', 'cuda'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => sourcePattern.test(name))
      .map((name) => join(folder, name)),
  );
  const versions = ['node-addon-api', 'node-api-headers'].map(
    (name) => `node_modules/${name}/package.json`,
  );
  for (const file of ['CMakeLists.txt', ...versions, ...files.toSorted()]) {
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

function isUpToDate(digest) {
  return existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
}

function checkTools() {
  const runs = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
  for (const { commands, what, package: debianPackage } of tools) {
    if (commands.some(runs)) continue;
    fail(
      `${what} is needed to build the addon, and \`${commands.at(-1)}\` did not run: install it with \`apt-get install ${debianPackage}\`.`,
    );
  }
}

function build(digest) {
  rmSync(stamp, { force: true });
  const jobs = String(Math.min(availableParallelism(), 8));
  const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js');
  const started = process.hrtime.bigint();
  // Not `compile`: after a failed build it empties build/, which holds other builds too.
  const { status } = spawnSync(process.execPath, [cmakeJs, 'build', '--parallel', jobs], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) fail('addon: the build failed; the compiler says why above.');
  writeFileSync(stamp, digest);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  process.stdout.write(`addon: built in ${seconds.toFixed(0)} s\n`);
}

if (isUpToDate(digestSources())) {
  process.stdout.write('addon: up to date\n');
} else {
  checkTools();
  takeLock(join(root, 'build/addon.lock'), 'addon');
  const digest = digestSources();
  if (!isUpToDate(digest)) build(digest);
}
