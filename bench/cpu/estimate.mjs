// How long a run will take, before it starts: what its rows compute over what this machine and the
// two engines are known to reach of it. A guess, for the person who waits.

import { weightsOf } from './plan.mjs';
import { decodeStep, prefillFlops, shapes, weightBytes } from './shapes.mjs';

/** Parts of the bandwidth, and of the multiplication peak, that an engine reaches: bench/log.md. */
const reached = {
  ours: { bandwidth: 0.8, bf16: 0.75, quantized: 0.5 },
  peer: { bandwidth: 0.5, bf16: 0.28, quantized: 0.2 },
};
/** Starting a process, loading, the first step: seconds per gigabyte of bf16 weights. */
const secondsPerLoadedGigabyte = 4;
const secondsPerCeilings = 2.5;

/** Seconds that one engine takes for a row: once, and in each round. */
function rowSeconds({ op, args, weights }, shape, ceilings, engine) {
  const rate =
    weights === 'bf16' ? ceilings.bf16Gflops * engine.bf16 : ceilings.int8Gops * engine.quantized;
  const prefill = (numTokens) => prefillFlops(shape, numTokens) / 1e9 / rate;
  if (op === 'prefill') return { once: 0, each: prefill(args.promptLen) };
  if (op === 'prefillCached') {
    const whole = prefill(args.promptLen);
    return engine.isOurs ? { once: 0, each: whole } : { once: whole, each: whole };
  }
  const { numSeqs, promptLen, numTokens } = args;
  const { bytes, flops } = decodeStep(shape, { numSeqs, meanContextLen: promptLen, weights });
  const memory = bytes / 1e9 / (ceilings.gigabytesPerSecond * engine.bandwidth);
  const compute = flops / 1e9 / rate;
  return { once: numSeqs * prefill(promptLen), each: numTokens * (memory + compute) };
}

/**
 * Seconds of one setting: its rows on both engines, starts and ceilings included.
 *
 * @param rows of {@link engineRows} that will run
 * @param ceilings of {@link measureCeilings} for the setting
 */
export function estimateSeconds(model, rows, ceilings, { hasPeer, numRounds }) {
  const shape = shapes[model];
  const engines = [
    { isOurs: true, ...reached.ours },
    ...(hasPeer ? [{ isOurs: false, ...reached.peer }] : []),
  ];
  const perStart =
    (weightBytes(shape) / 1e9) * secondsPerLoadedGigabyte * engines.length +
    secondsPerCeilings * numRounds;
  const starts = weightsOf(rows).length * perStart;
  const seconds = rows.flatMap((row) =>
    engines.map((engine) => {
      const { once, each } = rowSeconds(row, shape, ceilings, engine);
      return once + each * numRounds;
    }),
  );
  return seconds.reduce((sum, value) => sum + value, starts);
}
