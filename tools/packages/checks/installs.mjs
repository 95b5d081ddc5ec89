// The package as npm installs it: the quickstart on every Node line, the command line, and the mistakes that a new
// user makes first.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { quickstart, quickstartAnswers, refusalOf, required, runProgram } from './programs.mjs';
import { binOf } from './registry.mjs';

/** Installs tarballs by npm into an empty folder; the outcome is npm's. */
export function npmInstall(machine, folder, tarballs, flags = []) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const args = [binOf('npm'), 'install', '--no-audit', '--no-fund', ...flags, ...tarballs];
  return machine.run(machine.node, args, folder);
}

/** One installation, which the checks after it use. */
export function checkInstall({ results, machines, tarballs, installed }) {
  const outcome = npmInstall(machines[0], installed, [tarballs.core]);
  if (results.check('npm i, without a compiler on the PATH', outcome)) return;
  throw new Error('nothing else can be checked');
}

/** Under every Node an installation of its own, and there the quickstart by import and by require. */
export function checkNodes({ results, machines, tarballs, work }) {
  for (const machine of machines) {
    const folder = join(work, `with Node ${machine.version}`);
    const outcome = npmInstall(machine, folder, [tarballs.core]);
    results.check(`npm i, Node ${machine.version}`, outcome);
    const program = runProgram(machine, folder, quickstart);
    results.check(`quickstart, Node ${machine.version}`, program, quickstartAnswers);
    const byRequire = runProgram(machine, folder, required, { extension: 'cjs' });
    // No word of an experiment either.
    results.check(
      `require(), Node ${machine.version}`,
      byRequire,
      (status, text) => status === 0 && text.trim() === 'closed',
    );
    rmSync(folder, { recursive: true });
  }
}

/** `--ignore-scripts`: there are none. */
export function checkIgnoredScripts({ results, machines, tarballs, work }) {
  const folder = join(work, 'without scripts');
  const outcome = npmInstall(machines[0], folder, [tarballs.core], ['--ignore-scripts']);
  results.check('npm i --ignore-scripts', outcome);
  results.check(
    'quickstart after --ignore-scripts',
    runProgram(machines[0], folder, quickstart),
    quickstartAnswers,
  );
}

/** Errors and commands; each says what to do. */
export function checkFirstUse({ results, machines, installed }) {
  const machine = machines[0];
  const refusals = {
    'a model folder that is not there': [
      `await load('./no-such-folder');`,
      ['ERR_MODEL_NOT_FOUND', 'no-such-folder'],
    ],
    'a misspelt option value': [`await load('recall', { blockSize: 12 });`, ['blockSize', '12']],
    'use after close': [
      `const llm = await load(); await llm.close(); await llm.generate('hello');`,
      ['ERR_CLOSED'],
    ],
  };
  for (const [name, [expression, wanted]] of Object.entries(refusals)) {
    results.check(name, runProgram(machine, installed, refusalOf(expression)), wanted);
  }
  const npx = (args, input) =>
    machine.run(
      machine.node,
      [binOf('npm', 'npx'), '--no-install', 'paged-attention', ...args],
      installed,
      { input },
    );
  results.check(
    'npx paged-attention chat',
    npx(['chat', 'recall'], 'Omar lives in Lisbon. Where does Omar live?'),
    ['Lisbon'],
  );
  results.check('npx paged-attention inspect', npx(['inspect', 'recall', '--json']), [
    '"numParameters": 2689280',
  ]);
  results.check('npx paged-attention doctor', npx(['doctor']), [
    'ok    self-test',
    'node.glibc.node',
  ]);
  results.check(
    'npx paged-attention inspect of nothing',
    npx(['inspect', './nowhere']),
    (status, text) => status === 1 && text.includes('ERR_MODEL_NOT_FOUND'),
  );
}
