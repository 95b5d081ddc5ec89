// What a prebuilt addon needs of the system that it is loaded on, read by readelf.

import { spawnSync } from 'node:child_process';
import { glibcFloor } from './zig.mjs';

/** Everything comes with the C library, the dynamic loader (which has `__tls_get_addr`) included. */
const allowedLibraries = [
  /^libc\.so\.6$/,
  /^libm\.so\.6$/,
  /^libpthread\.so\.0$/,
  /^libdl\.so\.2$/,
  /^ld-linux-(x86-64\.so\.2|aarch64\.so\.1)$/,
];
const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const machines = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' };

function readelf(...args) {
  const { status, stdout, stderr, error } = spawnSync('readelf', ['--wide', ...args], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status !== 0) throw new Error(`readelf ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

/** Compares versions such as `2.3.4`. */
function isAbove(version, floor) {
  const [left, right] = [version, floor].map((text) => text.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/**
 * Reads one addon.
 *
 * @returns libraries that it needs, newest C library version among its symbols, symbols that it shows
 * to the process, and whether it is stripped
 */
export function inspectAddon(file) {
  const dynamic = readelf('--dynamic', file);
  const symbols = readelf('--dyn-syms', file).split('\n');
  const versions = [
    ...readelf('--version-info', file).matchAll(/\b(GLIBC|GLIBCXX|GCC|CXXABI)_([\d.]+)/g),
  ];
  const glibc = versions.filter(([, name]) => name === 'GLIBC').map(([, , version]) => version);
  return {
    machine: /Machine:\s+(.+)/.exec(readelf('--file-header', file))?.[1].trim(),
    needed: [...dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name),
    newestGlibc: glibc.reduce(
      (newest, version) => (isAbove(version, newest) ? version : newest),
      '0',
    ),
    otherVersions: [
      ...new Set(versions.filter(([, name]) => name !== 'GLIBC').map(([text]) => text)),
    ],
    exported: symbols
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => /^\d+:$/.test(fields[0]) && fields[6] !== 'UND' && fields[7])
      .map((fields) => fields[7].replace(/@.*/, '')),
    isStripped: !readelf('--sections', file).includes('.symtab'),
  };
}

/** What keeps an addon from running where the package says that it runs; one sentence each. */
export function faultsOfAddon(file, architecture) {
  const found = inspectAddon(file);
  const strangers = found.needed.filter(
    (name) => !allowedLibraries.some((known) => known.test(name)),
  );
  const extra = found.exported.filter((name) => !entryPoints.includes(name));
  return [
    ...(found.machine === machines[architecture] ? [] : [`it is made for ${found.machine}`]),
    ...strangers.map((name) => `it needs ${name}`),
    ...(isAbove(found.newestGlibc, glibcFloor)
      ? [`it needs glibc ${found.newestGlibc}, the floor is ${glibcFloor}`]
      : []),
    ...found.otherVersions.map((version) => `it needs a C++ library with ${version}`),
    ...(extra.length === 0 ? [] : [`it shows ${extra.slice(0, 5).join(', ')} to the process`]),
    ...(found.isStripped ? [] : ['it is not stripped']),
  ];
}
