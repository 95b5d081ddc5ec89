// The parts of test-gpu, in the order in which they run: what each is called, and the arguments of the
// Node process that runs it. Paths are those of the bundle, where test files are compiled.

import { readdirSync, readFileSync } from 'node:fs';

const conformance = (...args) => ['tools/gpu-bundle/conformance.mjs', '--backend', 'cuda', ...args];
const tests = (files) => ['test/small-runner/run.mjs', ...files];

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

/** Command lines of all parts by name. */
export function listParts() {
  return {
    conformance: conformance(),
    'conformance-deterministic': conformance('--deterministic'),
    engine: tests(cudaTests()),
    identity: tests(['test/gpu/identity.gpu.test.js']),
    recall: tests(['test/gpu/recall.gpu.test.js']),
  };
}
