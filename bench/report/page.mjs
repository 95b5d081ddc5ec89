// What docs/performance.md and README.md say of recorded runs, between two markers each, so that no
// figure there can differ from bench/cpu-runs.json.

import { verdict } from '../cpu/table.mjs';

const begin = '<!-- figures: npm run bench:report -->';
const end = '<!-- end of figures -->';
const recordCommand = 'npm run bench -- --model s03,l1b --isa auto,avx2 --record';
const noRun = `No run has been recorded yet; \`${recordCommand}\` records one.`;

/**
 * A page with another text between its markers.
 *
 * @throws {Error} when the page has no markers
 */
export function replaceFigures(page, text) {
  const [first, last] = [page.indexOf(begin), page.indexOf(end)];
  if (first < 0 || last < first) throw new Error(`no ${begin} … ${end}`);
  return `${page.slice(0, first)}${begin}\n\n${text}\n\n${page.slice(last)}`;
}

const threadsText = (threads) => `${threads} ${threads === 1 ? 'thread' : 'threads'}`;

function figure(value, unit) {
  if (value === undefined) return '';
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit ?? ''}`.trim();
}

function shareText({ share, ceiling }) {
  if (share === undefined) return ceiling ?? '';
  return `${Math.round(share * 100)} % of ${ceiling}`;
}

const limitText = (limit) => (limit ? `${limit.text}: ${verdict(limit)}` : '');

function rowLine(row) {
  const name = row.weights && row.weights !== 'bf16' ? `${row.weights} ${row.name}` : row.name;
  const cells = [
    name,
    figure(row.ours, row.unit),
    figure(row.peer, row.unit),
    row.ratio === undefined ? '' : row.ratio.toFixed(2),
    shareText(row),
    limitText(row.gate),
    limitText(row.goal),
  ];
  return `| ${cells.join(' | ')} |`;
}

const tableOf = (rows) =>
  [
    '| | ours | peer | ratio | of the ceiling | gate | goal |',
    '| --- | ---: | ---: | ---: | --- | --- | --- |',
    ...rows.map(rowLine),
  ].join('\n');

function ceilingText({ gigabytesPerSecond, bf16Gflops, int8Gops }) {
  const whole = (value) => Math.round(value).toLocaleString('en-US');
  return (
    `read ${gigabytesPerSecond.toFixed(1)} GB/s, bf16 ${whole(bf16Gflops)} GFLOP/s, ` +
    `int8 ${whole(int8Gops)} GOP/s`
  );
}

function settingText({ run, setting }, images) {
  const { model, threads, isa, sections, processRows } = setting;
  const measured = sections.filter(({ rows }) => rows !== undefined);
  const rows = [...measured.flatMap((section) => section.rows), ...processRows];
  const origin =
    `${run.date.slice(0, 10)}, commit ${run.commit}, \`${run.command}\`, ` +
    `peer: ${run.peer ?? 'none'}`;
  const ceilings = measured.length > 0 ? `Ceilings: ${ceilingText(measured[0].ceilings)}. ` : '';
  return [
    `### ${model}, ${threadsText(threads)}, ${isa}`,
    `${ceilings}${origin}.`,
    ...images.map((file) => `![${model}, ${threadsText(threads)}, ${isa}](charts/${file})`),
    tableOf(rows),
  ].join('\n\n');
}

function attentionText({ threads, isa, rows, ceilings }) {
  const title = `### Attention alone, one layer, ${threadsText(threads)}, ${isa}`;
  return [title, `Ceilings: ${ceilingText(ceilings)}.`, tableOf(rows)].join('\n\n');
}

/**
 * The figures of docs/performance.md.
 *
 * @param settings of {@link findSettings}
 * @param attention `attention` of the last run that measured it
 * @param imagesOf names of the charts of a setting
 */
export function figuresText(settings, attention, imagesOf) {
  if (settings.length === 0) return noRun;
  const { run } = settings.at(-1);
  const machine = `${run.machine}. ${run.processor ?? ''}.`;
  const parts = settings.map((one) => settingText(one, imagesOf(one)));
  return [machine, ...parts, ...attention.map(attentionText)].join('\n\n');
}

/** The figures of README.md: one chart, of the best instruction set and most threads of s03. */
export function summaryText(settings, imagesOf) {
  const [best] = settings
    .filter(({ setting }) => setting.model === 's03' && setting.isa === 'auto')
    .toSorted((a, b) => b.setting.threads - a.setting.threads);
  if (best === undefined) return noRun;
  const [image] = imagesOf(best);
  const { run, setting } = best;
  return (
    `![Speed beside ${run.peer}, ${setting.model}](docs/charts/${image})\n\n` +
    `${run.machine}, ${run.date.slice(0, 10)}. All settings, ceilings and the method: ` +
    '[docs/performance.md](docs/performance.md).'
  );
}
