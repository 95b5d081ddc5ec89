// `npm run kernels`: one row per CUDA kernel: architectures it is compiled for, registers, spilled
// and shared bytes, and how its tests went under emulation. Compiles and runs what changed first
// (minutes from scratch); `--table` only prints what is known.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { readEmulatedCases, runKernelTests } from './cuda/emulated-cases.mjs';
import { describeGpuRuns, readGpuRuns } from './cuda/gpu-runs.mjs';
import { listKernels } from './cuda/kernel-list.mjs';
import { gatherRecord } from './cuda/kernel-record.mjs';
import { formatTable, kernelRows } from './cuda/kernel-table.mjs';
import { abiStamp, root } from './cuda/sources.mjs';

function compile() {
  const script = join(root, 'tools/build-payloads.mjs');
  return spawnSync(process.execPath, [script], { stdio: ['ignore', 2, 2] }).status === 0;
}

const isTableOnly = process.argv.includes('--table');
const hasWorked = isTableOnly || [compile(), runKernelTests()].every(Boolean);
const record = gatherRecord(abiStamp());
const isCompiled = Object.keys(record.kernels).length > 0;
const kernels = listKernels();
const rows = kernelRows(kernels, record, readEmulatedCases()?.kernels);
process.stdout.write(`${formatTable(rows)}\n`);
if (!isCompiled)
  process.stdout.write('Not compiled as it stands: npm run build:payloads says why.\n');
const names = kernels.map(({ name }) => name);
process.stdout.write(`${describeGpuRuns(names, readGpuRuns())}\n`);
process.exit(hasWorked ? 0 : 1);
