// bench/gpu-runs.json: the runs of the GPU bundle on real GPUs, each as `{ date, gpu, capability,
// isEmulated, passed, failed, kernels }`, newest last. `test-gpu` prints such an entry at its end.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './sources.mjs';

/** All recorded runs, oldest first. */
export function readGpuRuns() {
  return JSON.parse(readFileSync(join(root, 'bench/gpu-runs.json'), 'utf8'));
}

/**
 * Says which of the kernels ran on which GPU and when; the newest run of each
 * GPU counts, emulated ones do not.
 *
 * @param names kernels of today's sources
 * @param runs from `readGpuRuns()`
 */
export function describeGpuRuns(names, runs) {
  const real = runs.filter(({ isEmulated }) => !isEmulated);
  if (real.length === 0) return 'On a real GPU: none of them has run yet.';
  const newest = new Map(real.map((run) => [run.gpu, run]));
  const parts = Array.from(newest.values(), ({ gpu, date, kernels }) => {
    const missing = names.filter((name) => !kernels.includes(name));
    const numRun = names.length - missing.length;
    const which = missing.length > 0 && numRun > 0 ? ` (not ${missing.join(', ')})` : '';
    return `${numRun} of ${names.length} rows${which} on ${gpu}, ${date}`;
  });
  return `On a real GPU: ${parts.join('; ')}.`;
}
