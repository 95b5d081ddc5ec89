// What the queue refuses, and when it says to come again, on a clock on which a step takes 10 ms.

import type { QueueFullError } from '../../lib/errors.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

const random = randomFrom(32);
const promptOf = (length: number): number[] => randomTokens(random, length, 97);

function boundedEngine(engine: object, maxSeqs = 2, stepMs = 10) {
  const clock = { nowMs: 1000 };
  const opened = arithmeticEngine({
    numBlocks: 256,
    blockSize: 8,
    maxSeqs,
    runMs: () => stepMs,
    engine: { clock: () => clock.nowMs, overlapSteps: false, ...engine },
    onSubmit: () => {
      clock.nowMs += stepMs;
    },
  });
  return { ...opened, clock };
}

const refusal = (run: Promise<unknown>): Promise<QueueFullError> =>
  run.then(
    () => Promise.reject(new Error('it was not refused')),
    (error) => error,
  );

/** What a request is told that finds `numWaiting` others, after a few have been answered, and the time these took. */
async function retryWith(numWaiting: number, maxTokens = 8) {
  const { client, clock } = boundedEngine({ maxQueue: numWaiting });
  for (let i = 0; i < 3; i++) await client.run(promptOf(9), { maxTokens: 8 });
  const queued = Array.from({ length: numWaiting }, () => client.run(promptOf(9), { maxTokens }));
  const { retryAfterMs } = await refusal(client.run(promptOf(9)));
  const startMs = clock.nowMs;
  await Promise.all(queued);
  return { retryAfterMs, elapsedMs: clock.nowMs - startMs };
}

describe('a request that the queue refuses', () => {
  test('is told about how long the engine needs for the others', async () => {
    for (const numWaiting of [2, 6, 20]) {
      const { retryAfterMs, elapsedMs } = await retryWith(numWaiting);
      expect(retryAfterMs / elapsedMs).toBeGreaterThan(0.6);
      expect(retryAfterMs / elapsedMs).toBeLessThan(1.6);
    }
  });

  test('is told to wait longer the longer the queue is', async () => {
    let last = 0;
    for (const numWaiting of [1, 3, 5, 8, 13, 21]) {
      const { retryAfterMs } = await retryWith(numWaiting);
      expect(retryAfterMs).toBeGreaterThan(last);
      last = retryAfterMs;
    }
  });

  test('is not told to wait for all the tokens that others may have, if answers were short so far', async () => {
    const { retryAfterMs } = await retryWith(4, 400);
    expect(retryAfterMs).toBeLessThan(1000);
  });

  test('is told a whole, positive time that fits a timer, before any step and after endless ones', async () => {
    for (const stepMs of [0, 1e12]) {
      const { client } = boundedEngine({ maxQueue: 1 }, 1, stepMs);
      for (let i = 0; i < 3; i++) {
        const queued = client.run(promptOf(9));
        const { retryAfterMs } = await refusal(client.run(promptOf(9)));
        expect(Number.isInteger(retryAfterMs)).toBe(true);
        expect(retryAfterMs).toBeGreaterThanOrEqual(1);
        expect(retryAfterMs).toBeLessThan(2 ** 31);
        await queued;
      }
    }
  });
});

describe('maxQueuePerSalt', () => {
  test('refuses what one salt may not queue, names the limit and not the salt, and lets others in', async () => {
    const { client, core } = boundedEngine({ maxQueue: 5, maxQueuePerSalt: 2 });
    const run = (salt?: string) => client.run(promptOf(9), { salt });
    const accepted = [run('secret-a'), run('secret-a')];
    const error = await refusal(run('secret-a'));
    expect(error).toMatchObject({
      name: 'QueueFullError',
      code: 'ERR_QUEUE_FULL',
      numWaiting: 2,
      maxQueue: 2,
      limitedBy: 'maxQueuePerSalt',
    });
    expect(error.message).toContain('maxQueuePerSalt');
    expect(error.message).not.toContain('secret');
    accepted.push(run('b'), run(), run());
    expect(await refusal(run())).toMatchObject({ limitedBy: 'maxQueue', numWaiting: 5 });
    expect(core.stats()).toMatchObject({ numWaiting: 5, numRefused: 2 });
    await Promise.all(accepted);
    await run('secret-a');
  });

  test("speaks of that salt's own queue when it says how long", async () => {
    const ownQueue = async (numOthers: number) => {
      const { client } = boundedEngine({ maxQueuePerSalt: 2 });
      const run = (salt: string) => client.run(promptOf(9), { salt, maxTokens: 4 });
      await run('a');
      const accepted = Array.from({ length: numOthers }, (_, i) => run(`other ${i}`));
      accepted.push(run('a'), run('a'));
      const { retryAfterMs } = await refusal(run('a'));
      await Promise.all(accepted);
      return retryAfterMs;
    };
    expect(await ownQueue(20)).toBe(await ownQueue(0));
  });

  test('counts forks that have to wait', async () => {
    const { client, core } = boundedEngine({ maxQueuePerSalt: 1 }, 1);
    const parent = client.run(promptOf(9), { salt: 'a', maxTokens: 20 });
    client.afterEvents = () => {
      client.afterEvents = () => {};
      core.fork({ id: 50, from: 1 });
      core.fork({ id: 51, from: 1 });
    };
    const forks = [client.follow(50), client.follow(51)];
    expect(await refusal(forks[1])).toMatchObject({ limitedBy: 'maxQueuePerSalt' });
    await Promise.all([parent, forks[0]]);
  });
});
