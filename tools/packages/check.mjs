// Packs the package, installs the tarball in an empty folder as a user would, and runs the README's
// quickstart there, by import and by require, plus the mistakes that a new user makes first.
// Ends with `N passed, N failed`.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { faultsOfAddon } from '../prebuilds/inspect.mjs';
import { glibcFloor, prebuiltArchitectures } from '../prebuilds/zig.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'a new user ß '));
const nodes = [process.execPath, ...(process.env.PA_NODES ?? '').split(':').filter(Boolean)];
let numPassed = 0;
let numFailed = 0;

function run(command, args, cwd, input = '') {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, input, encoding: 'utf8' });
  return { status, text: `${stdout}${stderr}` };
}

/** Counts one check; shows the output of one that failed. */
function check(name, { status, text }, isRight) {
  const passed = isRight(status, text);
  process.stdout.write(`${passed ? 'ok' : 'FAILED'}  ${name}\n${passed ? '' : `${text}\n`}`);
  if (passed) numPassed++;
  else numFailed++;
}

/** Runs a script in the folder; it must exit with 0 and print what is wanted. */
function checkScript(name, source, wanted, extension = 'mjs') {
  writeFileSync(join(folder, `script.${extension}`), source);
  for (const node of nodes) {
    const { version } = { version: run(node, ['--version'], folder).text.trim() };
    check(`${name} on ${version}`, run(node, [`script.${extension}`], folder), (status, text) => {
      return status === 0 && wanted.every((piece) => text.includes(piece));
    });
  }
}

/** Of all files below a folder. */
function bytesOf(path) {
  const files = readdirSync(path, { recursive: true, withFileTypes: true });
  return files
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

const quickstart = readFileSync(join(root, 'README.md'), 'utf8').match(
  /^```(?:js|ts)\n([\s\S]*?)^```/m,
)[1];
const refusal = (expression) => `
import { load } from 'paged-attention';
try { ${expression} } catch (error) { console.log(error.code, error.message); }
`;

try {
  check(
    'prebuilds',
    run('npm', ['run', '--silent', 'build:prebuilds'], root),
    (status) => status === 0,
  );
  for (const architecture of prebuiltArchitectures) {
    const addon = join(root, `prebuilds/linux-${architecture}/node.glibc.node`);
    const faults = faultsOfAddon(addon, architecture);
    check(
      `prebuilt addon for ${architecture}: glibc ${glibcFloor} and nothing else`,
      { status: faults.length, text: faults.join('\n') },
      (numFaults) => numFaults === 0,
    );
  }
  const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], root);
  check('npm pack', packed, (status) => status === 0);
  const tarball = packed.text.trim().split('\n').at(-1);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  check(
    'npm install of the tarball',
    run('npm', ['install', '--no-audit', '--no-fund', `./${tarball}`], folder),
    (status) => status === 0,
  );
  for (const [name, path, most] of [
    ['ours', 'node_modules/paged-attention', 25e6],
    ['with dependencies', 'node_modules', 125e6],
  ]) {
    const bytes = bytesOf(join(folder, path));
    check(
      `installed, ${name}: ${(bytes / 1e6).toFixed(1)} MB of at most ${most / 1e6}`,
      { status: 0, text: '' },
      () => bytes <= most,
    );
  }
  checkScript('README quickstart', quickstart, ['4217', 'Lisbon']);
  checkScript(
    'require()',
    `const { load } = require('paged-attention'); load().then((llm) => llm.close()).then(() => console.log('closed'));`,
    ['closed'],
    'cjs',
  );
  checkScript('a model folder that is not there', refusal(`await load('./no-such-folder');`), [
    'ERR_MODEL_NOT_FOUND',
    'no-such-folder',
  ]);
  checkScript('a misspelt option value', refusal(`await load('recall', { blockSize: 12 });`), [
    'blockSize',
    '12',
  ]);
  checkScript(
    'use after close',
    refusal(`const llm = await load(); await llm.close(); await llm.generate('hello');`),
    ['ERR_CLOSED'],
  );
  const cli = (args, input) =>
    run('npx', ['--no-install', 'paged-attention', ...args], folder, input);
  check(
    'paged-attention chat',
    cli(['chat', 'recall'], 'Omar lives in Lisbon. Where does Omar live?'),
    (status, text) => status === 0 && text.includes('Lisbon'),
  );
  check('paged-attention inspect', cli(['inspect', 'recall', '--json']), (status, text) => {
    return status === 0 && text.includes('"numParameters": 2689280');
  });
  check('paged-attention doctor', cli(['doctor']), (status, text) => {
    return status === 0 && text.includes('ok    self-test') && text.includes('node.glibc.node');
  });
  check('paged-attention without a model', cli(['inspect', './nowhere']), (status, text) => {
    return status === 1 && text.includes('ERR_MODEL_NOT_FOUND');
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`\n${numPassed} passed, ${numFailed} failed\n`);
process.exit(numFailed === 0 ? 0 : 1);
