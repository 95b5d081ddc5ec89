// Bookkeeping speed of lib/kv, beside its goals: `npm run bench:kv`. Needs dist/.
// Medians and best runs, and CPU time where a run is long enough to be interrupted: on a busy
// machine the clock counts the others' work too.

import { loadavg } from 'node:os';
import { BlockAllocator, hashBlocks, PrefixCache } from '../dist/kv/index.js';

const blockSize = 16;
const promptLen = 131_072;
const numPromptBlocks = promptLen / blockSize;
const numRuns = 31;

function printRow(what, median, best, goal) {
  console.log(`${what.padEnd(56)} ${median.padStart(10)} ${best.padStart(10)}   ${goal}`);
}

/** Prints times in ms, of which less is better. */
function printTimes(what, times, goal) {
  const sorted = [...times].sort((a, b) => a - b);
  printRow(what, sorted[sorted.length >> 1].toFixed(2), sorted[0].toFixed(2), goal);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function makePrompt() {
  let state = 12345;
  return Int32Array.from({ length: promptLen }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % 128_000;
  });
}

function measureAllocator() {
  const allocator = new BlockAllocator({ numBlocks: 65_536, blockSize });
  const blocks = new Int32Array(4096);
  const numRounds = 100;
  const rates = [];
  for (let run = 0; run < numRuns; run++) {
    const start = performance.now();
    for (let round = 0; round < numRounds; round++) {
      for (let i = 0; i < blocks.length; i++) blocks[i] = allocator.allocate();
      for (let i = blocks.length - 1; i >= 0; i--) allocator.free(blocks[i]);
    }
    rates.push((numRounds * blocks.length) / (performance.now() - start) / 1000);
  }
  rates.sort((a, b) => b - a);
  const median = rates[rates.length >> 1].toFixed(1);
  printRow('allocate + free, million blocks/s', median, rates[0].toFixed(1), 'goal >= 20');
}

/** A cache whose sequence has computed the prompt. */
function fillCache(tokens, numBlocks, options) {
  const allocator = new BlockAllocator({ numBlocks, blockSize });
  const cache = new PrefixCache({ allocator, ...options });
  const { table } = cache.acquire(cache.match(tokens), { numTokens: tokens.length });
  cache.registerSubmitted(table, tokens, tokens.length);
  cache.commit(table, tokens.length);
  return { cache, table };
}

function measureLookup(tokens) {
  const { cache, table } = fillCache(tokens, 2 * numPromptBlocks, {});
  cache.free(table);
  const lookups = [];
  const leases = [];
  for (let run = 0; run < numRuns; run++) {
    const start = performance.now();
    const match = cache.matchPrompt(tokens);
    lookups.push(performance.now() - start);
    const lease = cache.acquire(match);
    cache.free(lease.table);
    leases.push(performance.now() - start);
    if (lease.numCachedTokens !== promptLen - 1) throw new Error('the prompt is not fully cached');
  }
  printTimes('lookup of a cached prompt of 131,072 tokens, ms', lookups, 'goal < 3');
  printTimes('  with acquire and free, ms', leases, '');
}

/** Digests of all blocks as events carry them, a slice per turn of the event loop. */
async function measureDigests(tokens) {
  const totals = [];
  const longest = [];
  const cpuTotals = [];
  const cpuLongest = [];
  for (let run = 0; run < numRuns; run++) {
    let numAnnounced = 0;
    const onEvent = (event) => {
      numAnnounced += event.digests.length;
    };
    const { cache } = fillCache(tokens, 2 * numPromptBlocks, { onEvent });
    const stretches = [];
    const cpuStretches = [];
    const time = async (work) => {
      const cpuBefore = process.cpuUsage();
      const start = performance.now();
      await work();
      stretches.push(performance.now() - start);
      const { user, system } = process.cpuUsage(cpuBefore);
      cpuStretches.push((user + system) / 1000);
    };
    await time(() => cache.matchPrompt(tokens));
    while (numAnnounced < numPromptBlocks) await time(() => new Promise(setImmediate));
    totals.push(sum(stretches));
    longest.push(Math.max(...stretches));
    cpuTotals.push(sum(cpuStretches));
    cpuLongest.push(Math.max(...cpuStretches));
  }
  printTimes('  with all SHA-256 digests (8,192 blocks) in events, ms', totals, 'goal < 15');
  printTimes('    CPU time of that, all threads, ms', cpuTotals, '');
  printTimes('  longest stretch of that, ms', longest, 'goal < 2');
  printTimes('    CPU time of that, all threads, ms', cpuLongest, '');
  const atOnce = totals.map(() => {
    const start = performance.now();
    hashBlocks(tokens, { blockSize });
    return performance.now() - start;
  });
  printTimes('hashBlocks of the prompt, in one go, ms', atOnce, '');
}

function measureBytes(tokens) {
  const numBlocks = 2 * numPromptBlocks;
  const count = (cache) => (cache.stats().bookkeepingBytes / numBlocks).toFixed(0);
  const plain = count(fillCache(tokens, numBlocks, {}).cache);
  const { cache, table } = fillCache(tokens, numBlocks, { onEvent: () => {}, maxIdleMs: 1e6 });
  cache.free(table);
  cache.flushEvents();
  printRow('bookkeeping bytes per block, tokens and ghosts included', plain, '', 'goal <= 250');
  printRow('  with digests, events and idle deadlines', count(cache), '', 'goal <= 250');
}

/** `stats()` while half of a million blocks are held by 256 sequences, one of which is pinned. */
function measureStats() {
  const allocator = new BlockAllocator({ numBlocks: 1_000_000, blockSize });
  const cache = new PrefixCache({ allocator });
  const users = Array.from({ length: 256 }, (_, i) => {
    const prompt = tokens.slice(i, i + 30_000);
    const { table } = cache.acquire(cache.match(prompt), { numTokens: prompt.length });
    cache.registerSubmitted(table, prompt, prompt.length);
    cache.commit(table, prompt.length);
    return { table, numTokens: prompt.length };
  });
  cache.pin(users[0].table);
  const times = Array.from({ length: numRuns }, () => {
    const start = performance.now();
    cache.stats(users);
    return performance.now() - start;
  });
  printTimes('stats() of 1,000,000 blocks, 256 sequences, ms', times, 'goal < 2');
}

const tokens = makePrompt();
const load = loadavg()[0].toFixed(1);
console.log(`Node ${process.version}, block size ${blockSize}, ${numRuns} runs, load ${load}`);
printRow('', 'median', 'best', '');
measureAllocator();
measureLookup(tokens);
await measureDigests(tokens);
measureBytes(tokens);
measureStats();
