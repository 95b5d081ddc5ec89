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
    }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      /** Pairs that turn more often than `betaFast` in the original context are kept, */
      readonly betaFast: number;
      /** those that turn less often than `betaSlow` are slowed by `factor`. */
      readonly betaSlow: number;
      /** Whether the borders between them are whole pairs. */
      readonly isTruncated: boolean;
      readonly originalMaxPositions: number;
      /** Cosines and sines are multiplied by it. */
      readonly attentionFactor: number;
    }
  | {
      readonly type: 'longrope';
      /** `[rotaryDim / 2]` what slows each pair where the context is at most the original one. */
      readonly shortFactors: readonly number[];
      /** `[rotaryDim / 2]` the same for longer contexts. */
      readonly longFactors: readonly number[];
      readonly originalMaxPositions: number;
      readonly attentionFactor: number;
    };

/** A rotary embedding, whichever way config.json spells it. */
export interface RopeConfig {
  readonly theta: number;
  /** Leading elements of each head that are rotated; even, at most head_dim. */
  readonly rotaryDim: number;
  readonly scaling: RopeScaling;
}

/** What a reader of scaling fields knows beside them. */
interface RopeShape {
  /** Stands in for an absent original length, and for an absent factor over it. */
  readonly maxPositions: number;
  readonly rotaryDim: number;
}

/** Readers of each rope type's own fields. */
const scalingReaders: Record<string, (fields: ConfigFields, shape: RopeShape) => RopeScaling> = {
  default: () => ({ type: 'default' }),
  linear: (fields) => ({ type: 'linear', factor: fields.getPositive('factor') }),
  llama3: readLlama3,
  yarn: readYarn,
  longrope: readLongrope,
};

/** Fields beside `rope_parameters` that count as its own, as transformers 5 takes them in. */
const outerFields = ['rope_theta', 'partial_rotary_factor'] as const;

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
  const isObject = (value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (Object.values(parameters).some(isObject)) {
    throw config.refusal(spelling, 'one set of numbers for all layers');
  }
  const outer = Object.fromEntries(outerFields.map((name) => [name, config.findRaw(name)]));
  const original = config.findRaw('original_max_position_embeddings');
  const fields = new ConfigFields(
    {
      ...{ ...outer, partial_rotary_factor: outer.partial_rotary_factor ?? 1 },
      ...withoutNull(parameters),
      rope_type: ropeType(parameters),
      // Phi-3 keeps it beside the others, and there it counts.
      original_max_position_embeddings: original ?? parameters.original_max_position_embeddings,
    },
    `config.json: ${spelling}.`,
  );
  const rotaryDim = Math.trunc(headDim * fields.getPositive('partial_rotary_factor'));
  if (rotaryDim < 2 || rotaryDim > headDim || rotaryDim % 2 !== 0) {
    throw fields.refusal('partial_rotary_factor', `an even part of the head's ${headDim} elements`);
  }
  if (ropeType(parameters) === 'dynamic') {
    const known = Object.keys(scalingReaders).join(', ');
    const reason = 'dynamic would make a cached key depend on the length of its request';
    throw fields.refusal('rope_type', `one of ${known}; ${reason}`);
  }
  const readScaling = fields.getChoice('rope_type', scalingReaders);
  const scaling = readScaling(fields, { maxPositions, rotaryDim });
  return { theta: fields.getPositive('rope_theta'), rotaryDim, scaling };
}

/** Early Phi-3 configs call longrope `su` or `yarn`; only longrope has factors per pair. */
function ropeType(parameters: Readonly<Record<string, unknown>>): unknown {
  const type = parameters.rope_type ?? parameters.type ?? 'default';
  const hasPairFactors = parameters.short_factor !== undefined;
  return hasPairFactors && (type === 'su' || type === 'yarn') ? 'longrope' : type;
}

const withoutNull = (values: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));

function readLlama3(fields: ConfigFields, { maxPositions }: RopeShape): RopeScaling {
  const lowFreqFactor = fields.getPositive('low_freq_factor');
  const highFreqFactor = fields.getPositive('high_freq_factor');
  if (highFreqFactor <= lowFreqFactor) {
    throw fields.refusal('high_freq_factor', `more than low_freq_factor (${lowFreqFactor})`);
  }
  const originalMaxPositions = readOriginalLength(fields, maxPositions);
  const factor = fields.getPositive('factor');
  return { type: 'llama3', factor, lowFreqFactor, highFreqFactor, originalMaxPositions };
}

/** @see Peng et al. 2023 (arXiv 2309.00071), section 3.4, for the default attention factor */
function readYarn(fields: ConfigFields, { maxPositions }: RopeShape): RopeScaling {
  const originalMaxPositions = readOriginalLength(fields, maxPositions);
  const factor = readFactor(fields, maxPositions / originalMaxPositions);
  const betaFast = fields.has('beta_fast') ? fields.getPositive('beta_fast') : 32;
  const betaSlow = fields.has('beta_slow') ? fields.getPositive('beta_slow') : 1;
  if (betaFast <= betaSlow) {
    throw fields.refusal('beta_fast', `more than beta_slow (${betaSlow})`);
  }
  const magnitude = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  const hasWeights = Boolean(fields.findRaw('mscale') && fields.findRaw('mscale_all_dim'));
  const usual = hasWeights
    ? magnitude(fields.getPositive('mscale')) / magnitude(fields.getPositive('mscale_all_dim'))
    : magnitude(1);
  return {
    type: 'yarn',
    factor,
    betaFast,
    betaSlow,
    isTruncated: !fields.has('truncate') || fields.getFlag('truncate'),
    originalMaxPositions,
    attentionFactor: readAttentionFactor(fields, usual),
  };
}

/** @see Ding et al. 2024 (arXiv 2402.13753); the default attention factor is that of Phi-3 */
function readLongrope(fields: ConfigFields, { maxPositions, rotaryDim }: RopeShape): RopeScaling {
  const isFactor = (item: unknown): item is number =>
    typeof item === 'number' && Number.isFinite(item) && item > 0;
  const readFactors = (name: string) => {
    const list = fields.findRaw(name);
    if (Array.isArray(list) && list.length === rotaryDim / 2 && list.every(isFactor)) return list;
    throw fields.refusal(name, `${rotaryDim / 2} finite numbers above 0, one for each pair`);
  };
  const shortFactors = readFactors('short_factor');
  const longFactors = readFactors('long_factor');
  const originalMaxPositions = readOriginalLength(fields, maxPositions);
  const factor = readFactor(fields, maxPositions / originalMaxPositions);
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalMaxPositions));
  const attentionFactor = readAttentionFactor(fields, usual);
  return { type: 'longrope', shortFactors, longFactors, originalMaxPositions, attentionFactor };
}

const readOriginalLength = (fields: ConfigFields, maxPositions: number): number =>
  fields.has('original_max_position_embeddings')
    ? fields.getCount('original_max_position_embeddings', undefined, 2)
    : maxPositions;

const readFactor = (fields: ConfigFields, usual: number): number =>
  fields.has('factor') ? fields.getPositive('factor') : usual;

const readAttentionFactor = (fields: ConfigFields, usual: number): number =>
  fields.has('attention_factor') ? fields.getPositive('attention_factor') : usual;

/**
 * The longest context that a rotary embedding stretches to: yarn multiplies the original one, and
 * checkpoints that are told to use it often keep their old `max_position_embeddings`.
 */
export function longestContext({ scaling }: RopeConfig, maxPositions: number): number {
  if (scaling.type !== 'yarn') return maxPositions;
  return Math.max(maxPositions, Math.floor(scaling.factor * scaling.originalMaxPositions));
}
