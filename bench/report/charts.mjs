// Charts of recorded CPU runs: one setting (model, threads, instruction set) per chart.

import { barChart, groupedBarChart } from '../svg-chart.mjs';

/** The hue of groupedBarChart's first bar. */
const oursHue = 0;

/**
 * The last run of each setting.
 *
 * @param runs what `npm run bench -- --record` appended, oldest first
 * @returns `[{ run, setting }]`
 */
export function findSettings(runs) {
  const latest = new Map();
  for (const run of runs) {
    for (const setting of run.settings) {
      const { model, threads, isa } = setting;
      latest.set(`${model} ${threads} ${isa}`, { run, setting });
    }
  }
  return [...latest.values()];
}

const rowsOf = ({ sections }) =>
  sections.flatMap(({ rows = [], weights }) =>
    rows.map((row) => ({
      ...row,
      title: weights === 'bf16' ? row.name : `${weights} ${row.name}`,
    })),
  );

function titleOf(what, run, { model, threads, isa }) {
  const count = `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return `${what}: ${model}, ${count}, ${isa}, ${run.date.slice(0, 10)}`;
}

const rounded = (value) => value.toFixed(value < 10 ? 1 : 0);

/** Throughput beside the peer's, in multiples of the peer's; undefined where there was no peer. */
export function drawPeer(run, setting) {
  const rows = rowsOf(setting).filter(({ ratio, unit }) => ratio !== undefined && unit === 'tok/s');
  if (rows.length === 0) return undefined;
  return groupedBarChart({
    title: titleOf('Speed beside the peer', run, setting),
    names: ['paged-attention', run.peer],
    rows: rows.map(({ title, ours, peer, ratio }) => ({
      name: title,
      values: [ratio, 1],
      labels: [`${ratio.toFixed(2)} ×, ${rounded(ours)} tok/s`, `${rounded(peer)} tok/s`],
    })),
  });
}

/** Part of the machine's ceiling that each row reached; undefined where none has one. */
export function drawCeilings(run, setting) {
  const bars = rowsOf(setting)
    .filter(({ share }) => share !== undefined)
    .map(({ title, share, ceiling }) => ({
      name: title,
      value: share,
      label: `${Math.round(share * 100)} % of ${ceiling}`,
      hue: oursHue,
    }));
  if (bars.length === 0) return undefined;
  return barChart({ title: titleOf('Part of the ceiling reached', run, setting), bars });
}

/** All charts of one setting: `[{ name, svg }]`, the one beside the peer first. */
export function drawCharts({ run, setting }) {
  const { model, threads, isa } = setting;
  return [
    ['peer', drawPeer(run, setting)],
    ['ceilings', drawCeilings(run, setting)],
  ]
    .filter(([, svg]) => svg !== undefined)
    .map(([what, svg]) => ({ name: `cpu-${model}-${threads}-${isa}-${what}.svg`, svg }));
}

/** Attention alone, of the last run that measured it. */
export const findAttention = (runs) =>
  runs.findLast(({ attention }) => attention?.length > 0)?.attention ?? [];
