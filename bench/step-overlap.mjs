// What planning a step while the one before it runs is worth: `npm run bench:overlap [-- --seconds 2]`.
// Needs dist/ and the addon.
//
// The recall model decodes 1 and 8 streams, with overlap and one step after the other, in turns, which of them is first
// in turns too. The gap is the time in which no step ran, per step: wall time less the steps' own time, counted where they
// ran. The gain is of the two windows of a round: on a busy machine, rounds differ more than what is compared.

import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Device } from '../dist/device/index.js';
import { DeviceExecutor, EngineCore } from '../dist/engine/index.js';
import { loadModel } from '../dist/model/index.js';
import { machineLine, median } from './machine.mjs';
import { fullSampling } from './sampling.mjs';

const folder = fileURLToPath(new URL('../models/recall', import.meta.url));
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '2' } } });
const windowMs = Number(values.seconds) * 1000;
const numRounds = 9;
const kv = { numBlocks: 2048, blockSize: 16 };

/** An executor that adds up the time in which its steps ran. */
function timed(executor) {
  const times = { runMs: 0, numSteps: 0 };
  const submit = async (step) => {
    const outcome = await executor.submit(step);
    times.runMs += outcome.counters.runMs;
    times.numSteps++;
    return outcome;
  };
  const watched = {
    limits: executor.limits,
    createStep: () => executor.createStep(),
    submit,
    setSamplingSlot: (slot, params) => executor.setSamplingSlot(slot, params),
    close: () => executor.close(),
  };
  return { watched, times };
}

/** Decodes for a while; gives tokens per second and the gap between two steps in ms. */
async function measure(device, model, numStreams, overlapSteps) {
  const executor = new DeviceExecutor({ device, model, kv, maxSeqs: 16, maxTokens: 512 });
  const { watched, times } = timed(executor);
  const core = new EngineCore({
    executor: watched,
    model: { vocabSize: model.config.vocabSize, contextLen: model.contextLen, eosTokenIds: [] },
    kv,
    overlapSteps,
  });
  let numTokens = 0;
  let lastId = 0;
  const start = () =>
    core.submit({
      id: ++lastId,
      promptTokens: Int32Array.of(1, 2 + (lastId % 50), 3, 4),
      maxTokens: 400,
      sampling: fullSampling,
      stopTokenIds: [],
    });
  let isOver = false;
  core.onStep(({ events }) => {
    for (const { type } of events) {
      if (type === 'tokens') numTokens++;
      if (type === 'finished' && !isOver) start();
    }
  });
  for (let i = 0; i < numStreams; i++) start();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = { ...times, numTokens, atMs: performance.now() };
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  const elapsedMs = performance.now() - before.atMs;
  const gapMs = (elapsedMs - (times.runMs - before.runMs)) / (times.numSteps - before.numSteps);
  const tokensPerSecond = (1000 * (numTokens - before.numTokens)) / elapsedMs;
  isOver = true;
  await core.close('abort');
  return { tokensPerSecond, gapMs };
}

const device = Device.open({ backend: 'cpu' });
const model = await loadModel(device, folder);
console.log(`${machineLine()}, load ${loadavg()[0].toFixed(1)}`);
for (const numStreams of [1, 8]) {
  const rounds = [];
  for (let round = 0; round < numRounds; round++) {
    const windows = {};
    for (const kind of round % 2 === 0 ? ['alone', 'ahead'] : ['ahead', 'alone']) {
      windows[kind] = await measure(device, model, numStreams, kind === 'ahead');
    }
    rounds.push(windows);
  }
  const of = (kind, field) => median(rounds.map((round) => round[kind][field]));
  const gains = rounds.map(({ alone, ahead }) => ahead.tokensPerSecond / alone.tokensPerSecond);
  const [least, most] = [Math.min(...gains), Math.max(...gains)].map((gain) => gain.toFixed(2));
  console.log(
    `${numStreams} streams: ${of('alone', 'tokensPerSecond').toFixed(0)} -> ` +
      `${of('ahead', 'tokensPerSecond').toFixed(0)} tokens/s, gain ${median(gains).toFixed(2)} (${least} to ${most}), gap ` +
      `${(1000 * of('alone', 'gapMs')).toFixed(0)} -> ${(1000 * of('ahead', 'gapMs')).toFixed(0)} us`,
  );
}
model.free();
await device.close();
