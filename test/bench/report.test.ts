import { drawCeilings, drawPeer, findSettings } from '../../bench/report/charts.mjs';

const row = {
  name: 'prefill 512',
  weights: 'bf16',
  unit: 'tok/s',
  ours: 900,
  peer: 300,
  ratio: 3,
  ceiling: 'bf16 peak',
  share: 0.5,
};
const setting = {
  model: 's03',
  threads: 2,
  isa: 'auto',
  sections: [{ weights: 'bf16', rows: [row] }],
};
const run = { date: '2026-01-02T03:04:05Z', peer: 'node-llama-cpp 9', settings: [setting] };

describe('charts of recorded runs', () => {
  test('are of the last run of each setting', () => {
    const other = { ...setting, threads: 1 };
    const newer = { ...run, date: '2026-02-02T00:00:00Z', settings: [setting] };
    const found = findSettings([{ ...run, settings: [setting, other] }, newer]);
    expect(found.map((one) => [one.run.date, one.setting.threads])).toEqual([
      [newer.date, 2],
      [run.date, 1],
    ]);
  });

  test('name machine-independent facts: model, threads, date, both figures and the ceiling', () => {
    const svg = drawPeer(run, setting);
    for (const text of [
      's03, 2 threads',
      '2026-01-02',
      '3.00 ×, 900 tok/s',
      'node-llama-cpp 9',
      '300 tok/s',
    ])
      expect(svg).toContain(text);
    expect(drawCeilings(run, setting)).toContain('50 % of bf16 peak');
  });

  test('are left out where there was no peer, and without weights that are not there yet', () => {
    const alone = { ...row, peer: undefined, ratio: undefined };
    const without = {
      ...setting,
      sections: [{ weights: 'bf16', rows: [alone] }, { weights: 'int8' }],
    };
    expect(drawPeer(run, without)).toBeUndefined();
    expect(drawCeilings(run, without)).toContain('prefill 512');
  });
});
