// Where node-llama-cpp is, installed by its own lock file beside this package and not by it.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const installed = fileURLToPath(new URL('../peers/llama-cpp/', import.meta.url));
const copies = fileURLToPath(new URL('../../.cache/bench-peer/', import.meta.url));
const entry = 'node_modules/node-llama-cpp/dist/index.js';
const binaries = 'node_modules/@node-llama-cpp/linux-x64/bins/linux-x64';
/** Backends that need no more than AVX2; the library takes the best that it finds. */
const avx2Backends = ['haswell', 'ivybridge', 'sandybridge', 'sse42', 'x64'];

function versionIn(folder) {
  const manifest = `${folder}node_modules/node-llama-cpp/package.json`;
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).version : undefined;
}

function install() {
  const { dependencies } = JSON.parse(readFileSync(`${installed}package.json`, 'utf8'));
  if (versionIn(installed) === dependencies['node-llama-cpp']) return;
  console.error(`installing ${installed}`);
  const args = ['ci', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status } = spawnSync('npm', args, {
    cwd: installed,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed in ${installed}`);
}

/** A copy without the backends that need more than AVX2. */
function avx2Copy() {
  const folder = `${copies}avx2/`;
  if (versionIn(folder) === versionIn(installed)) return folder;
  rmSync(folder, { recursive: true, force: true });
  cpSync(`${installed}node_modules`, `${folder}node_modules`, { recursive: true });
  for (const name of readdirSync(folder + binaries)) {
    const [, backend] = /^libggml-cpu-(\w+)\.so$/.exec(name) ?? [];
    if (backend && !avx2Backends.includes(backend)) rmSync(`${folder}${binaries}/${name}`);
  }
  return folder;
}

/** The peer's version, and the file to import; installs it first. `isa` is `avx2` or anything else. */
export function findPeer(isa) {
  install();
  const folder = isa === 'avx2' ? avx2Copy() : installed;
  return { name: `node-llama-cpp ${versionIn(folder)}`, module: folder + entry };
}
