// `npm run lint`: formatter and linter for TypeScript (biome, tsc) and C++ (clang-format,
// clang-tidy), all of pinned versions; `--write` repairs what a tool can repair by itself.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const isWriting = process.argv.includes('--write');
const clangVersions = ['clang-format==23.1.5', 'clang-tidy==23.1.4'];
const venv = `${root}.cache/lint-venv`;

/** Runs a command in the foreground; gives whether it succeeded. */
function run(name, command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) process.stderr.write(`lint: ${name}: ${error.message}\n`);
  process.stdout.write(`lint: ${name}: ${status === 0 ? 'clean' : 'FAILED'}\n`);
  return status === 0;
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

function nativeFiles() {
  const folders = ['addon', 'cuda', 'test/native', 'bench/native'].filter((folder) =>
    existsSync(root + folder),
  );
  return folders.flatMap((folder) =>
    readdirSync(root + folder, { recursive: true })
      .filter((name) => /\.(h|cpp|cu|cuh|inc)$/.test(name))
      .map((name) => `${folder}/${name}`),
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
  installClangTools() &&
    run('clang-format', `${venv}/bin/clang-format`, [
      ...(isWriting ? ['-i'] : ['--dry-run', '-Werror']),
      ...files,
    ]),
];
const database = `${root}build/compile_commands.json`;
if (existsSync(`${venv}/bin/clang-tidy`) && existsSync(database)) {
  const sources = files.filter((name) => name.endsWith('.cpp') && name.startsWith('addon/'));
  results.push(run('clang-tidy', `${venv}/bin/clang-tidy`, ['-p', 'build', '--quiet', ...sources]));
}
process.exit(results.every(Boolean) ? 0 : 1);
