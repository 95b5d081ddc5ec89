// How long the event loop is held between two steps with 256 running sequences: `npm run bench:planning`. Needs dist/.
//
// The executor computes nothing. What is timed is all that the engine does from a step's outcome to the next submit:
// results, events, the cache's bookkeeping, the plan, and writing the step. Prompts that arrive were made before, and a step's
// result is allocated outside of what is timed, as large as a device's; collecting it counts along, as in an application.

import { allocateResult, readResult } from '../dist/device/step-result.js';
import { EngineCore } from '../dist/engine/index.js';
import { machineLine, median, percentile } from './machine.mjs';
import { fullSampling } from './sampling.mjs';

const kv = { numBlocks: 65_536, blockSize: 16 };
const numSeqs = 256;
const maxTokens = 8192;
const maxBlocksPerSeq = 512;
const vocabSize = 32_000;
const numSteps = 400;
/** Requests that end while that happens, and before: four in each step. */
const maxArrivals = 4000;
/** The design's bound on a synchronous stretch of ours. */
const maxMs = 2;

/** An executor whose steps take no time, and the time that the engine took before each. */
function idleExecutor() {
  const stretchesMs = [];
  let doneMs;
  const limits = {
    maxTokens,
    maxSeqs: numSeqs,
    maxLogitRows: numSeqs,
    maxCopies: numSeqs,
    maxBlocksPerSeq,
  };
  const ints = (length) => new Int32Array(length);
  const createStep = () => ({
    tokenIds: ints(maxTokens),
    tokenSources: ints(maxTokens),
    tableRows: ints(numSeqs),
    queryStart: ints(numSeqs + 1),
    contextLens: ints(numSeqs),
    writeStarts: ints(numSeqs),
    adapterIds: ints(numSeqs),
    logitRows: ints(numSeqs),
    logitSlots: ints(numSeqs),
    copies: ints(2 * numSeqs),
    tableChanges: ints(3 * numSeqs * maxBlocksPerSeq),
  });
  const submit = async ({ numTokens, numLogitRows, numCopies }) => {
    if (doneMs !== undefined) stretchesMs.push(performance.now() - doneMs);
    const shape = { numLogitRows, hasDigests: false, numValues: 0, valuesAre: 'nothing' };
    const memory = allocateResult(shape);
    await new Promise(setImmediate);
    const { counters: _, ...arrays } = readResult(shape, memory);
    arrays.samples.fill(7);
    const counts = {
      tokensComputed: numTokens,
      kvSlotsWritten: numTokens,
      blocksCopied: numCopies,
    };
    doneMs = performance.now();
    return { ...arrays, counters: { ...counts, runMs: 1 } };
  };
  const nothing = () => {};
  const slots = { setSamplingSlot: nothing, setSlotMask: nothing };
  return { executor: { limits, createStep, submit, ...slots, close: async () => {} }, stretchesMs };
}

/** Random, so that no two share a prefix unless they are told to. */
function promptOf(length, shared = []) {
  return Int32Array.from({ length }, (_, i) => shared[i] ?? Math.floor(Math.random() * vocabSize));
}

/**
 * Runs 256 sequences after `promptLen` tokens each; then measures.
 *
 * @param arrives whether a new request comes for each one that ends
 * @param numWaiting requests in line behind them
 */
async function measure({ promptLen, overlapSteps, arrives = false, numWaiting = 0, shared }) {
  const { executor, stretchesMs } = idleExecutor();
  const model = { vocabSize, contextLen: maxBlocksPerSeq * kv.blockSize, eosTokenIds: [] };
  const core = new EngineCore({ executor, model, kv, overlapSteps, maxQueue: 4096 });
  let lastId = 0;
  const submit = (promptTokens, numNew) => {
    lastId++;
    core.submit({
      id: lastId,
      promptTokens,
      maxTokens: numNew,
      sampling: fullSampling,
      stopTokenIds: [],
    });
  };
  const arrivals = arrives ? promptOf(maxArrivals * promptLen) : undefined;
  let numArrived = 0;
  const arrive = () => {
    const start = numArrived++ * promptLen;
    submit(arrivals.subarray(start, start + promptLen), 64);
  };
  let isOver = false;
  core.onStep(({ events }) => {
    if (isOver || !arrives) return;
    for (const { type } of events) if (type === 'finished') arrive();
  });
  for (let i = 0; i < numSeqs; i++) {
    // One after the other, in time and in what is left of them.
    submit(promptOf(promptLen, shared), arrives ? 64 + (i % 64) : 4000);
  }
  for (let i = 0; i < numWaiting; i++) submit(promptOf(promptLen, shared), 100);
  while (core.stats().numRunning < numSeqs) await new Promise(setImmediate);
  while (stretchesMs.length < 200) await new Promise(setImmediate);
  stretchesMs.length = 0;
  while (stretchesMs.length < numSteps) await new Promise(setImmediate);
  isOver = true;
  const measuredMs = stretchesMs.slice(0, numSteps);
  await core.close('abort');
  return measuredMs;
}

const cases = [
  ['decoding, 1,000 tokens each', { promptLen: 1000, overlapSteps: false }],
  ['the same, 3,000 tokens each', { promptLen: 3000, overlapSteps: false }],
  ['the same, 1,000 more in line', { promptLen: 1000, overlapSteps: false, numWaiting: 1000 }],
  [
    'four end and four prompts of 1,000 tokens start in each step',
    { promptLen: 1000, overlapSteps: false, arrives: true },
  ],
];

console.log(machineLine());
console.log(
  `from a step to the next, ${numSeqs} sequences, ${numSteps} steps`.padEnd(64),
  'median ms   p99 ms   max ms',
);
for (const [what, options] of cases) {
  const times = await measure(options);
  const values = [median(times), percentile(times, 0.99), Math.max(...times)];
  const figures = values.map((ms) => ms.toFixed(2).padStart(8));
  console.log(`${what.padEnd(64)} ${figures.join(' ')}`);
}
console.log(`${'ceiling'.padEnd(64)} ${''.padStart(17)} ${maxMs.toFixed(2).padStart(8)}`);
