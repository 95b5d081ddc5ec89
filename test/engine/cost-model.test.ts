import { StepCostModel } from '../../lib/engine/cost-model.js';
import { StepBudget } from '../../lib/engine/step-budget.js';
import { arithmeticEngine, randomFrom, randomTokens } from './harness.js';

/** A machine that needs 3 ms for a step, 0.5 ms for a token and 2 ns for an attended position. */
const trueMs = ({ numTokens, numPairs }: { numTokens: number; numPairs: number }): number =>
  3 + 0.5 * numTokens + 2e-6 * numPairs;

function trainedModel(seed: number): StepCostModel {
  const random = randomFrom(seed);
  const costs = new StepCostModel();
  for (let step = 0; step < 60; step++) {
    const numTokens = 1 + Math.floor(random() * 400);
    const work = { numTokens, numPairs: numTokens * Math.floor(random() * 20000) };
    costs.observe(work, trueMs(work) * (0.95 + 0.1 * random()));
  }
  return costs;
}

describe('StepCostModel', () => {
  test('learns what a step costs from steps that it saw, within a few percent', () => {
    for (const seed of [1, 2, 3]) {
      const costs = trainedModel(seed);
      for (const work of [
        { numTokens: 8, numPairs: 8 * 1000 },
        { numTokens: 300, numPairs: 300 * 10000 },
      ]) {
        expect(costs.estimateMs(work) / trueMs(work)).toBeCloseTo(1, 0);
        expect(Math.abs(costs.estimateMs(work) / trueMs(work) - 1)).toBeLessThan(0.2);
      }
    }
  });

  test('gives as many tokens as fit into the time that is left', () => {
    const costs = trainedModel(4);
    const work = { numTokens: 4, numPairs: 4000 };
    for (const start of [0, 5000, 30000]) {
      const numTokens = costs.maxTokensWithin(100, work, start);
      const msWith = (count: number) =>
        costs.estimateMs({
          numTokens: work.numTokens + count,
          numPairs: work.numPairs + count * start + (count * count) / 2,
        });
      expect(msWith(numTokens)).toBeLessThanOrEqual(100.001);
      expect(msWith(numTokens + 1)).toBeGreaterThan(99.9);
    }
  });

  test('never has a negative cost, whatever it sees', () => {
    const random = randomFrom(5);
    const costs = new StepCostModel();
    for (let step = 0; step < 200; step++) {
      const numTokens = 1 + Math.floor(random() * 10);
      costs.observe({ numTokens, numPairs: numTokens * 100 }, random() * 20);
      expect(costs.estimateMs({ numTokens: 500, numPairs: 0 })).toBeGreaterThanOrEqual(0);
      const small = costs.estimateMs({ numTokens: 10, numPairs: 1000 });
      expect(costs.estimateMs({ numTokens: 20, numPairs: 2000 })).toBeGreaterThanOrEqual(small);
    }
  });

  test('follows a machine that becomes four times slower', () => {
    const costs = trainedModel(6);
    const random = randomFrom(7);
    for (let step = 0; step < 200; step++) {
      const numTokens = 1 + Math.floor(random() * 400);
      const work = { numTokens, numPairs: numTokens * 1000 };
      costs.observe(work, 4 * trueMs(work));
    }
    const work = { numTokens: 200, numPairs: 200 * 1000 };
    expect(costs.estimateMs(work) / (4 * trueMs(work))).toBeCloseTo(1, 1);
  });

  test('is not taken in by one step that took a hundred times longer', () => {
    const costs = trainedModel(11);
    const work = { numTokens: 200, numPairs: 200 * 1000 };
    const before = costs.maxTokensWithin(100, { numTokens: 0, numPairs: 0 }, 1000);
    costs.observe(work, 100 * trueMs(work));
    const after = costs.maxTokensWithin(100, { numTokens: 0, numPairs: 0 }, 1000);
    expect(after).toBeGreaterThan(before / 2);
  });

  test('believes two in a row: a machine that is a hundred times slower', () => {
    const costs = trainedModel(12);
    const work = { numTokens: 200, numPairs: 200 * 1000 };
    for (let step = 0; step < 4; step++) costs.observe(work, 100 * trueMs(work));
    expect(costs.maxTokensWithin(100, { numTokens: 0, numPairs: 0 }, 1000)).toBeLessThan(50);
  });

  test('forgets a first step of two seconds within ten others', () => {
    const costs = new StepCostModel();
    costs.observe({ numTokens: 32, numPairs: 528 }, 2000);
    for (let step = 0; step < 10; step++) {
      const work = { numTokens: 16 + step, numPairs: 1000 * (16 + step) };
      costs.observe(work, trueMs(work));
    }
    expect(costs.maxTokensWithin(100, { numTokens: 0, numPairs: 0 }, 0)).toBeGreaterThan(50);
  });

  test('learns nothing from a step without tokens, or without a time', () => {
    const costs = trainedModel(13);
    const work = { numTokens: 200, numPairs: 200 * 1000 };
    const before = costs.estimateMs(work);
    costs.observe({ numTokens: 0, numPairs: 0 }, 500);
    for (const badMs of [Number.NaN, Number.POSITIVE_INFINITY, -1]) costs.observe(work, badMs);
    expect(costs.estimateMs(work)).toBe(before);
  });
});

describe('StepBudget', () => {
  test('lets one prompt go on by a few tokens even when the time is over', () => {
    const costs = trainedModel(8);
    const budget = new StepBudget({ costs, maxMs: 1, maxTokens: 512, maxChunkTokens: 512 });
    expect(budget.tokensFor(0, 200)).toBe(16);
    budget.take(0, 16);
    expect(budget.tokensFor(0, 200)).toBe(0);
    expect(budget.tokensFor(50, 1)).toBe(1);
  });

  test('gives back what a preempted sequence had taken', () => {
    const costs = trainedModel(9);
    const budget = new StepBudget({ costs, maxMs: 100, maxTokens: 64, maxChunkTokens: 512 });
    budget.take(10, 60);
    budget.giveBack(10, 60);
    expect(budget.work).toEqual({ numTokens: 0, numPairs: 0 });
    expect(budget.numTokensLeft).toBe(64);
  });
});

describe('a long prompt beside a running stream', () => {
  test('is cut into steps of about maxStepMs, so that the stream gets a token per step', async () => {
    const steps: Array<{ numTokens: number; hasStream: boolean; runMs: number }> = [];
    const { client } = arithmeticEngine({
      numBlocks: 256,
      blockSize: 16,
      contextLen: 4000,
      runMs: (step) => {
        const runMs = 3 + 0.5 * step.numTokens;
        steps.push({ numTokens: step.numTokens, hasStream: step.tableRows[0] === 0, runMs });
        return runMs;
      },
      engine: { maxStepMs: 20 },
    });
    const random = randomFrom(10);
    const stream = client.runOne(randomTokens(random, 5, 97), { maxTokens: 60 });
    while (client.samples.get(1)![0].tokens.length < 5) await new Promise(setImmediate);
    steps.length = 0;
    await client.runOne(randomTokens(random, 600, 97));
    const mixed = steps.filter(({ numTokens }) => numTokens > 1);
    expect(mixed.every(({ hasStream }) => hasStream)).toBe(true);
    expect(Math.max(...mixed.map(({ runMs }) => runMs))).toBeLessThan(25);
    const late = mixed.slice(5, -1);
    expect(Math.min(...late.map(({ runMs }) => runMs))).toBeGreaterThan(15);
    await stream;
  });
});
