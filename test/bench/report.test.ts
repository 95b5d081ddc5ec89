import { readFileSync } from 'node:fs';
import {
  drawCeilings,
  drawCharts,
  drawPeer,
  findAttention,
  findSettings,
} from '../../bench/report/charts.mjs';
import { figuresText, replaceFigures, summaryText } from '../../bench/report/page.mjs';

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

describe('figures of recorded runs on pages', () => {
  const limit = (text: string, isMet: boolean | undefined) => ({ text, isMet });
  const judged = { ...row, gate: limit('≥ 1.8 ×', true), goal: limit('≥ 5 ×', undefined) };
  const recorded = {
    ...run,
    machine: 'a machine',
    processor: 'model 17',
    commit: 'abc1234',
    command: 'npm run bench -- --record',
  };
  const ceilings = { gigabytesPerSecond: 34.25, bf16Gflops: 466.6, int8Gops: 928.9 };
  const section = { weights: 'bf16', ceilings, rows: [judged] };
  const one = {
    run: recorded,
    setting: { ...setting, sections: [section, { weights: 'int8' }], processRows: [] },
  };
  const imagesOf = () => ['chart.svg'];

  test('name machine, commit, command, ceilings, both figures and the verdicts', () => {
    const text = figuresText([one], [], imagesOf);
    for (const part of [
      'a machine',
      'commit abc1234, `npm run bench -- --record`',
      'read 34.3 GB/s, bf16 467 GFLOP/s, int8 929 GOP/s',
      '| prefill 512 | 900 tok/s | 300 tok/s | 3.00 | 50 % of bf16 peak | ≥ 1.8 ×: pass | ≥ 5 ×: open |',
      '![s03, 2 threads, auto](charts/chart.svg)',
    ])
      expect(text).toContain(part);
  });

  test('of the README are the chart of s03 with the most threads', () => {
    const alone = { ...one, setting: { ...one.setting, threads: 1 } };
    const text = summaryText([alone, one], (given: typeof one) => [`${given.setting.threads}.svg`]);
    expect(text).toContain('docs/charts/2.svg');
    expect(summaryText([], imagesOf)).toContain('No run has been recorded yet');
  });

  test('replace what stood between the markers, and nothing else', () => {
    const page = 'before <!-- figures: npm run bench:report -->old<!-- end of figures --> after';
    const replaced = replaceFigures(page, 'new');
    expect(replaced).toBe(page.replace('old', '\n\nnew\n\n'));
    expect(replaceFigures(replaced, 'new')).toBe(replaced);
    expect(() => replaceFigures('no markers', 'new')).toThrow('figures');
  });

  test('on docs/performance.md and README.md are those of bench/cpu-runs.json', () => {
    const runs = JSON.parse(readFileSync('bench/cpu-runs.json', 'utf8'));
    const settings = findSettings(runs);
    const names = (given: (typeof settings)[number]) =>
      drawCharts(given).map(({ name }: { name: string }) => name);
    for (const [path, text] of [
      ['docs/performance.md', figuresText(settings, findAttention(runs), names)],
      ['README.md', summaryText(settings, names)],
    ]) {
      const page = readFileSync(path, 'utf8');
      expect(replaceFigures(page, text)).toBe(page);
    }
  });

  test('stand on the page with the peer that each setting was measured beside', () => {
    const ceilings = { gigabytesPerSecond: 30, bf16Gflops: 400, int8Gops: 900 };
    const sections = [{ weights: 'bf16', rows: [row], ceilings }];
    const settings = [1, 2].map((threads) => ({
      run: { ...run, peer: `node-llama-cpp ${threads}` },
      setting: { ...setting, threads, sections, processRows: [] },
    }));
    const text = figuresText(settings, [], () => []);
    expect(text.match(/peer: node-llama-cpp \d/g)).toEqual([
      'peer: node-llama-cpp 1',
      'peer: node-llama-cpp 2',
    ]);
  });
});
