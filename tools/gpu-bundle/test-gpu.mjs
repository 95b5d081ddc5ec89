// The work of ./test-gpu inside the bundle: runs every part in a process of its own, so that a lost
// device or a crash ends that part only, and counts what they say.
//
//   test-gpu [--list] [--timeout-factor 4] [PART…]

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Device } from '../../dist/device/index.js';
import { listParts } from './parts.mjs';

const parts = listParts();
const kernelLog = `${process.cwd()}/kernels-launched.txt`;

/** Runs one part; gives its counts. One that ends without a count is one failure. */
function runPart(name, args) {
  process.stdout.write(`\n=== ${name}\n`);
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PAGED_ATTENTION_KERNEL_LOG: kernelLog },
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      process.stdout.write(text);
      output += text;
    });
    child.on('close', (status, signal) => {
      const counts = /^(\d+) passed, (\d+) failed$/gm;
      const last = [...output.matchAll(counts)].at(-1)?.slice(1).map(Number);
      const [passed, failed] = last ?? [0, 1];
      const hasDied = status !== 0 && failed === 0;
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const how = hasDied ? `, ended with ${signal ?? status}` : '';
      process.stdout.write(`=== ${name}: ${passed} passed, ${failed} failed${how}, ${seconds} s\n`);
      resolve({ name, passed, failed: failed + (hasDied ? 1 : 0) });
    });
  });
}

/** What this run shows about kernels, as an entry of bench/gpu-runs.json. */
function describeRun(info, results) {
  const names = existsSync(kernelLog) ? readFileSync(kernelLog, 'utf8').split('\n') : [];
  return {
    date: new Date().toISOString().slice(0, 10),
    gpu: info.name,
    capability: info.computeCapability,
    isEmulated: process.env.PAGED_ATTENTION_LIBCUDA !== undefined,
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failed: results.reduce((sum, { failed }) => sum + failed, 0),
    kernels: [...new Set(names.filter(Boolean))].toSorted(),
  };
}

/** Opens the GPU once, so that a machine without one is told so before anything runs. */
async function openGpu() {
  const device = Device.open({ backend: 'cuda' });
  const { info } = device;
  await device.close();
  return info;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'boolean', default: false },
    'timeout-factor': { type: 'string', default: '1' },
  },
});
if (values.list) {
  process.stdout.write(`${Object.keys(parts).join('\n')}\n`);
  process.exit(0);
}
const unknown = positionals.find((name) => !Object.hasOwn(parts, name));
if (unknown) throw new Error(`no part ${unknown}; there are ${Object.keys(parts).join(', ')}`);
const info = await openGpu();
process.stdout.write(`${info.name}, compute capability ${info.computeCapability}\n`);
rmSync(kernelLog, { force: true });
const results = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) {
  const [script, ...args] = parts[name];
  const isSmallRunner = script.endsWith('run.mjs');
  const slower = isSmallRunner ? ['--timeout-factor', values['timeout-factor']] : [];
  results.push(await runPart(name, [script, ...slower, ...args]));
}
const run = describeRun(info, results);
writeFileSync('gpu-run.json', `${JSON.stringify(run, null, 2)}\n`);
process.stdout.write(`\n${run.kernels.length} kernels ran on ${run.gpu}; see gpu-run.json\n`);
process.stdout.write(`${run.passed} passed, ${run.failed} failed\n`);
process.exit(run.failed === 0 && run.passed > 0 ? 0 : 1);
