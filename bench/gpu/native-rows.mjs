// Runs gpu_bench over requests. A row that ends the program, or takes too long, is a failed row: the
// program is started again with the requests after it.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { requestLine } from './requests.mjs';

/** Rows that fail one after another before the rest is given up: the GPU is gone, not a row. */
const maxFailuresInARow = 8;

/** Runs the program once; gives the GPU's line, the rows that it printed, and why it ended early. */
async function runOnce({ binary, payloads, rowLimitSeconds, onRow }, requests) {
  const child = spawn(binary, payloads, { stdio: ['pipe', 'pipe', 'pipe'] });
  let problem;
  let lastWords = '';
  let timer;
  const restartTimer = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      problem = `not done after ${rowLimitSeconds} s`;
      child.kill('SIGKILL');
    }, rowLimitSeconds * 1000);
  };
  const ended = new Promise((resolve) => {
    child.on('error', ({ message }) => resolve(message));
    child.on('close', (status, signal) => resolve(signal ?? status));
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    process.stderr.write(text);
    lastWords = text.trim() || lastWords;
  });
  child.stdin.on('error', () => {}); // it may end before it has read all: its exit status says so
  child.stdin.end(`${requests.map(requestLine).join('\n')}\n`);
  restartTimer();
  let gpu;
  const rows = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const row = JSON.parse(line);
    if (row.kind === 'gpu') gpu = row;
    else {
      rows.push(row);
      onRow(row);
    }
    restartTimer();
  }
  const status = await ended;
  clearTimeout(timer);
  if (status !== 0) problem ??= lastWords || `ended with ${status}`;
  return { gpu, rows, problem };
}

/**
 * Runs all requests.
 *
 * @param options.binary path of gpu_bench
 * @param options.payloads folders of kernels
 * @param options.rowLimitSeconds after which a row is given up
 * @param options.onRow called with each row at once: as the program prints it, or
 *   `{ kind, name, failed }` with the reason
 * @returns the GPU's line
 * @throws {Error} when the program finds no GPU or no kernels
 */
export async function runNative(options, requests) {
  let gpu;
  let rest = requests;
  let numFailures = 0;
  while (rest.length > 0) {
    const { gpu: opened, rows, problem } = await runOnce(options, rest);
    if (opened === undefined && gpu === undefined) throw new Error(problem);
    gpu ??= opened;
    if (rows.length > 0) numFailures = 0;
    if (rows.length === rest.length) break;
    numFailures++;
    const { kind, name } = rest[rows.length];
    options.onRow({ kind, name, failed: problem ?? 'not printed' });
    rest = rest.slice(rows.length + 1);
    if (numFailures >= maxFailuresInARow) break;
  }
  return gpu;
}
