// Finds, or installs into `.cache/cuda-toolkit/<major>`, a compiler of device code for each CUDA
// major version: an installed nvcc (12.8 or newer, 13) is taken as it is; otherwise the wheels of
// the Python package index are unpacked there, of the versions pinned below.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../../.cache/cuda-toolkit', import.meta.url));
const stampName = 'installed.json';
const oldestMinor = { 12: 8, 13: 0 };

/**
 * What is installed per major version. CUDA 13's wheels carry nvcc; of CUDA 12's only NVRTC
 * compiles C++. 13.0 and not a newer 13: PTX runs only on drivers at least as new as its compiler.
 */
const recipes = {
  13: {
    kind: 'nvcc',
    version: '13.0.88',
    wheels: [
      'nvidia-cuda-nvcc==13.0.88',
      'nvidia-nvvm==13.0.88',
      'nvidia-cuda-crt==13.0.88',
      'nvidia-cuda-runtime==13.0.96',
    ],
    compiler: 'nvidia/cu13/bin/nvcc',
    include: 'nvidia/cu13/include',
  },
  12: {
    kind: 'nvrtc',
    version: '12.9.86',
    wheels: ['nvidia-cuda-nvrtc-cu12==12.9.86', 'nvidia-cuda-runtime-cu12==12.9.79'],
    compiler: 'nvidia/cuda_nvrtc/lib/libnvrtc.so.12',
    include: 'nvidia/cuda_runtime/include',
  },
};

/** The major versions that payloads are made for, newest first. */
export const cudaMajors = [13, 12];

/**
 * One CUDA major version's compiler.
 *
 * @typedef {object} Toolkit
 * @property {number} major 12 or 13
 * @property {'nvcc' | 'nvrtc'} kind `compiler` is an executable, or a shared library
 * @property {string} version like `13.0.88`
 * @property {string} compiler absolute path
 * @property {string} include absolute path of the folder of `cuda.h`; it may not exist
 * @property {string} origin where it was found, or that it was installed
 */

/** Version of an nvcc as `[major, minor, patch]`, or undefined when it does not run. */
function nvccVersion(nvcc) {
  const { stdout, status } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' });
  const match = status === 0 ? /\bV(\d+)\.(\d+)\.(\d+)/.exec(stdout) : null;
  return match?.slice(1).map(Number);
}

/** Folders in which a person may have put a toolkit, each with what led there. */
function installedFolders() {
  const { PATH = '', CUDA_HOME, CUDA_PATH } = process.env;
  const named = [
    ['CUDA_HOME', CUDA_HOME],
    ['CUDA_PATH', CUDA_PATH],
  ].filter(([, folder]) => folder);
  const onPath = PATH.split(delimiter)
    .map((folder) => join(folder, 'nvcc'))
    .filter((nvcc) => existsSync(nvcc))
    .map((nvcc) => ['PATH', dirname(dirname(realpathSync(nvcc)))]);
  const local = existsSync('/usr/local') ? readdirSync('/usr/local') : [];
  const usual = local
    .filter((name) => /^cuda(-\d+(\.\d+)?)?$/.test(name))
    .map((name) => ['/usr/local', join('/usr/local', name)]);
  return [...named, ...onPath, ...usual];
}

/** Toolkits that are on this machine already, by major version, and those that are too old. */
function findInstalled() {
  const found = new Map();
  const refused = [];
  for (const [origin, folder] of installedFolders()) {
    const compiler = join(folder, 'bin/nvcc');
    const version = existsSync(compiler) ? nvccVersion(compiler) : undefined;
    if (!version) continue;
    const [major, minor] = version;
    const isKnown = major in oldestMinor && minor >= oldestMinor[major];
    if (!isKnown) refused.push(`${compiler} is ${version.join('.')}`);
    if (!isKnown || found.has(major)) continue;
    const include = join(folder, 'include');
    found.set(major, {
      major,
      kind: 'nvcc',
      version: version.join('.'),
      compiler,
      include,
      origin,
    });
  }
  return { found, refused };
}

/** The unpacked wheels of a major version, or undefined when they are not (all) there. */
function findUnpacked(major) {
  const recipe = recipes[major];
  const folder = join(cache, String(major));
  const stamp = join(folder, stampName);
  const wheels = existsSync(stamp) ? JSON.parse(readFileSync(stamp, 'utf8')).wheels : [];
  if (wheels.join() !== recipe.wheels.join()) return undefined;
  return {
    major,
    kind: recipe.kind,
    version: recipe.version,
    compiler: join(folder, recipe.compiler),
    include: join(folder, recipe.include),
    origin: 'installed',
  };
}

/** Runs a command quietly; gives what it said when it failed, else undefined. */
function failureOf(command, args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return undefined;
  const said = (error?.message ?? stderr).trim().split('\n').at(-1);
  return `${command} ${args[0]} ${args[1]}: ${said}`;
}

/**
 * Unpacks a major version's wheels into a fresh folder and moves it into place whole, so that an
 * interrupted install leaves nothing that looks installed.
 *
 * @returns why it failed, or undefined
 */
function unpackWheels(major) {
  const { wheels } = recipes[major];
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(join(cache, `${major}-`));
  const venv = join(fresh, 'venv');
  const unpacked = join(fresh, 'unpacked');
  const pip = ['install', '-q', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
  const failure =
    failureOf('python3', ['-m', 'venv', venv]) ??
    failureOf(join(venv, 'bin/python'), ['-m', 'pip', ...pip, '--target', unpacked, ...wheels]);
  const isThere = findUnpacked(major) !== undefined; // another process was faster
  if (!failure && !isThere) {
    writeFileSync(join(unpacked, stampName), JSON.stringify({ wheels }));
    const folder = join(cache, String(major));
    rmSync(folder, { recursive: true, force: true });
    renameSync(unpacked, folder);
  }
  rmSync(fresh, { recursive: true, force: true });
  return failure;
}

/** The toolkit of one major version, or the reason why there is none. */
function chooseToolkit(major, { found, refused }, canInstall) {
  const existing = found.get(major) ?? findUnpacked(major);
  if (existing) return { toolkit: existing };
  const tooOld = refused.length > 0 ? ` (${refused.join('; ')})` : '';
  if (!canInstall) return { missing: `not installed${tooOld}; run tools/cuda-toolkit` };
  const failure = unpackWheels(major);
  if (failure) return { missing: `${failure}${tooOld}` };
  return { toolkit: findUnpacked(major) };
}

/**
 * Finds a compiler for each CUDA major version.
 *
 * @param options.canInstall whether wheels may be downloaded for a version that is not there
 * @returns one entry per major version, newest first: `{ major, toolkit }`, or `{ major, missing }`
 *   with the reason
 */
export function findToolkits({ canInstall = false } = {}) {
  const installed = findInstalled();
  return cudaMajors.map((major) => ({ major, ...chooseToolkit(major, installed, canInstall) }));
}
