// The two phases of the soak: as much as the engine can do, and more than that.

import { monitorEventLoopDelay } from 'node:perf_hooks';

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Requests that wait beside those that run while the capacity is measured: nobody is idle. */
const numBehind = 32;

/** Tokens and requests per second when there is always another request, and none too many. */
export async function measureCapacity(traffic, { seconds, maxSeqs }) {
  const endMs = performance.now() + seconds * 1000;
  const user = async () => {
    while (performance.now() < endMs) await traffic.send();
  };
  const stop = startRate(traffic);
  const users = Array.from({ length: maxSeqs + numBehind }, user);
  await wait(seconds * 1000);
  const rate = stop();
  await Promise.all(users);
  return rate;
}

/** Requests arrive at random (Poisson), whatever the engine does with them; gives the rates until the last one came. */
export async function overload(traffic, { seconds, requestsPerSecond }) {
  const stop = startRate(traffic);
  const startMs = performance.now();
  for (let nextMs = startMs; nextMs < startMs + seconds * 1000; ) {
    nextMs += (-Math.log(1 - traffic.random()) / requestsPerSecond) * 1000;
    const leftMs = nextMs - performance.now();
    if (leftMs > 1) await wait(leftMs);
    traffic.send();
  }
  const rate = stop();
  await traffic.whenEmpty();
  return rate;
}

/** Counts from now on; what it returns gives the rates since. */
function startRate(traffic) {
  const before = { ...traffic.counts };
  const startMs = performance.now();
  return () => {
    const elapsed = (performance.now() - startMs) / 1000;
    return {
      tokensPerSecond: (traffic.counts.tokens - before.tokens) / elapsed,
      requestsPerSecond: (traffic.counts.sent - before.sent) / elapsed,
    };
  };
}

/**
 * Looks at the process while it works, in every phase alike.
 *
 * @returns what ends it: it gives samples `{ second, rssBytes }`, one per second, the most sequences that ever waited,
 *   and the event loop's delay in ms
 */
export function watch(llm) {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const samples = [];
  const startMs = performance.now();
  let maxWaiting = 0;
  const sampler = setInterval(() => {
    const second = (performance.now() - startMs) / 1000;
    samples.push({ second, rssBytes: process.memoryUsage.rss() });
  }, 1000);
  const watcher = setInterval(() => {
    maxWaiting = Math.max(maxWaiting, llm.stats().numWaiting);
  }, 50);
  return () => {
    clearInterval(sampler);
    clearInterval(watcher);
    loop.disable();
    const delayMs = { p99: loop.percentile(99) / 1e6 - 1, max: loop.max / 1e6 - 1 };
    return { samples, maxWaiting, delayMs };
  };
}
