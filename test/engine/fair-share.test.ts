import { EngineCore, type StepBatch, type StepOutcome } from '../../lib/engine/index.js';
import { ArithmeticExecutor } from './arithmetic-executor.js';
import { Client, randomFrom, randomTokens, WatchedExecutor } from './harness.js';

const random = randomFrom(30);
const vocabSize = 97;
let numPrompts = 0;
/** No two begin alike: none waits for another's prefix. */
const promptOf = (length: number): number[] => [
  numPrompts++ % vocabSize,
  ...randomTokens(random, length - 1, vocabSize),
];
const longLen = 32_768;

/** Draws token 1 at once and computes nothing: a step costs 3 ms and half a millisecond per row, on its own clock. */
class ClockExecutor extends ArithmeticExecutor {
  override async submit(step: StepBatch): Promise<StepOutcome> {
    const { numTokens, numLogitRows } = step;
    const runMs = 3 + numTokens / 2;
    await new Promise(setImmediate);
    return {
      samples: new Int32Array(numLogitRows).fill(1),
      logprobs: new Float32Array(numLogitRows),
      topIds: new Int32Array(0),
      topLogprobs: new Float32Array(0),
      nonFinite: new Uint8Array(numLogitRows),
      counters: { tokensComputed: numTokens, kvSlotsWritten: numTokens, blocksCopied: 0, runMs },
    };
  }
}

/** An engine that knows what a step costs, and the rows of each of its steps from then on, by table row. */
async function shareEngine(maxStepMs = 100, priorityAgeingMs?: number) {
  const kv = { numBlocks: 6000, blockSize: 16 };
  const steps: Array<Map<number, number>> = [];
  const core = new EngineCore({
    executor: new WatchedExecutor(new ClockExecutor({ ...kv, maxSeqs: 32 }), (step) => {
      steps.push(rowsOf(step));
    }),
    model: { vocabSize, contextLen: longLen + 16, eosTokenIds: [] },
    kv,
    maxStepMs,
    priorityAgeingMs,
  });
  const client = new Client(core, false);
  const untilStep = async (numSteps: number) => {
    while (steps.length < numSteps) await new Promise(setImmediate);
  };
  await client.runOne(promptOf(2000));
  steps.length = 0;
  return { client, core, steps, untilStep };
}

function rowsOf({ numSeqs, tableRows, queryStart }: StepBatch): Map<number, number> {
  const sequences = Array.from({ length: numSeqs }, (_, i) => i);
  return new Map(sequences.map((i) => [tableRows[i], queryStart[i + 1] - queryStart[i]]));
}

describe('a prompt of 32k tokens beside 2 streams and 20 newcomers of 200 tokens', () => {
  const numNewcomers = 20;
  const newcomerLen = 200;

  /** Steps after their arrival in which newcomers had their first tokens, and the steps up to the last of them. */
  async function measure(maxStepMs: number) {
    const { client, core, steps, untilStep } = await shareEngine(maxStepMs);
    const runs = [1, 2].map(() => client.runOne(promptOf(8), { maxTokens: 2000 }));
    await untilStep(8);
    runs.push(client.runOne(promptOf(longLen)));
    await untilStep(20);
    const numBefore = steps.length;
    const numStepsBefore = core.stats().numSteps;
    const newcomers = Array.from({ length: numNewcomers }, () =>
      client.runOne(promptOf(newcomerLen)).then(() => core.stats().numSteps - numStepsBefore),
    );
    const firstTokens = await Promise.all(newcomers);
    expect(client.samples.get(4)![0].tokens).toEqual([]);
    await core.close('abort');
    await Promise.all(runs);
    return { firstTokens, mixed: steps.slice(numBefore, numBefore + Math.max(...firstTokens)) };
  }

  test('streams get a token and the long prompt goes on in every step, each of which is bounded in time', async () => {
    const { mixed } = await measure(100);
    expect(mixed.map((rows) => [rows.get(0), rows.get(1)])).toEqual(mixed.map(() => [1, 1]));
    const numRowsOfLong = mixed.map((rows) => rows.get(2) ?? 0);
    expect(Math.min(...numRowsOfLong)).toBeGreaterThanOrEqual(8);
    const stepMs = mixed.map((rows) => 3 + [...rows.values()].reduce((sum, n) => sum + n) / 2);
    expect(Math.max(...stepMs)).toBeLessThan(110);
  });

  test('newcomers have their first tokens one after the other, as soon as two thirds of the rows allow', async () => {
    const { firstTokens, mixed } = await measure(100);
    const numRows = Math.min(
      ...mixed.map((rows) => [...rows.values()].reduce((sum, n) => sum + n)),
    );
    firstTokens.forEach((numSteps, i) => {
      expect(numSteps).toBeLessThanOrEqual(6 + ((i + 1) * newcomerLen) / ((2 / 3) * numRows));
    });
  });

  test('all of them go on when decoding alone takes longer than a step should', async () => {
    const { firstTokens, mixed } = await measure(2);
    expect(mixed.every((rows) => rows.has(0) && rows.has(1))).toBe(true);
    expect(mixed.every((rows) => (rows.get(2) ?? 0) >= 8)).toBe(true);
    // Half of 16 rows a step are for newcomers.
    expect(Math.max(...firstTokens)).toBeLessThanOrEqual(6 + (numNewcomers * newcomerLen) / 8);
  });
});

describe('prompts that are prefilled together', () => {
  test('leave their rest to others when they are short', async () => {
    const { client, core, steps, untilStep } = await shareEngine();
    const long = client.runOne(promptOf(longLen));
    await untilStep(8);
    const short = client.runOne(promptOf(20));
    await short;
    const together = steps.filter((rows) => rows.has(1));
    expect(together.map((rows) => rows.get(1))).toEqual([20]);
    expect(together[0].get(0)).toBe(512 - 20);
    await core.close('abort');
    await long;
  });

  test('each have an eighth of the rows at least while there are four, however long they are', async () => {
    const { client, core, steps, untilStep } = await shareEngine();
    const lengths = [4000, 3000, 2000, 1000];
    const order: number[] = [];
    const runs = lengths.map((length) =>
      client.runOne(promptOf(length)).then(() => order.push(length)),
    );
    await untilStep(2);
    for (const rows of steps.slice(0, 2)) {
      expect([0, 1, 2].map((row) => rows.get(row))).toEqual([64, 64, 64]);
      expect(rows.get(3)).toBe(512 - 3 * 64);
    }
    await Promise.all(runs);
    expect(order).toEqual([1000, 2000, 3000, 4000]);
    await core.close();
  });

  test('let a short newcomer pass, also when longer ones wait before it', async () => {
    const { client, core } = await shareEngine();
    const order: number[] = [];
    const lengths = [3000, 3100, 3200, 3300, 3400, 3500, 50];
    await Promise.all(
      lengths.map((length) => client.runOne(promptOf(length)).then(() => order.push(length))),
    );
    expect(order[0]).toBe(50);
    expect(order.slice(1)).toEqual(lengths.slice(0, -1));
    await core.close();
  });

  test('give way to a higher priority, which has more than half of the rows', async () => {
    const { client, core, steps, untilStep } = await shareEngine();
    const low = client.runOne(promptOf(6000));
    await untilStep(4);
    const numBefore = steps.length;
    await client.runOne(promptOf(3000), { priority: 1 });
    const together = steps.slice(numBefore).filter((rows) => rows.has(1));
    const full = together.slice(0, -1);
    expect(full.every((rows) => rows.get(1) === 384 && rows.get(0) === 128)).toBe(true);
    expect(full.length).toBeGreaterThan(5);
    await low;
    await core.close();
  });

  test('of a low priority have their share once they are first in line, however many urgent ones come', async () => {
    const { client, core, steps } = await shareEngine(100, 1e-6);
    let isDone = false;
    const urgent: Promise<unknown>[] = [];
    const low = client.runOne(promptOf(3000)).then(() => {
      isDone = true;
    });
    client.afterEvents = () => {
      if (!isDone && urgent.length < 200)
        urgent.push(client.runOne(promptOf(600), { priority: 9 }));
    };
    for (let i = 0; i < 6; i++) urgent.push(client.runOne(promptOf(600), { priority: 9 }));
    await low;
    // An eighth of 512 rows in each step, and a few until the last one is done.
    expect(steps.length).toBeLessThanOrEqual(Math.ceil(3000 / 64) + 4);
    await Promise.all(urgent);
    await core.close();
  });

  test('all start in one step when they fit into it', async () => {
    const { client, core, steps } = await shareEngine();
    const numBefore = steps.length;
    await Promise.all(Array.from({ length: 30 }, () => client.runOne(promptOf(10))));
    expect(steps.slice(numBefore).map((rows) => rows.size)).toEqual([30]);
    await core.close();
  });
});
