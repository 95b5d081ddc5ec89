// `npm run bench:soak`: more requests than the engine can answer, for a long time. Requests arrive at random
// at 120 % of the measured capacity, some are aborted, too many are refused; every token that arrives is
// compared with what its request gives alone. The capacity is measured again after each fifth of the time, since a
// machine's speed changes: each fifth is compared with what was measured before and after it.
//
//   --minutes 10         of overload; the first one, or half of less than two, is not judged for memory
//   --model recall       or s03 (316 M random bf16 weights)
//   --threads 2
//   --seed 1

import { parseArgs } from 'node:util';
import { load } from '../dist/index.js';
import { huggingFaceFolder } from './cpu/models/make-models.mjs';
import { machineLine, median } from './machine.mjs';
import { measureCapacity, overload, watch } from './soak/phases.mjs';
import { makeQuestions, mixes, randomFrom, Traffic } from './soak/traffic.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    model: { type: 'string', default: 'recall' },
    threads: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
  },
});
const mix = mixes[values.model];
if (mix === undefined) throw new Error(`--model: ${values.model} is none of ${Object.keys(mixes)}`);
const seconds = Number(values.minutes) * 60;
const numParts = 5;
const capacitySeconds = Math.min(20, seconds / numParts);
const warmSeconds = Math.min(60, seconds / 2);
const maxQueue = 64;
const loadFactor = 1.2;
/** Room for half of what the running sequences may need at most: evictions and preemptions happen. */
const poolTokens = (mix.maxSeqs * (mix.sharedLen + mix.ownLen[1] + mix.outputLen[1])) / 2;

const open = (options) => {
  const source = values.model === 'recall' ? 'recall' : huggingFaceFolder(values.model);
  return load(source, { backend: 'cpu', threads: Number(values.threads), ...options });
};

async function openSmallPool() {
  const contextLen = mix.sharedLen + mix.ownLen[1] + mix.outputLen[1];
  const probe = await open({ contextLen });
  const { kvBlockBytes, blockSize } = probe.info;
  await probe.close();
  const kvCacheBytes = Math.ceil(poolTokens / blockSize) * kvBlockBytes;
  return open({ kvCacheBytes, contextLen, maxSeqs: mix.maxSeqs, maxQueue });
}

/** How far memory went: last quarter to first quarter of what is judged, and its whole range. */
function judgeMemory(samples) {
  const judged = samples.filter(({ second }) => second >= warmSeconds);
  const quarter = Math.max(1, judged.length >> 2);
  const rss = judged.map(({ rssBytes }) => rssBytes);
  const first = median(rss.slice(0, quarter));
  const drift = median(rss.slice(-quarter)) / first - 1;
  return { first, drift, range: (Math.max(...rss) - Math.min(...rss)) / first };
}

const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;
const results = [];
function check(what, isMet, found) {
  results.push(isMet);
  console.log(`${isMet ? 'pass ' : 'below'} ${what}: ${found}`);
}

console.log(`${machineLine()}; ${values.model}, ${values.threads} threads, seed ${values.seed}`);
const llm = await openSmallPool();
const random = randomFrom(Number(values.seed));
const questions = await makeQuestions(llm, mix, random);
const traffic = new Traffic(llm, questions, random);
const measure = () => measureCapacity(traffic, { seconds: capacitySeconds, maxSeqs: mix.maxSeqs });
await measure(); // fills the cache
const stopWatching = watch(llm);
const capacities = [await measure()];
const overloads = [];
const counts = { sent: 0, answered: 0, aborted: 0, refused: 0, tokens: 0 };
for (let part = 0; part < numParts; part++) {
  const before = { ...traffic.counts };
  const requestsPerSecond = loadFactor * capacities.at(-1).requestsPerSecond;
  overloads.push(await overload(traffic, { seconds: seconds / numParts, requestsPerSecond }));
  for (const key of Object.keys(counts)) counts[key] += traffic.counts[key] - before[key];
  capacities.push(await measure());
}
const { samples, maxWaiting, delayMs } = stopWatching();
const rates = (measured) =>
  measured.map(({ tokensPerSecond }) => tokensPerSecond.toFixed(0)).join(', ');
console.log(`capacity: ${rates(capacities)} tokens/s, ${capacitySeconds} s each`);
console.log(`overload: ${rates(overloads)} tokens/s, ${seconds / numParts} s each`);
console.log(`requests of the overload: ${JSON.stringify(counts)}`);
const { numRunning, numWaiting, numPreemptions, numCoalesced, cache } = llm.stats();
console.log(
  `${numPreemptions} preemptions, ${numCoalesced} coalesced, ${cache.removals.evicted} blocks evicted, ${percent(cache.hitTokens / cache.queryTokens)} of prompt tokens hit`,
);
const memory = judgeMemory(samples);
const shares = overloads.map(
  ({ tokensPerSecond }, part) =>
    (2 * tokensPerSecond) /
    (capacities[part].tokensPerSecond + capacities[part + 1].tokensPerSecond),
);
const rate = median(shares);
const numEnded = counts.answered + counts.aborted + counts.refused;
check(
  'every token is the one that comes alone',
  traffic.faults.length === 0,
  `${traffic.faults.length} faults`,
);
check('every request ended', numEnded === counts.sent, `${numEnded} of ${counts.sent}`);
// Preempted sequences wait in the same queue.
check(
  'queue is bounded',
  maxWaiting <= maxQueue + mix.maxSeqs,
  `at most ${maxWaiting} waited; limit ${maxQueue}, and ${mix.maxSeqs} preempted`,
);
check(
  'throughput ≥ 95 % of the capacity',
  rate >= 0.95,
  `${percent(rate)}, the median of ${shares.map(percent).join(', ')}`,
);
check(
  `RSS within 2 % after ${warmSeconds} s`,
  Math.abs(memory.drift) <= 0.02,
  `${percent(memory.drift)} from ${(memory.first / 2 ** 20).toFixed(0)} MiB, range ${percent(memory.range)}`,
);
check(
  'nothing is held at the end',
  numRunning + numWaiting + cache.numLive === 0,
  `${numRunning} running, ${numWaiting} waiting, ${cache.numLive} blocks`,
);
console.log(`event loop: p99 ${delayMs.p99.toFixed(2)} ms, max ${delayMs.max.toFixed(2)} ms`);
for (const fault of traffic.faults) console.log(fault);
await llm.close();
process.exitCode = results.every(Boolean) ? 0 : 1;
