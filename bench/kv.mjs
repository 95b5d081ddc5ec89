// Bookkeeping speed of lib/kv (issue goals beside each number). Needs dist/: npx tsc -p tsconfig.json
import { BlockAllocator, hashBlocks, PrefixCache } from '../dist/kv/index.js';

const blockSize = 16;
const promptLen = 131_072;
const numRuns = 15;

function printRow(what, value, goal) {
  console.log(`${what.padEnd(58)} ${value.padStart(14)}   ${goal}`);
}

function medianOf(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
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
  const rates = [];
  for (let run = 0; run < numRuns; run++) {
    const start = performance.now();
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < blocks.length; i++) blocks[i] = allocator.allocate();
      for (let i = blocks.length - 1; i >= 0; i--) allocator.free(blocks[i]);
    }
    rates.push((100 * blocks.length) / (performance.now() - start) / 1000);
  }
  const rate = medianOf(rates).toFixed(1);
  printRow('allocate + free', `${rate} M blocks/s`, 'goal >= 20');
}

/** A cache that holds the prompt, committed and free. */
function fillCache(tokens, numBlocks, options) {
  const allocator = new BlockAllocator({ numBlocks, blockSize });
  const cache = new PrefixCache({ allocator, ...options });
  const { table } = cache.acquire(cache.match(tokens), { numTokens: tokens.length });
  cache.registerSubmitted(table, tokens, tokens.length);
  cache.commit(table, tokens.length);
  return { cache, table };
}

function measureLookup(tokens) {
  const { cache, table } = fillCache(tokens, 16_384, {});
  cache.free(table);
  const lookups = [];
  const leases = [];
  for (let run = 0; run < numRuns; run++) {
    const start = performance.now();
    const match = cache.matchPrompt(tokens);
    lookups.push(performance.now() - start);
    const lease = cache.acquire(match);
    if (lease.numCachedTokens !== promptLen - 1) throw new Error('the prompt is not fully cached');
    cache.free(lease.table);
    leases.push(performance.now() - start);
  }
  printRow(
    'lookup of a cached prompt of 131,072 tokens',
    `${medianOf(lookups).toFixed(2)} ms`,
    'goal < 3',
  );
  printRow('  first lookup, before the compiler has warmed up', `${lookups[0].toFixed(2)} ms`, '');
  printRow('  with acquire and free', `${medianOf(leases).toFixed(2)} ms`, '');
}

/** Digests of all 8,192 blocks as events carry them, slice by slice in the event loop. */
async function measureDigests(tokens) {
  const totals = [];
  const longest = [];
  for (let run = 0; run < numRuns; run++) {
    const events = [];
    const { cache } = fillCache(tokens, 16_384, { onEvent: (event) => events.push(event) });
    const lookupStart = performance.now();
    cache.matchPrompt(tokens);
    let total = performance.now() - lookupStart;
    const stretches = [total];
    let numAnnounced = 0;
    while (numAnnounced < promptLen / blockSize) {
      const start = performance.now();
      await new Promise((resolve) => setImmediate(resolve));
      stretches.push(performance.now() - start);
      total += stretches.at(-1);
      numAnnounced = events.reduce((sum, event) => sum + event.digests.length, 0);
    }
    totals.push(total);
    longest.push(Math.max(...stretches));
  }
  printRow(
    '  with all SHA-256 digests (8,192 blocks), events made',
    `${medianOf(totals).toFixed(2)} ms`,
    'goal < 15',
  );
  printRow('  longest stretch of it: median run', `${medianOf(longest).toFixed(2)} ms`, 'goal < 2');
  printRow(
    '  longest stretch of it: worst of all runs',
    `${Math.max(...longest).toFixed(2)} ms`,
    '',
  );
  const start = performance.now();
  hashBlocks(tokens, { blockSize });
  printRow(
    'hashBlocks of the prompt, in one go',
    `${(performance.now() - start).toFixed(2)} ms`,
    '',
  );
}

async function measureBytes(tokens) {
  const numBlocks = 16_384;
  const plain = fillCache(tokens, numBlocks, {}).cache.stats().bookkeepingBytes / numBlocks;
  const all = fillCache(tokens, numBlocks, { onEvent: () => {}, maxIdleMs: 1e6 });
  all.cache.free(all.table);
  all.cache.flushEvents();
  const withAll = all.cache.stats().bookkeepingBytes / numBlocks;
  printRow(
    'bookkeeping bytes per block, tokens and ghosts included',
    plain.toFixed(0),
    'goal <= 250',
  );
  printRow('  with digests, events and idle deadlines in use', withAll.toFixed(0), 'goal <= 250');
}

const tokens = makePrompt();
console.log(`Node ${process.version}, block size ${blockSize}, median of ${numRuns} runs`);
measureAllocator();
measureLookup(tokens);
await measureDigests(tokens);
await measureBytes(tokens);
