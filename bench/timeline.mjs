// `npm run bench:timeline`: draws docs/charts/scheduling-timeline.svg from a trace of the recall model, in
// which a long prompt, a short one and one that shares the long one's beginning arrive beside three streams.
//
//   --trace FILE         also writes the trace, for Perfetto or chrome://tracing

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { load } from '../dist/index.js';
import { makePrompt } from './cpu/children/answer.mjs';
import { drawTimeline, findMixedStep } from './timeline/draw.mjs';

const { values } = parseArgs({ options: { trace: { type: 'string' } } });
const target = new URL('../docs/charts/scheduling-timeline.svg', import.meta.url);
const numStreams = 3;
const maxStepMs = 10;

const llm = await load('recall', { backend: 'cpu', maxStepMs, maxTraceEvents: 100_000 });
const { vocabSize } = llm.info;
const options = { temperature: 0, ignoreEos: true };

/** Streams that run until they are told to stop; the cost model learns from their steps. */
const streams = Array.from({ length: numStreams }, (_, i) =>
  llm.generate(makePrompt(100, vocabSize, i), { ...options, maxTokens: 2000 }),
);
for (const stream of streams) stream.catch(() => {});
while (streams.some(({ tokenIds }) => tokenIds.length < 64)) {
  await new Promise((resolve) => setTimeout(resolve, 1));
}
const long = makePrompt(2000, vocabSize, 100);
const arrivals = [
  llm.generate(long, { ...options, maxTokens: 4 }),
  llm.generate(makePrompt(300, vocabSize, 101), { ...options, maxTokens: 4 }),
  llm.generate(Int32Array.from([...long.subarray(0, 1200), 300, 301]), {
    ...options,
    maxTokens: 4,
  }),
];
await Promise.all(arrivals);
const trace = await llm.trace();
for (const stream of streams) stream.abort();
await llm.close('abort');

const title = 'A long, a short and a coalesced prompt arrive beside three streams (recall model)';
writeFileSync(target, drawTimeline(trace.traceEvents, title));
if (values.trace !== undefined) writeFileSync(values.trace, JSON.stringify(trace));
const { step } = findMixedStep(trace.traceEvents);
console.log(`drawn: docs/charts/scheduling-timeline.svg, around step ${step.args.step}`);
console.log(JSON.stringify(step.args));
