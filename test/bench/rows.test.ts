import { commonRate, makePrompt } from '../../bench/cpu/children/answer.mjs';
import { compareFirstSteps } from '../../bench/cpu/measure.mjs';
import { engineRows, judgeAttention, judgeLoad, judgeMemory } from '../../bench/cpu/rows.mjs';
import {
  decodeStep,
  kvBytesPerToken,
  numLayerWeights,
  prefillFlops,
  shapes,
  weightBytes,
} from '../../bench/cpu/shapes.mjs';

const ceilings = { gigabytesPerSecond: 50, f32Gflops: 500, bf16Gflops: 1000, int8Gops: 2000 };

function judge(
  name: string,
  weights: string,
  medians: { ours: number; ratio?: number },
  rate = 1000,
) {
  const row = engineRows(false).find((one) => one.name === name && one.weights === weights);
  if (!row) throw new Error(`no row ${name}`);
  const figureOf = (other: string) => (other === 'prefill 512' ? rate : undefined);
  return row.judge({ ...medians, ceilings, model: 's03', shape: shapes.s03, figureOf } as never);
}

describe('what a step needs', () => {
  test('is what the shapes say: weights, keys and values, operations', () => {
    expect(numLayerWeights(shapes.s03)).toBe(283_115_520);
    expect(weightBytes(shapes.s03)).toBe(2 * (283_115_520 + 32_000 * 1024));
    expect(weightBytes(shapes.s03, 'int4')).toBe((weightBytes(shapes.s03) * 4.5) / 16);
    expect(kvBytesPerToken(shapes.s03)).toBe(48 * 1024);
    expect(kvBytesPerToken(shapes.l1b)).toBe(32 * 1024);
  });

  test('counts each pair of a row and a position before it once, logits of one row', () => {
    const { tiny } = shapes;
    const matmuls = 2 * numLayerWeights(tiny) * 3;
    const logits = 2 * tiny.vocabSize * tiny.hiddenSize;
    const perPair = 4 * tiny.numLayers * tiny.numHeads * tiny.headDim;
    expect(prefillFlops(tiny, 3)).toBe(matmuls + logits + perPair * (1 + 2 + 3));
    expect(prefillFlops(tiny, 3, 10)).toBe(matmuls + logits + perPair * (11 + 12 + 13));
  });

  test('reads the weights once, however many sequences there are', () => {
    const one = decodeStep(shapes.s03, { numSeqs: 1, meanContextLen: 1024 });
    const eight = decodeStep(shapes.s03, { numSeqs: 8, meanContextLen: 1024 });
    expect(eight.bytes - one.bytes).toBe(7 * 1024 * kvBytesPerToken(shapes.s03));
    expect(eight.flops).toBe(8 * one.flops);
  });
});

describe('gates', () => {
  test('of prefill are multiples of the peer', () => {
    const judged = judge('prefill 512', 'bf16', { ours: 1000, ratio: 2 });
    expect([judged.gate.isMet, judged.goal.isMet]).toEqual([true, false]);
    expect(judged.share).toBeCloseTo(((prefillFlops(shapes.s03, 512) / 512) * 1000) / 1e12, 12);
  });

  test('of one stream need both the bandwidth and the peer', () => {
    const { bytes } = decodeStep(shapes.s03, { numSeqs: 1, meanContextLen: 128 });
    const full = 50e9 / bytes;
    const name = 'decode, 1 stream at 128';
    const state = (share: number, ratio?: number) =>
      judge(name, 'bf16', { ours: full * share, ...(ratio === undefined ? {} : { ratio }) });
    expect(state(0.85, 1.4).gate.isMet).toBe(true);
    expect(state(0.75, 1.4).gate.isMet).toBe(false);
    expect(state(0.85, 1.2).gate.isMet).toBe(false);
    expect(state(0.85).gate.isMet).toBeUndefined();
    expect(state(0.75).gate.isMet).toBe(false);
    expect(state(0.94, 1.4).goal.isMet).toBe(true);
  });

  test('of a cached prompt allow the new tokens at prefill speed, and 5 ms', () => {
    const name = 'first token, 1900 of 2048 tokens cached by another user';
    expect(judge(name, 'bf16', { ours: 152, ratio: 21 }).goal.isMet).toBe(true);
    expect(judge(name, 'bf16', { ours: 154, ratio: 21 }).goal.isMet).toBe(false);
    expect(judge(name, 'bf16', { ours: 152, ratio: 19 }).gate.isMet).toBe(false);
  });

  test('of memory and loading are upper bounds', () => {
    expect(judgeMemory(108, 100)).toMatchObject({ gate: { isMet: true }, goal: { isMet: false } });
    expect(judgeLoad(210, 100)).toMatchObject({ gate: { isMet: false }, goal: { isMet: false } });
  });

  test('of attention compare paged with contiguous time', () => {
    const row = (name: string, layout: string, seconds: number) => ({
      row: name,
      layout,
      seconds,
      gflops: 500 / seconds,
      gigabytesPerSecond: 40 / seconds,
    });
    const measured = ['prefill', 'decode'].flatMap((name) => [
      row(name, 'contiguous', 1),
      row(name, 'block16', 1.1),
      row(name, 'block64', 1.01),
      row(name, 'block16 read alone', 0.9),
    ]);
    const rows = judgeAttention(measured, ceilings);
    const alone = rows.find(({ name }) => name.includes('read alone'));
    expect(alone).toMatchObject({ ceiling: 'bandwidth', share: expect.closeTo(40 / 0.9 / 50) });
    const states = rows.flatMap((one) => ('gate' in one ? [[one.gate.isMet, one.goal.isMet]] : []));
    expect(states).toEqual([
      [true, false], // 45 % of the peak
      [false, false], // 73 % of the bandwidth
      [false, false], // prefill at block 16: 91 %
      [true, false], // decode at block 16: 91 %
      [true, true], // decode at block 64: 99 %
    ]);
  });

  test('there is a row for each kind of weights', () => {
    const count = (weights: string) =>
      engineRows(false).filter((row) => row.weights === weights).length;
    expect([count('bf16'), count('int8'), count('int4')]).toEqual([6, 4, 4]);
  });
});

describe('streams', () => {
  test('are counted only while all of them run', () => {
    const stream = (times: number[]) => times.map((ms) => ({ ms, numTokens: 1 }));
    const rate = commonRate([stream([0, 100, 200, 300]), stream([100, 200, 300, 400])]);
    expect(rate).toBe(4 / 0.2);
  });

  test('that never ran at once have no rate', () => {
    const stream = (ms: number) => [{ ms, numTokens: 1 }];
    expect(() => commonRate([stream(1), stream(2)])).toThrow('never ran at once');
  });

  test('get the same prompt for the same seed, of words only', () => {
    const prompt = makePrompt(1000, 512, 3);
    expect(prompt).toEqual(makePrompt(1000, 512, 3));
    expect(prompt).not.toEqual(makePrompt(1000, 512, 4));
    expect(Math.min(...prompt)).toBeGreaterThanOrEqual(259);
    expect(Math.max(...prompt)).toBeLessThan(512);
  });
});

test('first steps are compared by the tokens that both name', () => {
  const ours: [number, number][] = [
    [5, -1],
    [7, -2],
    [9, -3],
  ];
  const peers: [number, number][] = [
    [5, -1.25],
    [9, -3],
  ];
  expect(compareFirstSteps(ours, peers)).toEqual({
    isSameToken: true,
    numShared: 2,
    numCompared: 3,
    maxDifference: 0.25,
  });
});
