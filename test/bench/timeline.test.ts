import { drawTimeline, findMixedStep } from '../../bench/timeline/draw.mjs';

const span = (pid: number, tid: number, name: string, ts: number, dur: number, args = {}) => {
  return { name, ph: 'X', ts, dur, pid, tid, args };
};
const step = (
  name: string,
  ts: number,
  chunks: Array<{ request: number; start: number; end: number }>,
) => span(1, 1, name, ts, 900, { step: ts / 1000, predictedMs: 1, chunks });

const stream = (start: number) => ({ request: 0, start, end: start + 1 });
const trace = [
  step('decode', 1000, [stream(10)]),
  step('mixed step', 2000, [stream(11), { request: 1, start: 0, end: 16 }]),
  step('mixed step', 3000, [stream(12), { request: 1, start: 16, end: 116 }]),
  step('decode', 4000, [stream(13)]),
  span(2, 1, 'request 0', 0, 5000),
  span(2, 1, 'decode', 500, 4500),
  span(2, 2, 'request <1>', 1500, 2400),
  span(2, 2, 'queued', 1500, 500),
  span(2, 2, 'prefill', 2000, 900, { start: 0, end: 16 }),
  span(2, 2, 'prefill', 3000, 900, { start: 16, end: 116 }),
  { name: 'coalesced', ph: 'i', ts: 1600, pid: 2, tid: 2, args: { for: 0 } },
];

describe('the timeline of a mixed step', () => {
  test('looks at the step with the largest part of prompts, and at its neighbours', () => {
    const { step: found, steps, startUs, endUs } = findMixedStep(trace, 1);
    expect(found.args.step).toBe(3);
    expect(steps).toHaveLength(3);
    expect([startUs, endUs]).toEqual([2000, 4900]);
  });

  test('shows chunks, waiting, and the rows of the step', () => {
    const svg = drawTimeline(trace, 'a & b');
    for (const shown of [
      'a &amp; b',
      'request &lt;1&gt;',
      '16–116',
      'waits for request 0',
      'step 3: 101 rows, of which 1 decode; 1.0 ms expected, 0.9 ms taken',
    ]) {
      expect(svg).toContain(shown);
    }
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  test('is refused for a trace without a mixed step', () => {
    expect(() => findMixedStep(trace.slice(0, 1))).toThrow('no mixed step');
  });
});
