// Loading where it is harder: in Workers, from a read-only file system, from a folder that the user names, and
// where the addon is missing or made for another processor.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { quickstart, quickstartAnswers, refusalOf, runProgram } from './programs.mjs';

const inWorkers = `
import { Worker } from 'node:worker_threads';
const ends = [1, 2].map(() => new Promise((resolve, reject) => {
  new Worker(new URL('./program-in-worker.mjs', import.meta.url)).on('error', reject).on('exit', resolve);
}));
console.log('exit codes', (await Promise.all(ends)).join(' '));
`;

/** Two Workers of one process, each with the quickstart. */
export function checkWorkers({ results, machines, installed }) {
  writeFileSync(join(installed, 'program-in-worker.mjs'), quickstart);
  for (const machine of machines) {
    results.check(
      `quickstart in two Workers, Node ${machine.version}`,
      runProgram(machine, installed, inWorkers),
      [...quickstartAnswers, 'exit codes 0 0'],
    );
  }
}

/** Everything below / is read-only: packages, home and folder of temporary files. */
export function checkReadOnly({ results, machines, installed }) {
  writeFileSync(join(installed, 'program.mjs'), quickstart);
  const isRoot = process.getuid() === 0;
  const namespace = ['--mount', '--propagation', 'private', ...(isRoot ? [] : ['--map-root-user'])];
  const script = `
set -e
mount --bind "$PWD" "$PWD"
mount -o remount,bind,ro "$PWD"
mount -o remount,bind,ro / || true
cd "$PWD"
if (: > written) 2>/dev/null; then echo 'the file system can be written'; exit 9; fi
exec "$0" program.mjs
`;
  for (const machine of machines) {
    const { status, stdout, stderr, error } = spawnSync(
      'unshare',
      [...namespace, 'sh', '-c', script, machine.node],
      {
        cwd: installed,
        encoding: 'utf8',
        env: { ...process.env, HOME: installed, TMPDIR: installed },
      },
    );
    results.check(
      `quickstart from a read-only file system, Node ${machine.version}`,
      { status, text: `${stdout}${stderr}${error?.message ?? ''}` },
      quickstartAnswers,
    );
  }
}

/** An installation whose addons stand elsewhere, or are those of the wrong processor, or are not there. */
export function checkAddonPlaces({ results, machines, installed, work }) {
  const machine = machines[0];
  const copy = join(work, 'moved');
  cpSync(installed, copy, { recursive: true });
  const prebuilds = join(copy, 'node_modules/paged-attention/prebuilds');
  const elsewhere = join(work, 'elsewhere ü');
  mkdirSync(elsewhere);
  cpSync(prebuilds, join(elsewhere, 'prebuilds'), { recursive: true });
  rmSync(prebuilds, { recursive: true });
  const own = `linux-${process.arch}`;
  const other = process.arch === 'x64' ? 'linux-arm64' : 'linux-x64';
  const ask = (environment) =>
    runProgram(machine, copy, refusalOf('await (await load()).close(); console.log("loaded");'), {
      environment,
    });
  const attempts = ['ERR_ADDON_UNAVAILABLE', 'build/Release: not there', 'build/Debug: not there'];

  results.check('no addon: one error names each place and the cure', ask({}), [
    ...attempts,
    `prebuilds/${own}: not there`,
    'install the package again',
  ]);
  results.check(
    'PAGED_ATTENTION_PREBUILD names the folder of the addon',
    ask({ PAGED_ATTENTION_PREBUILD: elsewhere }),
    ['loaded'],
  );
  cpSync(join(elsewhere, 'prebuilds', other), join(prebuilds, own), { recursive: true });
  results.check('addon of another processor: one error names each place and the cure', ask({}), [
    ...attempts,
    /node\.glibc\.node: .*(invalid ELF header|cannot open shared object|wrong ELF class)/,
    'install the package again',
  ]);
  results.check(
    'another processor is asked for: one error names each place and the cure',
    ask({ npm_config_arch: 's390x' }),
    [...attempts, 'prebuilds/linux-s390x', 'npm_config_arch'],
  );
}
