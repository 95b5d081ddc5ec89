// The engine end to end on one device: prompts of one length, greedy, no stop token, cache off so that
// every prompt is computed; beside it the device's own milliseconds per decode step.
//
//   node bench/gpu/end-to-end.mjs --model DIR [--backend cuda] [--deterministic]
//     [--cases 1x4096+64,32x4096+64] [--out rows.json]
//
// Needs dist/ and the addon. The model folder needs no tokenizer: prompts are random token ids; it can be
// what bench/gpu/random-llama.mjs writes. Rows are written as they come. Ends with `N passed, N failed`.
// Peer: bench/peers/torch/continuous_batching_peer.py, the same cases.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Device } from '../../dist/device/index.js';
import { DeviceExecutor, EngineCore } from '../../dist/engine/index.js';
import { loadModel } from '../../dist/model/index.js';
import { median } from '../machine.mjs';
import { greedySampling } from '../sampling.mjs';

const blockSize = 16;
const numRounds = 3;

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    backend: { type: 'string', default: 'cuda' },
    deterministic: { type: 'boolean', default: false },
    cases: { type: 'string', default: '1x4096+64,32x4096+64' },
    out: { type: 'string' },
  },
});

/** `8x4096+64`: 8 prompts of 4,096 tokens, 64 output tokens each. */
function parseCase(text) {
  const match = /^(\d+)x(\d+)\+(\d+)$/.exec(text);
  if (match === null) throw new Error(`--cases: ${text} is not PROMPTSxLENGTH+OUTPUT`);
  const [numPrompts, promptLen, outputLen] = match.slice(1).map(Number);
  return { name: text, numPrompts, promptLen, outputLen };
}

/** Random ids; another round asks for other prompts. */
function makePrompt(promptLen, vocabSize, seed) {
  let state = (seed + 1) >>> 0;
  return Int32Array.from({ length: promptLen }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % vocabSize;
  });
}

/** Runs all prompts at once; gives wall-clock seconds and when each output token came. */
async function runOnce(core, { numPrompts, promptLen, outputLen }, vocabSize, round) {
  const tokenTimesMs = [];
  const startMs = performance.now();
  await new Promise((resolve, reject) => {
    let numOpen = numPrompts;
    listeners.current = ({ events }) => {
      for (const event of events) {
        if (event.type === 'tokens') tokenTimesMs.push(performance.now() - startMs);
        if (event.type === 'failed') reject(new Error(`${event.code}: ${event.message}`));
        if (event.type === 'finished' && --numOpen === 0) resolve();
      }
    };
    for (let i = 0; i < numPrompts; i++) {
      core.submit({
        id: nextId++,
        promptTokens: makePrompt(promptLen, vocabSize, round * numPrompts + i),
        maxTokens: outputLen,
        sampling: greedySampling,
        stopTokenIds: [],
        ignoreEos: true,
        cache: 'off',
      });
    }
  });
  const seconds = (performance.now() - startMs) / 1000;
  return { seconds, tokenTimesMs };
}

const listeners = { current: () => {} };
let nextId = 1;

/** Time between the steps of the decode phase: the last half of the outputs, when no prompt runs. */
function decodeStepMs({ tokenTimesMs }, { numPrompts, outputLen }) {
  if (outputLen < 4) return null;
  const numSteps = outputLen >> 1;
  const last = tokenTimesMs.slice(-numSteps * numPrompts);
  return (last.at(-1) - last[0]) / Math.max(1, last.length / numPrompts - 1);
}

async function measureCase(core, benchCase, vocabSize) {
  await runOnce(core, benchCase, vocabSize, 0); // captures the graphs
  const runs = [];
  for (let round = 1; round <= numRounds; round++) {
    runs.push(await runOnce(core, benchCase, vocabSize, round));
  }
  const { numPrompts, promptLen, outputLen } = benchCase;
  const seconds = median(runs.map((run) => run.seconds));
  return {
    table: 'end to end',
    case: `${numPrompts} x ${promptLen} + ${outputLen}`,
    seconds,
    tokensPerSecond: (numPrompts * (promptLen + outputLen)) / seconds,
    decodeStepMs: median(runs.map((run) => decodeStepMs(run, benchCase))),
  };
}

async function main() {
  const cases = options.cases.split(',').map(parseCase);
  const device = Device.open({ backend: options.backend, deterministic: options.deterministic });
  const startMs = performance.now();
  const model = await loadModel(device, options.model);
  const loadSeconds = (performance.now() - startMs) / 1000;
  const maxSeqs = Math.max(...cases.map(({ numPrompts }) => numPrompts));
  const blocksOf = ({ numPrompts, promptLen, outputLen }) =>
    numPrompts * Math.ceil((promptLen + outputLen) / blockSize);
  const kv = { numBlocks: Math.max(...cases.map(blocksOf)) + 2, blockSize };
  const executor = new DeviceExecutor({ device, model, kv, maxSeqs, maxTokens: 8192 });
  const { vocabSize } = model.config;
  const limits = { vocabSize, contextLen: model.contextLen, eosTokenIds: [] };
  const core = new EngineCore({ executor, kv, model: limits });
  core.onStep((output) => listeners.current(output));

  const rows = [];
  for (const benchCase of cases) {
    const row = await measureCase(core, benchCase, vocabSize);
    rows.push(row);
    console.log(JSON.stringify(row));
    const report = { device: device.info, loadSeconds, rows };
    if (options.out !== undefined) {
      writeFileSync(options.out, `${JSON.stringify(report, null, 1)}\n`);
    }
  }
  console.log(`${rows.length} passed, 0 failed`);
  await core.close();
  model.free();
  await device.close();
}

await main();
