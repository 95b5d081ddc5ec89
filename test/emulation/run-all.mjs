// node test/emulation/run-all.mjs [filter…] [--all] [--builds plain,asan,check]
//                                 [--folder build/emulation]
//
// Builds the emulation three ways and runs the kernel tests: plain in orders d, r1 and r2; asan and
// check in order d. --all runs the full product of shapes instead of a pairwise cover. Prints the
// seconds of each stage and, last, `N passed, N failed`.

import { spawn } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const orders = { plain: ['d', 'r1', 'r2'], asan: ['d'], check: ['d'] };

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    builds: { type: 'string', default: 'plain,asan,check' },
    all: { type: 'boolean', default: false },
    folder: { type: 'string', default: 'build/emulation' },
    'build-only': { type: 'string', default: '' },
  },
});

let passed = 0;
let failed = 0;

/** Runs a command with its output shown; gives its exit code and output. */
function run(command, args) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data;
      });
    }
    child.on('error', (error) => done({ code: 127, output: error.message }));
    child.on('close', (code) => done({ code: code ?? 1, output }));
  });
}

/** One line per stage; what it printed only when it failed. */
async function stage(name, command, args) {
  const started = Date.now();
  const { code, output } = await run(command, args);
  const counts = /(\d+) passed, (\d+) failed/.exec(output);
  const numPassed = counts ? Number(counts[1]) : 0;
  const numFailed = Math.max(counts ? Number(counts[2]) : 0, code === 0 ? 0 : 1);
  passed += numPassed;
  failed += numFailed;
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const result = counts ? `${numPassed} passed, ${numFailed} failed` : code === 0 ? 'ok' : 'FAILED';
  console.log(`${name}: ${result}, ${seconds} s`);
  if (numFailed > 0) console.log(output.replace(/^(pass {2}.*|\[\d+\/\d+\] .*)\n/gm, ''));
  return code === 0;
}

for (const build of options.builds.split(',')) {
  const folder = resolve(root, options.folder, build);
  const defines = [`-DPA_EMULATION=${build}`, `-DPA_ONLY=${options['build-only']}`];
  const isBuilt =
    (await stage(`${build}: configure`, 'cmake', [
      '-S',
      here,
      '-B',
      folder,
      '-G',
      'Ninja',
      ...defines,
    ])) && (await stage(`${build}: build`, 'ninja', ['-C', folder, 'kernel_tests']));
  if (!isBuilt) continue;
  for (const order of orders[build]) {
    await stage(`${build}: order ${order}`, join(folder, 'kernel_tests'), [
      ...filters,
      ...(options.all ? ['--all'] : []),
      '--order',
      order,
    ]);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
