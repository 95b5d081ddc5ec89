// Runs test files without jest, where only Node and the package `expect` are: in the bundle for GPU
// machines (tools/pack-gpu.mjs), whose test files are compiled, or in a clone.
//
//   node test/small-runner/run.mjs [--filter REGEX] [--timeout-factor 4] [--quiet] FILE...
//
// Files run one after another in this process. Ends with `N passed, N failed`.

import { existsSync } from 'node:fs';
import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { expect } from 'expect';
import { makeCollector } from './collect.mjs';
import { runSuite } from './run-suite.mjs';

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    filter: { type: 'string', default: '' },
    'timeout-factor': { type: 'string', default: '1' },
    quiet: { type: 'boolean', default: false },
  },
});
const total = { passed: 0, failed: 0, skipped: 0 };

function report({ name, status, error, seconds }) {
  total[status]++;
  if (status === 'failed') {
    process.stdout.write(`FAILED ${name}\n${error?.stack ?? error}\n`);
  } else if (!values.quiet && status === 'passed') {
    process.stdout.write(`ok ${seconds.toFixed(1).padStart(6)} s  ${name}\n`);
  }
}

/** Loads a file, which fills the tree, and runs the tree. */
async function runFile(file) {
  const { root, globals } = makeCollector();
  Object.assign(globalThis, globals, { expect });
  const filter = new RegExp(values.filter);
  const timeoutFactor = Number(values['timeout-factor']);
  try {
    await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    report({ name: `${file} does not load`, status: 'failed', error, seconds: 0 });
    return;
  }
  await runSuite(root, { filter, timeoutFactor, report });
}

if (files.some((file) => file.endsWith('.ts'))) {
  register('../conformance/typescript-loader.mjs', import.meta.url);
}
for (const file of files) {
  if (!existsSync(file)) throw new Error(`no file ${file}`);
  process.stdout.write(`--- ${file}\n`);
  const before = { ...total };
  const started = performance.now();
  await runFile(file);
  const [passed, failed, skipped] = Object.keys(total).map((key) => total[key] - before[key]);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(
    `${file}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s\n`,
  );
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
