// Who is served first: priority, and how long one has waited, on a clock on which a step takes 10 ms.

import { rankOf } from '../../lib/engine/waiting-queue.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(31);
const promptOf = (length: number): number[] => randomTokens(random, length, 97);
const stepMs = 10;

/** An engine that runs one sequence at a time, and the ids of its requests in the order in which they ended. */
function queueEngine(priorityAgeingMs?: number) {
  const clock = { nowMs: 1000 };
  const engine = arithmeticEngine({
    numBlocks: 64,
    blockSize: 8,
    maxSeqs: 1,
    engine: { clock: () => clock.nowMs, overlapSteps: false, priorityAgeingMs },
    onSubmit: () => {
      clock.nowMs += stepMs;
    },
  });
  const ended: number[] = [];
  engine.core.onStep(({ events }) => {
    for (const event of events) if (event.type === 'finished') ended.push(event.id);
  });
  return { ...engine, clock, ended };
}

/** A low request in a stream of higher ones that never lets the queue run empty: how many go before it. */
async function numServedBefore(priority: number, priorityAgeingMs?: number): Promise<number> {
  const numHigh = 60;
  const { client, core, ended } = queueEngine(priorityAgeingMs);
  const high = () => client.run(promptOf(9), { priority });
  const highs = [high(), high()];
  const low = client.run(promptOf(9));
  const lowId = 3;
  client.afterEvents = () => {
    if (highs.length < numHigh) highs.push(high());
  };
  await low;
  while (highs.length < numHigh || core.stats().numRunning + core.stats().numWaiting > 0) {
    await new Promise(setImmediate);
  }
  await Promise.all(highs);
  return ended.indexOf(lowId);
}

describe('the queue', () => {
  test('serves higher priority first, then first come, first served', async () => {
    const { client, ended } = queueEngine();
    const priorities = [0, 1, 0, 2, 1, -1, 2, 0];
    await Promise.all(priorities.map((priority) => client.run(promptOf(9), { priority })));
    expect(ended).toEqual([4, 7, 2, 5, 1, 3, 8, 6]);
  });

  test('is first come, first served among equals, however close they come', async () => {
    const { client, clock, ended } = queueEngine(7);
    const runs = Array.from({ length: 30 }, (_, i) => {
      clock.nowMs += i % 3 === 0 ? 0 : 1e-12;
      return client.run(promptOf(9), { priority: 0.1 });
    });
    await Promise.all(runs);
    expect(ended).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  });

  test('lets a stream of higher priority overtake a request for `priorityAgeingMs` and no longer', async () => {
    // Two come with it, then one with each step: those of the first 200 ms.
    expect(await numServedBefore(1, 200)).toBe(2 + 200 / stepMs - 1);
    expect(await numServedBefore(2, 200)).toBe(2 + 400 / stepMs - 1);
  });

  test('lets it overtake for good when ageing is off', async () => {
    expect(await numServedBefore(1, Number.POSITIVE_INFINITY)).toBe(60);
  });

  test('ages by default: 10 s of waiting are worth one more of priority', async () => {
    const { client, clock, ended } = queueEngine();
    const first = client.run(promptOf(9));
    clock.nowMs += 10_001;
    await Promise.all([client.run(promptOf(9), { priority: 1 }), first]);
    expect(ended).toEqual([1, 2]);
  });

  test('orders by `priority + age / ageingMs` at whatever time one looks', () => {
    for (let i = 0; i < 1000; i++) {
      const [ageingMs, nowMs] = [1 + random() * 1e4, 2e5 + random() * 1e5];
      const [a, b] = [0, 1].map(() => {
        const priority = Math.floor(random() * 9) - 4;
        const submitMs = random() * 1e5;
        const effective = priority + (nowMs - submitMs) / ageingMs;
        return { effective, rank: rankOf(priority, submitMs, ageingMs) };
      });
      expect(Math.sign(a.rank - b.rank)).toBe(Math.sign(b.effective - a.effective));
    }
  });
});
