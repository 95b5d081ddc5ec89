// How free Node's event loop stays while the engine runs flat out (promise P3):
// `npm run bench:event-loop [-- --seconds 60]`. Needs dist/ and the addon.
//
// Four rows: the loop with nothing to do (what this machine alone costs), with 8 sequences
// generating all the time, with a chat of 200 messages arriving each second beside them, and with 32 sequences
// that JSON schemas hold, a new schema each second among them.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { load } from '../dist/index.js';
import { machineLine } from './machine.mjs';

const numStreams = 8;
const numChatMessages = 200;
const numConstrained = 32;
/** A histogram counts the timer's own interval along. */
const resolutionMs = 1;
const maxP99Ms = 5;
const maxMs = 25;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const seconds = Number(values.seconds);

/** Delays of the event loop while `work` is on, in ms. */
async function measure(work) {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  const numTokens = await work();
  histogram.disable();
  const toMs = (nanoseconds) => nanoseconds / 1e6 - resolutionMs;
  return { p99Ms: toMs(histogram.percentile(99)), maxMs: toMs(histogram.max), numTokens };
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Keeps one sequence generating until the time is over; gives the tokens it drew. */
async function stream(llm, index, endMs) {
  let numTokens = 0;
  for (let round = 0; performance.now() < endMs; round++) {
    const prompt = `The vault code of stream ${index} in round ${round} is`;
    const generation = llm.generate(prompt, { maxTokens: 200, ignoreEos: true, temperature: 1 });
    for await (const _ of generation) if (performance.now() > endMs) break;
    numTokens += (await generation.catch(() => undefined))?.usage.outputTokens ?? 0;
  }
  return numTokens;
}

async function generate(llm) {
  const endMs = performance.now() + seconds * 1000;
  const streams = Array.from({ length: numStreams }, (_, index) => stream(llm, index, endMs));
  return (await Promise.all(streams)).reduce((sum, numTokens) => sum + numTokens, 0);
}

/** A chat that nobody has sent before: its first message names the arrival. */
function makeChat(arrival) {
  return Array.from({ length: numChatMessages }, (_, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content: `Omar ${arrival}, ${i}.`,
  }));
}

/** A schema that no request had before `version` changed. */
function makeSchema(version) {
  const name = { type: 'string', maxLength: 30 };
  const item = {
    type: 'object',
    properties: {
      name,
      kind: { enum: ['tea', 'rice', `soap ${version}`] },
      price: { type: 'number' },
    },
    required: ['name', 'kind', 'price'],
  };
  const properties = {
    [`order_${version}`]: { type: 'integer' },
    customer: { type: 'object', properties: { name, isNew: { type: 'boolean' } } },
    items: { type: 'array', items: item, minItems: 2, maxItems: 6 },
  };
  return { type: 'object', properties, required: Object.keys(properties) };
}

/** Keeps one sequence after the other in a schema that is a second old at most. */
async function constrain(llm, index, startMs, endMs) {
  let numTokens = 0;
  for (let round = 0; performance.now() < endMs; round++) {
    // One of the sequences asks for a schema first; the others find it compiled.
    const version = Math.floor((performance.now() - startMs) / 1000);
    const responseFormat = { type: 'json_schema', schema: makeSchema(version) };
    const prompt = `The order of stream ${index} in round ${round} is`;
    const generation = llm.generate(prompt, { maxTokens: 200, temperature: 1, responseFormat });
    for await (const _ of generation) if (performance.now() > endMs) break;
    numTokens += (await generation.catch(() => undefined))?.usage.outputTokens ?? 0;
  }
  return numTokens;
}

async function generateConstrained(llm) {
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  const streams = Array.from({ length: numConstrained }, (_, index) =>
    constrain(llm, index, startMs, endMs),
  );
  return (await Promise.all(streams)).reduce((sum, numTokens) => sum + numTokens, 0);
}

async function generateWithArrivals(llm) {
  const endMs = performance.now() + seconds * 1000;
  const streams = generate(llm);
  const chats = [];
  for (let arrival = 0; performance.now() < endMs; arrival++) {
    // The last message must be a user's.
    chats.push(llm.chat(makeChat(arrival).slice(0, -1), { maxTokens: 1 }).catch((error) => error));
    await wait(1000);
  }
  const numTokens = await streams;
  const replies = await Promise.all(chats);
  const failed = replies.find((reply) => reply instanceof Error);
  if (failed !== undefined) throw failed;
  const promptTokens = replies.map(({ usage }) => usage.promptTokens);
  console.log(`${replies.length} chats of ${Math.max(...promptTokens)} tokens at most arrived`);
  return numTokens;
}

function print(what, { p99Ms, maxMs, numTokens }) {
  const rate = numTokens === undefined ? '' : (numTokens / seconds).toFixed(0);
  console.log(
    `${what.padEnd(50)} ${p99Ms.toFixed(2).padStart(8)} ${maxMs.toFixed(2).padStart(8)} ${rate.padStart(8)}`,
  );
}

console.log(machineLine());
const llm = await load('recall', { maxSeqs: numConstrained });
console.log(
  `delay of the event loop, ${seconds} s each    `.padEnd(53),
  'p99 ms   max ms  tokens/s',
);
print('nothing to do', await measure(() => wait(seconds * 1000)));
print(`${numStreams} sequences generating`, await measure(() => generate(llm)));
const what = `the same, and a chat of ${numChatMessages} messages each s`;
print(what, await measure(() => generateWithArrivals(llm)));
print(
  `${numConstrained} sequences held by schemas, a new one each s`,
  await measure(() => generateConstrained(llm)),
);
print('ceiling', { p99Ms: maxP99Ms, maxMs });
await llm.close('abort');
