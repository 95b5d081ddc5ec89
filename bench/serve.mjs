// `npm run bench:serve`: the engine as many users meet it, beside node-llama-cpp with the same random
// bf16 weights (316 M parameters), each in a fresh process of its own, one after the other.
//
//   --quick              short prompts, one round: proves that everything runs; gates mean nothing
//   --model s03          or tiny
//   --threads 2
//   --only NAME,NAME     gap, rate, prefix, chats
//   --no-peer

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Child } from './cpu/children/child.mjs';
import { checkFirstStep, startOurs, startPeer } from './cpu/measure.mjs';
import { ggufFile, huggingFaceFolder } from './cpu/models/make-models.mjs';
import { findPeer } from './cpu/peer-install.mjs';
import { processorLine } from './cpu/processor.mjs';
import { kvBytesPerToken, shapes } from './cpu/shapes.mjs';
import { tableLines } from './cpu/table.mjs';
import { machineLine, median } from './machine.mjs';
import { judgeLoop, judgeServing, servingPlan } from './serve/rows.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    model: { type: 'string', default: 's03' },
    threads: { type: 'string', default: '2' },
    only: { type: 'string' },
    'no-peer': { type: 'boolean', default: false },
  },
});
const { model } = values;
const threads = Number(values.threads);
if (!(model in shapes)) throw new Error(`--model: ${model} is none of ${Object.keys(shapes)}`);
const kinds = values.only?.split(',');
const plan = servingPlan(values.quick).filter(
  ({ name }) => kinds?.includes(name.split(' ')[0]) ?? true,
);
if (plan.length === 0) throw new Error(`--only: ${values.only} names none of the scenarios`);
/** Tokens that our KV pool has room for; the peer reserves every user's context. */
const kvTokens = 20_480;

/** Both compute the same: proven before anything is timed. */
async function checkWeights() {
  const setting = { model, threads, isa: 'auto' };
  const ours = await startOurs(setting, 'bf16');
  const peer = await startPeer(setting, 'bf16');
  const { numShared, numCompared, maxDifference } = await checkFirstStep(ours.child, peer.child);
  console.log(
    `first step: ${numShared} of ${numCompared} most likely tokens shared, log-probabilities at most ${maxDifference.toFixed(4)} apart`,
  );
  await ours.child.stop();
  await peer.child.stop();
}

/** The worst of the rounds of a gap, the median of every other figure. */
function combine(rounds) {
  if (typeof rounds[0] === 'number') return median(rounds);
  const entries = Object.keys(rounds[0]).map((key) => {
    const figures = rounds.map((round) => round[key]);
    const isGap = key.endsWith('GapMs');
    return [key, isGap ? Math.max(...figures) : median(figures)];
  });
  return Object.fromEntries(entries);
}

/** Runs the plan on one side, in a process that nothing else has used. */
async function measureSide(name, child, openArgs) {
  const figures = {};
  await child.call('open', openArgs);
  for (const [i, { name: scenario, op, args, rounds }] of plan.entries()) {
    const results = [];
    for (let round = 0; round < rounds; round++) {
      // No two scenarios or rounds share a prompt.
      results.push(await child.call(op, { ...args, seed: 100_000 * (i + 1) + 1000 * round }));
    }
    figures[scenario] = combine(results);
    console.error(`${name}, ${scenario}: ${JSON.stringify(results)}`);
  }
  const loop = await child.call('eventLoop');
  await child.stop();
  return { figures, loop };
}

const measureOurs = () =>
  measureSide('ours', new Child('../../serve/children/ours.mjs'), {
    path: huggingFaceFolder(model),
    threads,
    kvTokens,
    kvBytesPerToken: kvBytesPerToken(shapes[model]),
  });

const measurePeer = () =>
  measureSide(
    'peer',
    new Child('../../serve/children/peer.mjs', { PEER_MODULE: findPeer('auto').module }),
    { path: ggufFile(model, 'bf16'), threads, vocabSize: shapes[model].vocabSize },
  );

const hasPeer = !values['no-peer'];
console.log(machineLine());
console.log(processorLine() ?? '');
console.log(
  `${model}, ${threads} threads; peer: ${hasPeer ? findPeer('auto').name : 'none'}; load of the machine ${loadavg()[0]}`,
);
if (values.quick) console.log('quick: prompts are short and rounds are few; gates mean nothing');
if (hasPeer) await checkWeights();
const ours = await measureOurs();
const peer = hasPeer ? await measurePeer() : undefined;
const rows = judgeServing(plan, { ours: ours.figures, peer: peer?.figures });
console.log(tableLines([...rows, ...judgeLoop(ours.loop, peer?.loop)]).join('\n'));
