// The parts of test-gpu, in the order in which they run: what each is called, what runs, and the
// arguments. `files` are test files for the small runner.

const conformance = (...args) => ['tools/gpu-bundle/conformance.mjs', '--backend', 'cuda', ...args];
const tests = (...files) => [
  'test/small-runner/run.mjs',
  ...files.map((file) => `test/${file}.test.js`),
];

/** Names and command lines (of Node) of all parts. */
export const parts = {
  conformance: conformance(),
  'conformance-deterministic': conformance('--deterministic'),
  engine: tests('cuda/engine'),
  identity: tests('cuda/identity'),
  recall: tests('cuda/recall'),
};
