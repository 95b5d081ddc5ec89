// Draws a trace of the engine around one mixed step: who did what when, and what that step consisted of.

import { frame, grid, hues, ink, text } from '../svg-chart.mjs';

const [width, left, right, rowHeight] = [760, 150, 28, 24];
const requestsPid = 2;
const fills = { queued: `${ink}33`, preempted: `${ink}33`, prefill: hues[0], decode: hues[1] };

const endOf = ({ ts, dur = 0 }) => ts + dur;
const isMixed = ({ name }) => name === 'mixed step';
const isPrefill = ({ start, end }) => end - start > 1;

/**
 * The step to look at, and the time around it.
 *
 * @param traceEvents of `llm.trace()`
 * @param numAround steps that are shown before and after it
 * @returns `{ step, startUs, endUs, steps }`; the step is the mixed one that shares most rows out among prompts
 */
export function findMixedStep(traceEvents, numAround = 3) {
  const steps = traceEvents.filter(({ ph, pid }) => ph === 'X' && pid === 1);
  const score = ({ args }) => {
    const lengths = args.chunks.filter(isPrefill).map(({ start, end }) => end - start);
    return lengths.reduce((sum, length) => sum + Math.sqrt(length), 0);
  };
  const step = steps.filter(isMixed).reduce((best, one) => {
    return best === undefined || score(one) > score(best) ? one : best;
  }, undefined);
  if (step === undefined) throw new Error('the trace has no mixed step');
  const at = steps.indexOf(step);
  const shown = steps.slice(Math.max(0, at - numAround), at + numAround + 1);
  return { step, steps: shown, startUs: shown[0].ts, endUs: endOf(shown.at(-1)) };
}

const box = (x, y, w, h, fill, extra = '') =>
  `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(1, w).toFixed(1)}" height="${h}" rx="2" fill="${fill}"${extra}/>`;

/** One line per track, in the order of their requests. */
function tracksOf(traceEvents, { startUs, endUs }) {
  const requests = traceEvents.filter(({ pid, ph }) => pid === requestsPid && ph !== 'M');
  const isShown = (event) => endOf(event) > startUs && event.ts < endUs;
  const tids = [...new Set(requests.filter(isShown).map(({ tid }) => tid))].sort((a, b) => a - b);
  return tids.map((tid) => {
    const events = requests.filter((event) => event.tid === tid);
    const isQueued = events.some((event) => event.name === 'queued' && isShown(event));
    // Whom it waits for was said when it began to.
    return events.filter((event) => isShown(event) || (event.name === 'coalesced' && isQueued));
  });
}

function drawTrack(events, y, toX) {
  const name = events.find((event) => event.name.startsWith('request'))?.name ?? 'request';
  const spans = events.filter((event) => event.ph === 'X' && event.name in fills);
  const boxes = spans.map((span) => {
    const x = toX(span.ts);
    const w = toX(endOf(span)) - x;
    const label = span.name === 'prefill' ? `${span.args.start}–${span.args.end}` : '';
    const fits = label !== '' && w > 7 * label.length;
    return (
      box(x, y + 3, w - 1, rowHeight - 6, fills[span.name]) +
      (fits ? text(x + w / 2, y + 16, label, { anchor: 'middle', size: 10, fill: 'white' }) : '')
    );
  });
  const waits = events.filter((event) => event.name === 'coalesced');
  const marks = waits.map((event) =>
    text(toX(event.ts) + 4, y + 16, `waits for request ${event.args.for}`, { size: 10 }),
  );
  return text(left - 8, y + 16, name, { anchor: 'end' }) + boxes.join('') + marks.join('');
}

function drawSteps({ steps, step }, y, toX) {
  return steps
    .map((one) => {
      const x = toX(one.ts);
      const fill = isMixed(one) ? hues[2] : one.name === 'prefill' ? hues[0] : hues[1];
      const stroke = one === step ? ` stroke="${ink}" stroke-width="2"` : '';
      return box(x, y + 3, toX(endOf(one)) - x - 1, rowHeight - 6, fill, stroke);
    })
    .join('');
}

/** The rows of one step as parts of a bar: one per sequence, as wide as its tokens. */
function drawRows({ args, dur }, y) {
  const total = args.chunks.reduce((sum, { start, end }) => sum + end - start, 0);
  const unit = (width - left - right) / total;
  let x = left;
  const parts = args.chunks.map((chunk) => {
    const numTokens = chunk.end - chunk.start;
    const w = numTokens * unit;
    const part = box(x, y + 20, Math.max(1.5, w - 1), 22, isPrefill(chunk) ? hues[0] : hues[1]);
    const label = `request ${chunk.request}: ${chunk.start}–${chunk.end}`;
    const shown =
      w > 6.5 * label.length
        ? text(x + w / 2, y + 35, label, { anchor: 'middle', size: 11, fill: 'white' })
        : '';
    x += w;
    return part + shown;
  });
  const numDecoding = args.chunks.filter((chunk) => !isPrefill(chunk)).length;
  const ms = (value) => `${value.toFixed(1)} ms`;
  const line = `step ${args.step}: ${total} rows, of which ${numDecoding} decode; ${ms(args.predictedMs)} expected, ${ms(dur / 1000)} taken`;
  return (
    text(left, y + 12, line, { size: 12 }) +
    text(left - 8, y + 35, 'its rows', { anchor: 'end' }) +
    parts.join('')
  );
}

function drawLegend(y) {
  const entries = [
    ['prompt rows', hues[0]],
    ['decode', hues[1]],
    ['mixed step', hues[2]],
    ['waiting', fills.queued],
  ];
  return entries
    .map(([name, fill], i) => box(16 + i * 120, y - 9, 10, 10, fill) + text(31 + i * 120, y, name))
    .join('');
}

/** The drawing as an SVG document; `title` stands above it. */
export function drawTimeline(traceEvents, title) {
  const found = findMixedStep(traceEvents);
  const { startUs, endUs, step } = found;
  const toX = (us) =>
    left +
    ((Math.min(Math.max(us, startUs), endUs) - startUs) * (width - left - right)) /
      (endUs - startUs);
  const tracks = tracksOf(traceEvents, found);
  const top = 56;
  const bottom = top + (tracks.length + 1) * rowHeight;
  const [focusX, focusWidth] = [toX(step.ts), toX(endOf(step)) - toX(step.ts)];
  const tickMs = [0, 0.25, 0.5, 0.75, 1].map((part) => (part * (endUs - startUs)) / 1000);
  const ticks = tickMs.map((ms) => {
    const x = toX(startUs + ms * 1000);
    return (
      `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${top}" y2="${bottom + 4}" stroke="${grid}"/>` +
      text(x, bottom + 18, `${ms.toFixed(0)} ms`, { anchor: 'middle', size: 11 })
    );
  });
  const body = [
    drawLegend(44),
    ...ticks,
    box(focusX, top, focusWidth, bottom - top, `${hues[2]}22`),
    text(left - 8, top + 16, 'steps', { anchor: 'end', weight: 600 }),
    drawSteps(found, top, toX),
    ...tracks.map((events, i) => drawTrack(events, top + (i + 1) * rowHeight, toX)),
    drawRows(step, bottom + 34),
  ];
  return frame(width, bottom + 90, title, body.join(''));
}
