import { judgeLoop, judgeServing, servingPlan } from '../../bench/serve/rows.mjs';

const plan = servingPlan(false);
const rates = Object.fromEntries(
  plan.filter(({ op }) => op === 'rateOfStreams').map(({ name }) => [name, 350]),
);
const ours = {
  gap: { worstGapMs: 120, quietGapMs: 40, firstTokenMs: 4000 },
  ...rates,
  prefix: 250,
  chats: { numComputed: 5000, p50Ms: 100, p95Ms: 900 },
};
const peer = {
  gap: { worstGapMs: 5000, quietGapMs: 60, firstTokenMs: 5500 },
  ...Object.fromEntries(Object.keys(rates).map((name) => [name, 70])),
  prefix: 5500,
  chats: { numComputed: 20_000, p50Ms: 300, p95Ms: 9000 },
};

describe('rows of the serving benchmark', () => {
  test('judge the worst gap, eight streams and the prefix of another user', () => {
    const judged = judgeServing(plan, { ours, peer })
      .filter(({ gate }) => gate.isMet !== undefined)
      .map(({ name, ratio, gate, goal }) => [name, ratio, gate.isMet, goal.isMet]);
    expect(judged).toEqual([
      ['worst gap: a 2048-token prompt beside 3 streams', 5000 / 120, true, false],
      ['8 streams after 128 tokens', 5, true, true],
      ['8 streams after 1024 tokens', 5, true, true],
      ['first token, another user computed 1900 of 2048', 22, true, false],
    ]);
  });

  test('have no ratio and no verdict on one without a peer', () => {
    const rows = judgeServing(plan, { ours, peer: undefined });
    expect(rows.every(({ ratio }) => ratio === undefined)).toBe(true);
    const eight = rows.find(({ name }) => name.startsWith('8 streams'));
    expect(eight?.gate.isMet).toBeUndefined();
  });

  test('hold the event loop to promise P3', () => {
    const rows = judgeLoop({ p99Ms: 4, maxMs: 26 }, undefined);
    expect(rows.map(({ gate }) => gate.isMet)).toEqual([true, false]);
  });
});
