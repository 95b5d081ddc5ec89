import { setImmediate } from 'node:timers/promises';
import { ConfigFields } from './config-fields.js';

/** How the frequencies of a rotary embedding are stretched for longer contexts. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      /** Tokens of context that the model was first trained on. */
      readonly originalMaxPositions: number;
    };

/** A rotary embedding, whichever way config.json spells it. */
export interface RopeConfig {
  readonly theta: number;
  /** Leading elements of each head that are rotated; even, at most head_dim. */
  readonly rotaryDim: number;
  readonly scaling: RopeScaling;
}

/** Readers of each rope type's own fields; `maxPositions` stands in for an absent original length. */
const scalingReaders: Record<string, (fields: ConfigFields, maxPositions: number) => RopeScaling> =
  {
    default: () => ({ type: 'default' }),
    linear: (fields) => ({ type: 'linear', factor: fields.getPositive('factor') }),
    llama3: (fields, maxPositions) => {
      const lowFreqFactor = fields.getPositive('low_freq_factor');
      const highFreqFactor = fields.getPositive('high_freq_factor');
      if (highFreqFactor <= lowFreqFactor) {
        throw fields.refusal('high_freq_factor', `more than low_freq_factor (${lowFreqFactor})`);
      }
      const originalMaxPositions = fields.has('original_max_position_embeddings')
        ? fields.getCount('original_max_position_embeddings')
        : maxPositions;
      const factor = fields.getPositive('factor');
      return { type: 'llama3', factor, lowFreqFactor, highFreqFactor, originalMaxPositions };
    },
  };

/**
 * Reads the rotary embedding from config.json: `rope_parameters` of transformers 5, or `rope_theta`,
 * `rope_scaling` and `partial_rotary_factor` of earlier ones.
 *
 * @param config all fields, defaults of the architecture filled in
 * @throws {InvalidArgumentError} `ERR_CONFIG_INVALID`, for an unknown rope type with the known ones
 */
export function parseRope(config: ConfigFields, headDim: number, maxPositions: number): RopeConfig {
  const spelling = config.has('rope_scaling') ? 'rope_scaling' : 'rope_parameters';
  const parameters = config.getObject(spelling);
  if (Object.values(parameters).some((value) => typeof value === 'object' && value !== null)) {
    throw config.refusal(spelling, 'one set of numbers for all layers');
  }
  const fields = new ConfigFields(
    {
      ...parameters,
      rope_type: parameters.rope_type ?? parameters.type ?? 'default',
      rope_theta: parameters.rope_theta ?? config.findRaw('rope_theta'),
      partial_rotary_factor:
        parameters.partial_rotary_factor ?? config.findRaw('partial_rotary_factor') ?? 1,
    },
    `config.json: ${spelling}.`,
  );
  const rotaryDim = Math.trunc(headDim * fields.getPositive('partial_rotary_factor'));
  if (rotaryDim < 2 || rotaryDim > headDim || rotaryDim % 2 !== 0) {
    throw fields.refusal('partial_rotary_factor', `an even part of the head's ${headDim} elements`);
  }
  const readScaling = fields.getChoice('rope_type', scalingReaders);
  const scaling = readScaling(fields, maxPositions);
  return { theta: fields.getPositive('rope_theta'), rotaryDim, scaling };
}

/**
 * Gives the angle, in radians per position, by which each pair of elements turns.
 *
 * @returns `[rotaryDim / 2]` float64
 * @see transformers, modeling_rope_utils.py; for `llama3` also the reference code of Llama 3.1:
 *   wavelengths above `originalMaxPositions / lowFreqFactor` are stretched by `factor`, those below
 *   `originalMaxPositions / highFreqFactor` are kept, between them the two are blended
 */
export function inverseFrequencies({ theta, rotaryDim, scaling }: RopeConfig): Float64Array {
  return Float64Array.from({ length: rotaryDim / 2 }, (_, pair) => {
    const frequency = theta ** ((-2 * pair) / rotaryDim);
    if (scaling.type === 'default') return frequency;
    if (scaling.type === 'linear') return frequency / scaling.factor;

    const numTurns = (scaling.originalMaxPositions * frequency) / (2 * Math.PI);
    const { factor, lowFreqFactor, highFreqFactor } = scaling;
    const blend = (numTurns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    const kept = Math.min(1, Math.max(0, blend));
    return frequency * (kept + (1 - kept) / factor);
  });
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
  const frequencies = inverseFrequencies(rope);
  const table = new Float32Array(contextLen * rope.rotaryDim);
  const rowsPerTurn = Math.ceil(pairsPerTurn / frequencies.length);
  for (let start = 0; start < contextLen; start += rowsPerTurn) {
    if (start > 0) await setImmediate();
    fillRopeRows(table, frequencies, start, Math.min(contextLen, start + rowsPerTurn));
  }
  return table;
}

/** Writes the rows of positions `[start, end)`. */
function fillRopeRows(table: Float32Array, frequencies: Float64Array, start: number, end: number) {
  const numPairs = frequencies.length;
  for (let position = start; position < end; position++) {
    const row = position * numPairs * 2;
    for (let pair = 0; pair < numPairs; pair++) {
      const angle = position * frequencies[pair];
      table[row + pair] = Math.cos(angle);
      table[row + numPairs + pair] = Math.sin(angle);
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
