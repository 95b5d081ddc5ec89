// What `npm run bench` prints: a line per row, and what stands above them.

const widths = { name: 60, figure: 17, ratio: 8, share: 26, verdict: 34 };

const pad = (text, width) => String(text).padEnd(width);

function figure(value, unit) {
  if (value === undefined) return '-';
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit ?? ''}`.trim();
}

function shareText({ ceiling, share }) {
  if (ceiling === undefined) return '';
  return share === undefined ? ceiling : `${(share * 100).toFixed(0)} % of ${ceiling}`;
}

const words = new Map([
  [true, 'pass'],
  [false, 'below'],
  [undefined, 'open'],
]);

/** `pass`, `below`, or `open` where what it needs was not measured. */
export const verdict = ({ isMet }) => words.get(isMet);

/** Nothing for a row that is only a mark for the others. */
const limitText = (limit) => (limit ? `${verdict(limit)} (${limit.text})` : '');

const header = [
  pad('', widths.name),
  pad('ours', widths.figure),
  pad('peer', widths.figure),
  pad('ratio', widths.ratio),
  pad('of the ceiling', widths.share),
  pad('gate', widths.verdict),
  'goal',
].join('');

/** One line of the table. */
export function rowLine(row) {
  const ratio = row.ratio === undefined ? '-' : row.ratio.toFixed(2);
  return [
    pad(row.name, widths.name),
    pad(figure(row.ours, row.unit), widths.figure),
    pad(figure(row.peer, row.unit), widths.figure),
    pad(ratio, widths.ratio),
    pad(shareText(row), widths.share),
    pad(limitText(row.gate), widths.verdict),
    limitText(row.goal),
  ].join('');
}

/** What was measured beside the rows. */
export function ceilingLine({ gigabytesPerSecond, f32Gflops, bf16Gflops, int8Gops }) {
  const whole = (value) => Math.round(value).toLocaleString('en-US');
  return (
    `ceilings: read ${gigabytesPerSecond.toFixed(1)} GB/s, f32 ${whole(f32Gflops)}, ` +
    `bf16 ${whole(bf16Gflops)} GFLOP/s, int8 ${whole(int8Gops)} GOP/s`
  );
}

/** The lines of one kind of weights. */
export function sectionLines({ weights, rows, ceilings, firstStep, isa }) {
  if (rows === undefined) return [`${weights} weights: not yet`];
  const lines = [`${weights} weights, ours on ${isa}; ${ceilingLine(ceilings)}`];
  if (firstStep) {
    const { isSameToken, numShared, numCompared, maxDifference } = firstStep;
    lines.push(
      `first step: ${isSameToken ? 'the same' : 'another'} token as the peer, ${numShared} of ${numCompared} ` +
        `most likely ones shared, log-probabilities at most ${maxDifference.toFixed(4)} apart`,
    );
  }
  return [...lines, header, ...rows.map(rowLine)];
}

/** The lines of rows that stand by themselves. */
export const tableLines = (rows) => [header, ...rows.map(rowLine)];
