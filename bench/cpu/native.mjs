// The native probe: this machine's ceilings, and attention alone, without Node.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../native', import.meta.url));
const folder = fileURLToPath(new URL('../../build/bench-cpu', import.meta.url));

function run(command, args, env = {}) {
  const { status, stdout, error } = spawnSync(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`, { cause: error });
  return stdout;
}

/** Builds it; quick when nothing changed. */
export function buildProbe() {
  run('cmake', ['-S', source, '-B', folder]);
  run('cmake', ['--build', folder, '-j2']);
}

function probe(args, { threads, env = {} }) {
  const environment = { THREADS: String(threads), ...env };
  const lines = run(`${folder}/cpu_bench`, ['--json', ...args], environment);
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** `{ isa, threads, gigabytesPerSecond, f32Gflops, bf16Gflops, int8Gops }`, measured now. */
export function measureCeilings({ isa, threads }) {
  return probe(['ceilings', isa], { threads, env: { SECONDS_EACH: '0.2' } })[0];
}

/** Attention of one layer: `[{ row, layout, seconds, gflops, gigabytesPerSecond }]`, medians of rounds. */
export function measureAttention({ isa, threads, numRounds, isQuick }) {
  const args = ['attention', isa, String(numRounds), ...(isQuick ? ['quick'] : [])];
  return probe(args, { threads });
}
