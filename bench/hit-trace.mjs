// A trace of prompts of which most are seen once and some begin with a hot prefix; how many of its
// tokens a cache hits, and how many the best possible cache would. Deterministic: used by
// `npm run bench:cache` and by test/kv/hit-trace.test.ts.

/** @typedef {import('../lib/kv/index.js').PrefixCache} PrefixCache */

/** 90 % prompts seen once, 10 % with a hot prefix that a plain LRU mostly loses in between. */
export const defaultTrace = {
  seed: 1,
  numRequests: 1000,
  hotFraction: 0.1,
  numHotPrefixes: 1,
  /** Tokens of a hot prefix; of what follows it; least and most of a prompt seen once. */
  hotLen: 1024,
  questionLen: 40,
  minOnceLen: 320,
  maxOnceLen: 960,
  blockSize: 16,
  /** Usable blocks. */
  numBlocks: 256,
};

/**
 * The prompts of a trace, in order of arrival.
 *
 * @param {typeof defaultTrace} trace
 * @returns {Int32Array[]}
 */
export function makeTrace(trace) {
  const random = makeRandom(trace.seed);
  let nextToken = 0;
  const fresh = (/** @type {number} */ length) => Int32Array.from({ length }, () => nextToken++);
  const hotPrefixes = Array.from({ length: trace.numHotPrefixes }, () => fresh(trace.hotLen));
  return Array.from({ length: trace.numRequests }, () => {
    if (random() >= trace.hotFraction) {
      const range = trace.maxOnceLen - trace.minOnceLen + 1;
      return fresh(trace.minOnceLen + Math.floor(random() * range));
    }
    const hot = hotPrefixes[Math.floor(random() * hotPrefixes.length)];
    return Int32Array.from([...hot, ...fresh(trace.questionLen)]);
  });
}

/**
 * Tokens that a cache hits when the prompts run one after the other.
 *
 * @param {PrefixCache} cache
 * @param {Int32Array[]} prompts
 */
export function countHits(cache, prompts) {
  for (const tokens of prompts) {
    const lease = cache.acquire(cache.matchPrompt(tokens), { numTokens: tokens.length });
    if (lease === undefined) throw new Error(`the pool cannot hold ${tokens.length} tokens`);
    if (lease.copy !== undefined) cache.releaseCopySource(lease.copy);
    cache.registerSubmitted(lease.table, tokens, tokens.length);
    cache.commit(lease.table, tokens.length);
    cache.free(lease.table, { tail: { tokens, numTokens: tokens.length } });
  }
  return cache.stats().hitTokens;
}

/**
 * Tokens that no cache of so many blocks can exceed: it knows the future, and evicts the block whose
 * next use is farthest away.
 *
 * Source: Belady 1966, "A study of replacement algorithms for a virtual-storage computer".
 *
 * @param {Int32Array[]} prompts
 * @param {{ numBlocks: number, blockSize: number }} pool
 */
export function countOptimalHits(prompts, { numBlocks, blockSize }) {
  const paths = findPaths(prompts, blockSize);
  const uses = findUses(paths);
  const cached = new Set();
  let hitTokens = 0;
  paths.forEach((path, request) => {
    let numHits = 0;
    while (numHits < path.length && cached.has(path[numHits])) numHits++;
    hitTokens += numHits * blockSize;
    for (const node of path) {
      cached.add(node);
      const nodeUses = uses[node];
      if (nodeUses[0] === request) nodeUses.shift();
    }
    // The non-full block of the running request takes room too, until it ends.
    const room = prompts[request].length % blockSize === 0 ? numBlocks : numBlocks - 1;
    evictFarthest(cached, uses, new Set(path), room);
  });
  return hitTokens;
}

/**
 * For each prompt the numbers of its full blocks; equal prefixes have equal numbers.
 *
 * @param {Int32Array[]} prompts
 * @param {number} blockSize
 */
function findPaths(prompts, blockSize) {
  const numbers = new Map();
  return prompts.map((tokens) => {
    const path = [];
    let parent = -1;
    for (let end = blockSize; end <= tokens.length; end += blockSize) {
      const name = `${parent}:${tokens.subarray(end - blockSize, end).join()}`;
      if (!numbers.has(name)) numbers.set(name, numbers.size);
      parent = numbers.get(name);
      path.push(parent);
    }
    return path;
  });
}

/**
 * For each block the requests that use it, in order.
 *
 * @param {number[][]} paths
 */
function findUses(paths) {
  /** @type {number[][]} */
  const uses = [];
  paths.forEach((path, request) => {
    for (const node of path) {
      uses[node] ??= [];
      uses[node].push(request);
    }
  });
  return uses;
}

/**
 * @param {Set<number>} cached
 * @param {number[][]} uses
 * @param {Set<number>} held
 * @param {number} room
 */
function evictFarthest(cached, uses, held, room) {
  if (cached.size <= room) return;
  const nextUse = (/** @type {number} */ node) => uses[node][0] ?? Number.POSITIVE_INFINITY;
  const candidates = [...cached].filter((node) => !held.has(node));
  candidates.sort((a, b) => (nextUse(b) === nextUse(a) ? b - a : nextUse(b) - nextUse(a)));
  for (const node of candidates.slice(0, cached.size - room)) cached.delete(node);
}

/**
 * Mulberry32: numbers in [0, 1).
 *
 * @param {number} seed
 */
function makeRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
