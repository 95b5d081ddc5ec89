// compute-sanitizer over the benchmark's small shapes and a share of the conformance cases, where the
// machine has it:
//
//   node tools/gpu-bundle/sanitizer.mjs --out sanitizer.txt [--only racecheck]
//
// What a tool says is added to the file at once. Products are our own kernels', as cuBLASLt's are not
// ours to check.

import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { allRequests, requestLine } from '../../bench/gpu/requests.mjs';
import { findSanitizer } from './programs.mjs';

const { values: options } = parseArgs({
  options: { out: { type: 'string' }, only: { type: 'string' } },
});
const tools = options.only?.split(',') ?? ['memcheck', 'racecheck', 'initcheck', 'synccheck'];
const payloads = ['cuda-13', 'cuda-12']
  .map((name) => `prebuilds/linux-x64/${name}`)
  .filter(existsSync);
const shapes = JSON.parse(readFileSync('bench/gpu/shapes.json', 'utf8')).rehearsal;
const conformance = ['tools/gpu-bundle/conformance.mjs', '--backend', 'cuda', '--seed', '1'];
const errorStatus = 99;

/** What is run under each tool, and how long it may take. */
const programs = [
  {
    name: 'benchmark rows',
    command: ['bin/gpu_bench', ...payloads],
    input: allRequests(shapes).map(requestLine).join('\n'),
    limitSeconds: 60,
  },
  {
    name: 'conformance, one case in 8',
    command: [process.execPath, ...conformance, '--every', '8'],
    input: '',
    limitSeconds: 90,
  },
];

/** Process group of a process, by the fifth field of its stat. */
function groupOf(pid) {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split(') ').at(-1).split(' ')[2]) : 0;
}

/** Ends what a tool that was stopped has left running; run-all gives this process a group of its own. */
function endLeftovers() {
  if (groupOf(process.pid) !== process.pid) return;
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const pid = Number(name);
    if (pid === process.pid || groupOf(pid) !== process.pid) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

/** Runs one program under one tool; gives one line, and whether that is good, bad or neither. */
function check(sanitizer, tool, { name, command, input, limitSeconds }) {
  const log = join(scratch, `${tool}.log`);
  rmSync(log, { force: true });
  const args = ['--tool', tool, '--error-exitcode', String(errorStatus), '--print-limit', '20'];
  const started = performance.now();
  const { status, signal, stdout, stderr } = spawnSync(
    sanitizer,
    [...args, '--log-file', log, ...command],
    {
      input,
      encoding: 'utf8',
      timeout: limitSeconds * 1000,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 26,
      env: { ...process.env, PAGED_ATTENTION_CUBLASLT: '/none' },
    },
  );
  if (signal) endLeftovers();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const said = existsSync(log) ? readFileSync(log, 'utf8') : '';
  const summary =
    said
      .match(/^.*SUMMARY.*$/gm)
      ?.at(-1)
      ?.replace(/^[= ]+/, '') ?? 'no summary';
  const end = signal ? `stopped after ${limitSeconds} s` : `exit status ${status}`;
  const line = `${tool} over ${name}: ${summary}, ${end}, ${seconds} s`;
  const tail = (text) => text.split('\n').slice(-200).join('\n');
  appendFileSync(options.out, `${line}\n${tail(said)}\n${tail(stdout)}${tail(stderr)}\n\n`);
  console.log(line);
  return { isClean: status === 0, hasFailed: !signal && status !== 0 };
}

const sanitizer = findSanitizer();
if (sanitizer === undefined) {
  console.log('skipped: there is no compute-sanitizer on this machine');
  process.exit(0);
}
const scratch = mkdtempSync(join(tmpdir(), 'sanitizer-'));
writeFileSync(options.out, '');
const results = programs.flatMap((program) => tools.map((tool) => check(sanitizer, tool, program)));
rmSync(scratch, { recursive: true });
const numPassed = results.filter(({ isClean }) => isClean).length;
console.log(`${numPassed} passed, ${results.filter(({ hasFailed }) => hasFailed).length} failed`);
