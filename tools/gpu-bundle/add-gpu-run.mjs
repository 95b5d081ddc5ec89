// Adds what run-all left to bench/gpu-runs.json, which `npm run kernels` reads:
//
//   node tools/gpu-bundle/add-gpu-run.mjs gpu-run.json…
//
// Several runs of one day on one GPU are one entry: its kernels are those of all of them, its counts
// their sums. An emulated run is refused.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = fileURLToPath(new URL('../../bench/gpu-runs.json', import.meta.url));

/** The entry of two runs of one day on one GPU. */
function merge(first, second) {
  return {
    ...first,
    passed: first.passed + second.passed,
    failed: first.failed + second.failed,
    kernels: [...new Set([...first.kernels, ...second.kernels])].toSorted(),
  };
}

/** The runs with another one in them, newest last. */
export function withRun(runs, run) {
  if (run.isEmulated) throw new Error(`${run.gpu}: an emulated run shows nothing about a GPU`);
  const place = runs.findIndex(({ date, gpu }) => date === run.date && gpu === run.gpu);
  if (place === -1) return [...runs, run];
  return runs.with(place, merge(runs[place], run));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const added = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')));
  const runs = added.reduce(withRun, JSON.parse(readFileSync(path, 'utf8')));
  writeFileSync(path, `${JSON.stringify(runs, null, 2)}\n`);
}
