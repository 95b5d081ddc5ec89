// The stages of run-all in the order in which they run: what each is called, how long it may take on a
// GPU, and the arguments of the Node process that runs it. Paths are those of the bundle, where test
// files are compiled.

import { readdirSync, readFileSync } from 'node:fs';

/** What --quick runs of the long suites, as a filter of test names. */
const quickTests = {
  engine: 'same',
  identity: '^(?!.*recall model)',
  recall: 'in deterministic mode',
};

const conformance = (...args) => ['tools/gpu-bundle/conformance.mjs', '--backend', 'cuda', ...args];

/**
 * The engine's tests on the CUDA backend, but not those that plan faults of the emulated driver and
 * not the one that runs the conformance cases by jest.
 */
function cudaTests() {
  return readdirSync('test/cuda')
    .filter((name) => name.endsWith('.test.js') && name !== 'ops.test.js')
    .map((name) => `test/cuda/${name}`)
    .filter((path) => !readFileSync(path, 'utf8').includes('setEmulatedGpu('));
}

/**
 * All stages.
 *
 * @param options.out folder of the results
 * @param options.isRehearsal small shapes, for the emulated driver
 * @param options.isQuick fewer cases and tests still
 * @param options.timeoutFactor stretches the time of each test
 * @returns `{ name, limitSeconds, isTest, args }` each
 */
export function listStages({ out, isRehearsal, isQuick, timeoutFactor }) {
  const rehearse = isRehearsal ? ['--rehearse'] : [];
  const every = isQuick ? ['--every', '3'] : [];
  const tests = (name, files) => [
    ...['test/small-runner/run.mjs', '--timeout-factor', String(timeoutFactor)],
    ...(isQuick ? ['--filter', quickTests[name]] : []),
    ...files,
  ];
  const bench = ['bench/gpu.mjs', ...rehearse, '--row-limit', String(60 * timeoutFactor)];
  const peers = `${out}/peers.json`;
  const test = (name, limitSeconds, args) => ({ name, limitSeconds, isTest: true, args });
  const work = (name, limitSeconds, args) => ({ name, limitSeconds, isTest: false, args });
  return [
    test('conformance', 120, conformance(...every)),
    work('bench', 200, [...bench, '--out', `${out}/bench.json`]),
    work('peers', 240, ['tools/gpu-bundle/peers.mjs', ...rehearse, '--out', peers]),
    work('tables', 10, [...bench, '--rows', `${out}/bench.json`, '--peers', peers]),
    test('conformance-deterministic', 120, conformance('--deterministic', ...every)),
    test('engine', 90, tests('engine', cudaTests())),
    test('identity', 150, tests('identity', ['test/gpu/identity.gpu.test.js'])),
    test('recall', 120, tests('recall', ['test/gpu/recall.gpu.test.js'])),
    work('end-to-end', 180, [
      'tools/gpu-bundle/end-to-end.mjs',
      ...rehearse,
      ...['--out', `${out}/end-to-end.json`],
    ]),
    work('sanitizer', 270, ['tools/gpu-bundle/sanitizer.mjs', '--out', `${out}/sanitizer.txt`]),
  ];
}
