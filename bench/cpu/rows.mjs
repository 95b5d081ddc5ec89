// The table of the CPU benchmarks: what each row runs, and what it must show.
//
// A row's figure is tokens per second, or milliseconds where `isTime`. `judge` gets medians and gives
// `{ ceiling, share, gate, goal }`: share is the part of the named ceiling that was reached; gate and
// goal are `{ text, isMet }`, isMet undefined where what they need was not measured.

import { decodeStep, prefillFlops } from './shapes.mjs';

/** Generated tokens that a decode row times. */
const numTimedTokens = 64;

const percent = (fraction) => `${Math.round(fraction * 100)} %`;

export function atLeast(name, value, limit, format = (number) => `${number} ×`) {
  const isMet = value === undefined ? undefined : value >= limit;
  return { text: `${name}≥ ${format(limit)}`, isMet };
}

export function atMost(value, limit, format) {
  const isMet = value === undefined ? undefined : value <= limit;
  return { text: `≤ ${format(limit)}`, isMet };
}

function both(first, second) {
  const states = [first.isMet, second.isMet];
  const isMet = states.includes(false) ? false : states.includes(undefined) ? undefined : true;
  return { text: `${first.text}, ${second.text}`, isMet };
}

/** Multiplications of a step, by what its weights are. */
const peakOf = (ceilings, weights) =>
  weights === 'bf16' ? ceilings.bf16Gflops : ceilings.int8Gops;

const prefillLimits = { bf16: [1.8, 2.5], int8: [2, 3], int4: [1.3, 2] };

function prefillRow(weights, promptLen) {
  const [gate, goal] = prefillLimits[weights];
  return {
    name: `prefill ${promptLen}`,
    group: weights === 'bf16' ? 'prefill' : weights,
    weights,
    op: 'prefill',
    args: { promptLen },
    toFigure: (ms) => (promptLen / ms) * 1000,
    judge({ ours, ratio, ceilings, shape }) {
      const flops = (prefillFlops(shape, promptLen) * ours) / promptLen;
      return {
        ceiling: weights === 'bf16' ? 'bf16 peak' : 'int8 peak',
        share: flops / 1e9 / peakOf(ceilings, weights),
        gate: atLeast('', ratio, gate),
        goal: atLeast('', ratio, goal),
      };
    },
  };
}

/** Prompt length with which the timed tokens' mean context is `meanContextLen`. */
const promptFor = (meanContextLen, numTokens) => meanContextLen - numTokens / 2;

function bandwidthShare({ ours, ceilings, shape }, step) {
  return (decodeStep(shape, step).bytes * ours) / 1e9 / ceilings.gigabytesPerSecond;
}

function decodeJudge(weights, model, { ratio }, share) {
  if (weights === 'int4') return [atLeast('', ratio, 1.2), atLeast('', ratio, 1.6)];
  if (weights === 'int8') return [atLeast('', ratio, 1.4), atLeast('', share, 0.85, percent)];
  const gate = atLeast('', share, 0.8, percent);
  const isGated = model === 's03';
  return [isGated ? both(gate, atLeast('', ratio, 1.3)) : gate, atLeast('', share, 0.93, percent)];
}

function decodeRow(weights, meanContextLen, numTokens) {
  return {
    name: `decode, 1 stream at ${meanContextLen}`,
    group: weights === 'bf16' ? 'decode' : weights,
    weights,
    op: 'decode',
    args: { numSeqs: 1, promptLen: promptFor(meanContextLen, numTokens), numTokens },
    toFigure: (rate) => rate,
    judge(medians) {
      const share = bandwidthShare(medians, { numSeqs: 1, meanContextLen, weights });
      const [gate, goal] = decodeJudge(weights, medians.model, medians, share);
      return { ceiling: 'bandwidth', share, gate, goal };
    },
  };
}

function streamsRow(meanContextLen, numTokens) {
  const numSeqs = 8;
  return {
    name: `decode, ${numSeqs} streams at ${meanContextLen}`,
    group: 'streams',
    weights: 'bf16',
    op: 'decode',
    args: { numSeqs, promptLen: promptFor(meanContextLen, numTokens), numTokens },
    toFigure: (rate) => rate,
    judge({ ours, ratio, ceilings, shape }) {
      const { bytes, flops } = decodeStep(shape, { numSeqs, meanContextLen });
      const { gigabytesPerSecond, bf16Gflops } = ceilings;
      // Memory and multiplications one after the other: what a step takes that hides neither.
      const stepSeconds = bytes / 1e9 / gigabytesPerSecond + flops / 1e9 / bf16Gflops;
      return {
        ceiling: 'roofline',
        share: (ours * stepSeconds) / numSeqs,
        gate: atLeast('', ratio, 3.5),
        goal: atLeast('', ratio, 5),
      };
    },
  };
}

function cachedPrefillRow(promptLen, numNew, prefillName) {
  return {
    name: `first token, ${promptLen - numNew} of ${promptLen} tokens cached by another user`,
    group: 'ttft',
    weights: 'bf16',
    op: 'prefillCached',
    args: { promptLen, numCached: promptLen - numNew },
    isTime: true,
    toFigure: (ms) => ms,
    judge({ ours, ratio, figureOf }) {
      const rate = figureOf(prefillName);
      const limitMs = rate === undefined ? undefined : (numNew / rate) * 1000 + 5;
      const text = `${numNew} tokens at prefill speed + 5 ms`;
      const goal = limitMs === undefined ? text : `${text}: ${limitMs.toFixed(0)} ms`;
      return {
        ceiling: undefined,
        share: undefined,
        gate: atLeast('', ratio, 20, (number) => `${number} × sooner`),
        goal: { text: goal, isMet: limitMs === undefined ? undefined : ours <= limitMs },
      };
    },
  };
}

/** Rows that both engines run, in the order of the table. */
export function engineRows(isQuick) {
  const [short, long, streams] = isQuick ? [128, 512, 128] : [512, 2048, 1024];
  const numTokens = isQuick ? numTimedTokens / 4 : numTimedTokens;
  const quantized = (weights) => [
    prefillRow(weights, short),
    prefillRow(weights, long),
    decodeRow(weights, 128, numTokens),
    decodeRow(weights, long, numTokens),
  ];
  return [
    prefillRow('bf16', short),
    prefillRow('bf16', long),
    decodeRow('bf16', 128, numTokens),
    decodeRow('bf16', long, numTokens),
    streamsRow(streams, numTokens),
    cachedPrefillRow(long, 148, `prefill ${short}`),
    ...quantized('int8'),
    ...quantized('int4'),
  ];
}

/** Peak memory over what must be in it: weights and a full KV pool. */
export function judgeMemory(peakRssBytes, neededBytes) {
  const times = (number) => `${number.toFixed(2)} ×`;
  const ratio = peakRssBytes / neededBytes;
  return { ratio, gate: atMost(ratio, 1.1, times), goal: atMost(ratio, 1.05, times) };
}

/** Loading over reading the same warm file into fresh memory. */
export function judgeLoad(loadMs, readMs) {
  const times = (number) => `${number} ×`;
  const ratio = loadMs / readMs;
  return { ratio, gate: atMost(ratio, 2, times), goal: atMost(ratio, 1.3, times) };
}

/**
 * Attention alone, of one layer.
 *
 * @param measured `{ row, layout, seconds, gflops, gigabytesPerSecond }` of `cpu_bench --json attention`
 */
export function judgeAttention(measured, ceilings) {
  const of = (row, layout) => measured.find((one) => one.row === row && one.layout === layout);
  const peak = of('prefill', 'block16').gflops / ceilings.bf16Gflops;
  const ofBandwidth = (layout) =>
    of('decode', layout).gigabytesPerSecond / ceilings.gigabytesPerSecond;
  const share = (name, ceiling, value, gate, goal) => ({
    name,
    ceiling,
    share: value,
    gate: atLeast('', value, gate, percent),
    goal: atLeast('', value, goal, percent),
  });
  const paged = (row, layout, gate, goal) =>
    share(
      `attention, ${row}: ${layout} shuffled`,
      'contiguous',
      of(row, 'contiguous').seconds / of(row, layout).seconds,
      gate,
      goal,
    );
  return [
    share('attention, prefill, causal', 'bf16 peak', peak, 0.45, 0.6),
    share('attention, decode', 'bandwidth', ofBandwidth('block16'), 0.75, 0.88),
    {
      name: 'its blocks read alone, nothing computed',
      ceiling: 'bandwidth',
      share: ofBandwidth('block16 read alone'),
    },
    paged('prefill', 'block16', 0.97, 0.99),
    paged('decode', 'block16', 0.85, 0.92),
    paged('decode', 'block64', 0.95, 0.98),
  ];
}
