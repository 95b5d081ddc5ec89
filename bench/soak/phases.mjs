// The two phases of the soak: as much as the engine can do, and more than that.

import { monitorEventLoopDelay } from 'node:perf_hooks';

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Requests that wait beside those that run while the capacity is measured: nobody is idle. */
const numBehind = 8;

/** Tokens and requests per second when there is always another request, and none too many. */
export async function measureCapacity(traffic, { seconds, maxSeqs }) {
  const user = async (endMs) => {
    while (performance.now() < endMs) await traffic.send();
  };
  const run = async (runSeconds) => {
    const before = { ...traffic.counts };
    const startMs = performance.now();
    const endMs = startMs + runSeconds * 1000;
    const users = Array.from({ length: maxSeqs + numBehind }, () => user(endMs));
    await wait(runSeconds * 1000);
    const elapsed = (performance.now() - startMs) / 1000;
    const tokens = (traffic.counts.tokens - before.tokens) / elapsed;
    const sent = (traffic.counts.sent - before.sent) / elapsed;
    await Promise.all(users);
    return { tokensPerSecond: tokens, requestsPerSecond: sent };
  };
  await run(seconds / 4); // fills the cache
  return run(seconds);
}

/**
 * Requests arrive at random (Poisson), whatever the engine does with them.
 *
 * @returns samples `{ second, rssBytes, numWaiting, tokens }`, one per second, and the event loop's delay
 */
export async function overload(traffic, { seconds, requestsPerSecond }) {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const samples = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let maxWaiting = 0;
  const sampler = setInterval(() => {
    const { numWaiting, numPreemptions, cache } = traffic.llm.stats();
    maxWaiting = Math.max(maxWaiting, numWaiting);
    samples.push({
      second: (performance.now() - startMs) / 1000,
      rssBytes: process.memoryUsage.rss(),
      tokens: traffic.counts.tokens,
      numPreemptions,
      numEvicted: cache.removals.evicted,
    });
  }, 1000);
  const watcher = setInterval(() => {
    maxWaiting = Math.max(maxWaiting, traffic.llm.stats().numWaiting);
  }, 50);
  for (let nextMs = startMs; nextMs < endMs; ) {
    nextMs += (-Math.log(1 - traffic.random()) / requestsPerSecond) * 1000;
    const leftMs = nextMs - performance.now();
    if (leftMs > 1) await wait(leftMs);
    traffic.send();
  }
  clearInterval(sampler);
  clearInterval(watcher);
  loop.disable();
  const delayMs = { p99: loop.percentile(99) / 1e6 - 1, max: loop.max / 1e6 - 1 };
  await traffic.whenEmpty();
  return { samples, maxWaiting, delayMs };
}
