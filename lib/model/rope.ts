import { setImmediate } from 'node:timers/promises';
import type { RopeConfig, RopeScaling } from './rope-config.js';

/** How q and k are turned in a model that was loaded for one context length. */
export interface Rotation {
  /** `[rotaryDim / 2]` radians per position, per pair of elements. */
  readonly frequencies: Float64Array;
  /** Cosines and sines are multiplied by it. */
  readonly magnitude: number;
}

/**
 * Chooses the rotation of every position, once.
 *
 * A factor that depends on a length depends on the configured context, never on a request: otherwise
 * a key cached by a short request would be turned otherwise than a long request needs it.
 *
 * @param contextLen longest context that the model is loaded for, in tokens
 * @see transformers, modeling_rope_utils.py, which chooses longrope's factors by the length of each call
 */
export function chooseRotation(rope: RopeConfig, contextLen: number): Rotation {
  const { theta, rotaryDim, scaling } = rope;
  const numPairs = rotaryDim / 2;
  const plain = Float64Array.from({ length: numPairs }, (_, i) => theta ** ((-2 * i) / rotaryDim));
  const slowing = slowingOf(rope, contextLen);
  const magnitude = 'attentionFactor' in scaling ? scaling.attentionFactor : 1;
  return { frequencies: plain.map((frequency, pair) => slowing(frequency, pair)), magnitude };
}

/** Gives a pair's frequency from its plain one. */
type Slowing = (frequency: number, pair: number) => number;

function slowingOf({ theta, rotaryDim, scaling }: RopeConfig, contextLen: number): Slowing {
  switch (scaling.type) {
    case 'default':
      return (frequency) => frequency;
    case 'linear':
      return (frequency) => frequency / scaling.factor;
    case 'llama3':
      return (frequency) => slowLlama3(scaling, frequency);
    case 'yarn':
      return yarnSlowing(scaling, theta, rotaryDim);
    case 'longrope': {
      const isLong = contextLen > scaling.originalMaxPositions;
      const factors = isLong ? scaling.longFactors : scaling.shortFactors;
      return (frequency, pair) => frequency / factors[pair];
    }
  }
}

/**
 * Wavelengths above `originalMaxPositions / lowFreqFactor` are stretched by `factor`, those below
 * `originalMaxPositions / highFreqFactor` are kept, between them the two are blended.
 *
 * @see the reference code of Llama 3.1
 */
function slowLlama3(scaling: RopeScaling & { type: 'llama3' }, frequency: number): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
  const numTurns = (originalMaxPositions * frequency) / (2 * Math.PI);
  const blend = (numTurns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  const kept = Math.min(1, Math.max(0, blend));
  return frequency * (kept + (1 - kept) / factor);
}

/**
 * Keeps the pairs before the one that turns `betaFast` times in the original context, slows those after
 * the one that turns `betaSlow` times by `factor`, and blends between, linearly in the pair's index.
 *
 * @see Peng et al. 2023 (arXiv 2309.00071), section 3.2
 */
function yarnSlowing(
  scaling: RopeScaling & { type: 'yarn' },
  theta: number,
  rotaryDim: number,
): Slowing {
  const { factor, betaFast, betaSlow, isTruncated, originalMaxPositions } = scaling;
  const pairThatTurns = (numTurns: number) =>
    (rotaryDim * Math.log(originalMaxPositions / (numTurns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairThatTurns(betaFast), pairThatTurns(betaSlow)];
  const low = Math.max(0, isTruncated ? Math.floor(first) : first);
  const high = Math.min(rotaryDim - 1, isTruncated ? Math.ceil(last) : last);
  const width = high === low ? 0.001 : high - low; // one pair wide where both borders are one pair
  return (frequency, pair) => {
    const slowed = Math.min(1, Math.max(0, (pair - low) / width));
    return frequency * (1 - slowed + slowed / factor);
  };
}

/** Pairs between two turns of the event loop: about a millisecond's. */
const pairsPerTurn = 16384;

/**
 * Computes the cosines and sines of every position, in float64, rounded once. Other work of the event
 * loop gets its turns meanwhile: a long context's table takes a good part of a second.
 *
 * @returns `[contextLen, rotaryDim]` f32; a row holds the cosine of each pair, then the sine of each
 */
export async function ropeTable(rope: RopeConfig, contextLen: number): Promise<Float32Array> {
  const rotation = chooseRotation(rope, contextLen);
  const table = new Float32Array(contextLen * rope.rotaryDim);
  const rowsPerTurn = Math.ceil((2 * pairsPerTurn) / rope.rotaryDim);
  for (let start = 0; start < contextLen; start += rowsPerTurn) {
    if (start > 0) await setImmediate();
    fillRopeRows(table, rotation, start, Math.min(contextLen, start + rowsPerTurn));
  }
  return table;
}

/** Writes the rows of positions `[start, end)`. */
function fillRopeRows(
  table: Float32Array,
  { frequencies, magnitude }: Rotation,
  start: number,
  end: number,
): void {
  const numPairs = frequencies.length;
  for (let position = start; position < end; position++) {
    const row = position * numPairs * 2;
    for (let pair = 0; pair < numPairs; pair++) {
      const angle = position * frequencies[pair];
      table[row + pair] = magnitude * Math.cos(angle);
      table[row + numPairs + pair] = magnitude * Math.sin(angle);
    }
  }
}

/**
 * A table whose rotation changes nothing (cosines 1, sines 0), for layers without rotary embedding.
 *
 * @returns `[contextLen, rotaryDim]` f32
 */
export function identityRopeTable(rotaryDim: number, contextLen: number): Float32Array {
  const table = new Float32Array(contextLen * rotaryDim);
  for (let row = 0; row < table.length; row += rotaryDim) table.fill(1, row, row + rotaryDim / 2);
  return table;
}
