// Runs the PyTorch peers where this machine's python3 has torch, and says so in one line where not:
//
//   node tools/gpu-bundle/peers.mjs --out peers.json [--rehearse]

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findProgram } from './programs.mjs';

const { values: options } = parseArgs({
  options: { out: { type: 'string' }, rehearse: { type: 'boolean', default: false } },
});

function skip(reason) {
  console.log(`skipped: ${reason}`);
  process.exit(0);
}

const python = findProgram('python3');
if (python === undefined) skip('there is no python3 in PATH, so no PyTorch to compare with');
const probe = 'import torch; print(torch.__version__, torch.cuda.is_available())';
const { status, stdout, stderr } = spawnSync(python, ['-c', probe], { encoding: 'utf8' });
if (status !== 0) skip(`python3 has no torch: ${stderr.trim().split('\n').at(-1)}`);
console.log(`PyTorch ${stdout.trim().split(' ')[0]}`);
if (!options.rehearse && !stdout.includes('True')) skip('this PyTorch sees no GPU');

const args = ['bench/peers/torch/main.py', '--out', options.out];
const child = spawn(python, options.rehearse ? [...args, '--rehearse'] : args, {
  stdio: 'inherit',
  env: { ...process.env, PYTHONUNBUFFERED: '1', HF_HUB_OFFLINE: '1' },
});
child.on('close', (code) => {
  const rows = existsSync(options.out) ? JSON.parse(readFileSync(options.out, 'utf8')).rows : [];
  const numMissing = rows.filter(({ unavailable }) => unavailable).length;
  console.log(`${numMissing} of ${rows.length} peers are not to be had here`);
  console.log(`${rows.length - numMissing} passed, ${code === 0 ? 0 : 1} failed`);
});
