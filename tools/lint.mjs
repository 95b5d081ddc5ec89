// `npm run lint`: formatter and linter for TypeScript (biome, tsc) and C++ and CUDA (clang-format,
// clang-tidy), all of pinned versions, and the lock files; `--write` repairs what a tool can repair by itself.
// clang-tidy checks what the addon is built from, with the flags of the build.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const isWriting = process.argv.includes('--write');
const clangVersions = ['clang-format==23.1.5', 'clang-tidy==23.1.4'];
const venv = `${root}.cache/lint-venv`;
const database = `${root}build/compile_commands.json`;

function report(name, isClean) {
  process.stdout.write(`lint: ${name}: ${isClean ? 'clean' : 'FAILED'}\n`);
  return isClean;
}

/** Runs a command in the foreground; gives whether it succeeded. */
function run(name, command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) process.stderr.write(`lint: ${name}: ${error.message}\n`);
  return report(name, status === 0);
}

/** Whether npm takes the lock file of a folder as it is: every package in it, those of other platforms too. */
function checkLock(folder) {
  const args = [
    'ci',
    '--dry-run',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  return run(`${folder}package-lock.json`, 'npm', args, {
    cwd: root + folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** clang's tools come from PyPI, so that every machine formats alike. */
function installClangTools() {
  const isInstalled = ['clang-format', 'clang-tidy'].every((tool) =>
    existsSync(`${venv}/bin/${tool}`),
  );
  if (isInstalled) return true;
  return (
    run('python venv', 'python3', ['-m', 'venv', venv]) &&
    run('clang tools', `${venv}/bin/pip`, [
      'install',
      '-q',
      '--disable-pip-version-check',
      ...clangVersions,
    ])
  );
}

/** The repository's C++ and CUDA files, those not yet committed included. */
function nativeFiles() {
  const patterns = ['h', 'cpp', 'cu', 'cuh', 'inc'].map((extension) => `*.${extension}`);
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns];
  const { status, stdout } = spawnSync('git', list, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error('lint needs git and a clone of the repository');
  return stdout.split('\n').filter((name) => name !== '' && existsSync(root + name));
}

/** The addon's sources that have a compile command, those with the most of them first. */
function compiledSources(files) {
  const numCommands = new Map();
  for (const { file } of JSON.parse(readFileSync(database, 'utf8'))) {
    numCommands.set(file, (numCommands.get(file) ?? 0) + 1);
  }
  const commandsOf = (name) => numCommands.get(root + name) ?? 0;
  return files
    .filter((name) => name.startsWith('addon/') && commandsOf(name) > 0)
    .toSorted((a, b) => commandsOf(b) - commandsOf(a));
}

/** Checks one source; prints what was found, and nothing when nothing was. */
function tidy(source) {
  return new Promise((resolve) => {
    const child = spawn(`${venv}/bin/clang-tidy`, ['-p', 'build', '--quiet', source], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('error', (error) => (output += error.message));
    child.on('close', (status) => {
      const isClean = status === 0 && !/(warning|error): /.test(output);
      if (!isClean) process.stdout.write(output);
      resolve(isClean);
    });
  });
}

/** Checks the sources, one per processor at a time. */
async function tidyAll(sources) {
  const waiting = [...sources];
  let isClean = true;
  const work = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
      if (!(await tidy(source))) isClean = false;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return report(`clang-tidy, ${sources.length} sources`, isClean);
}

/** The compile commands come with the first build; without one, configuring it is enough. */
function configureAddon() {
  return (
    existsSync(database) ||
    run('compile commands', process.execPath, ['node_modules/cmake-js/bin/cmake-js', 'configure'])
  );
}

const files = nativeFiles();
const results = [
  run('biome', process.execPath, [
    'node_modules/@biomejs/biome/bin/biome',
    ...(isWriting ? ['check', '--write'] : ['ci', '--error-on-warnings']),
    '.',
  ]),
  run('tsc', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json']),
  run('docs/kernels.md', process.execPath, ['tools/kernel-docs.mjs', '--check']),
  run('CUDA headers', 'tools/check-cuda-headers', []),
  ...['', 'bench/peers/llama-cpp/'].map(checkLock),
];
if (installClangTools()) {
  const format = isWriting ? ['-i'] : ['--dry-run', '-Werror'];
  results.push(run('clang-format', `${venv}/bin/clang-format`, [...format, ...files]));
  results.push(configureAddon() && (await tidyAll(compiledSources(files))));
} else {
  results.push(false);
}
process.exit(results.every(Boolean) ? 0 : 1);
