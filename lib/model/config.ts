import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { FloatDType } from '../device/index.js';
import { EngineError, InvalidArgumentError } from '../errors.js';
import {
  type ArchitectureDescription,
  type ArchitectureName,
  architectures,
  type BiasRule,
  getArchitecture,
} from './architectures.js';
import { ConfigFields } from './config-fields.js';
import { longestContext, parseRope, type RopeConfig } from './rope-config.js';

/** In what one layer may differ from the others. */
export interface LayerConfig {
  /** Tokens that a row attends to, itself included; undefined is all before it. */
  readonly slidingWindow: number | undefined;
  /** Whether q and k are rotated. */
  readonly hasRope: boolean;
}

/** A decoder, as the forward loop needs to know it. */
export interface ModelConfig {
  readonly architecture: ArchitectureName;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** Divides `numHeads`. */
  readonly numKvHeads: number;
  readonly headDim: number;
  /** Elements between the two halves of the MLP. */
  readonly ffnSize: number;
  readonly activation: 'silu' | 'geluTanh';
  readonly rmsNormEps: number;
  /** Longest context that the model is made for, in tokens. */
  readonly maxPositions: number;
  readonly rope: RopeConfig;
  /** `[numLayers]` */
  readonly layers: readonly LayerConfig[];
  /** The window of those layers that have one; undefined when none has. */
  readonly slidingWindow: number | undefined;
  readonly tieWordEmbeddings: boolean;
  readonly qkvBias: boolean;
  readonly attentionOutBias: boolean;
  readonly mlpBias: boolean;
  readonly qkNorm: boolean;
  /** Any of these ends a reply; empty when the model has none. */
  readonly eosTokenIds: readonly number[];
  readonly bosTokenId: number | undefined;
  /** The dtype that config.json asks for; undefined when it says nothing. */
  readonly declaredDtype: FloatDType | undefined;
}

/** Far above any model; keeps a forged config from filling the memory with layer lists. */
const maxLayers = 1024;

const activations = {
  silu: 'silu',
  swish: 'silu',
  gelu_pytorch_tanh: 'geluTanh',
  gelu_new: 'geluTanh',
  gelu_fast: 'geluTanh',
} as const;

const declaredDtypes = { float32: 'f32', float16: 'f16', bfloat16: 'bf16' } as const;

/**
 * Reads config.json, and generation_config.json where there is one, of a model folder.
 *
 * @throws {EngineError} `ERR_CHECKPOINT_NOT_FOUND` without config.json, `ERR_CONFIG_INVALID` when a
 *   file is no JSON object, or a code of {@link parseConfig}
 */
export async function readConfig(folder: string): Promise<ModelConfig> {
  const config = await readJsonObject(join(folder, 'config.json'));
  if (!config) {
    throw new EngineError('ERR_CHECKPOINT_NOT_FOUND', `${join(folder, 'config.json')} is missing`);
  }
  return parseConfig(config, await readJsonObject(join(folder, 'generation_config.json')));
}

/**
 * Checks a parsed config.json and turns it into the one form that the forward loop knows.
 *
 * A field that this engine cannot honour is refused, never passed over. The ids that end a reply come
 * from `generation` where it names any, otherwise from `config`.
 *
 * @throws {InvalidArgumentError} `ERR_CONFIG_INVALID` naming the field, its value and the limit
 * @throws {EngineError} `ERR_UNKNOWN_ARCHITECTURE`
 */
export function parseConfig(
  config: Readonly<Record<string, unknown>>,
  generation: Readonly<Record<string, unknown>> = {},
): ModelConfig {
  const architecture = getArchitecture(config.architectures);
  const description: ArchitectureDescription = architectures[architecture];
  const fields = new ConfigFields({ ...description.defaults, ...config }, 'config.json: ');
  if (fields.has('quantization_config')) {
    throw fields.refusal('quantization_config', 'none: weights in F32, F16 or BF16');
  }
  const vocabSize = fields.getCount('vocab_size');
  const shape = parseShape(fields);
  const maxPositions = fields.getCount('max_position_embeddings');
  const rope = parseRope(fields, shape.headDim, maxPositions);
  const layers = parseLayers(fields, description, shape.numLayers);
  const hasBias = (rule: BiasRule) =>
    rule === 'always' || (rule !== 'never' && fields.getFlag(rule));
  return {
    architecture,
    vocabSize,
    ...shape,
    activation: fields.has('hidden_act') ? fields.getChoice('hidden_act', activations) : 'silu',
    rmsNormEps: fields.getPositive('rms_norm_eps'),
    maxPositions: longestContext(rope, maxPositions),
    rope,
    layers,
    slidingWindow: layers.find((layer) => layer.slidingWindow !== undefined)?.slidingWindow,
    tieWordEmbeddings: fields.getFlag('tie_word_embeddings'),
    qkvBias: hasBias(description.qkvBias),
    attentionOutBias: hasBias(description.attentionOutBias),
    mlpBias: hasBias(description.mlpBias),
    qkNorm: description.hasQkNorm,
    declaredDtype: parseDtype(fields),
    ...parseSpecialTokens(fields, generation, vocabSize),
  };
}

function parseShape(fields: ConfigFields) {
  const hiddenSize = fields.getCount('hidden_size');
  const numHeads = fields.getCount('num_attention_heads');
  const numKvHeads = fields.has('num_key_value_heads')
    ? fields.getCount('num_key_value_heads', numHeads)
    : numHeads;
  if (numHeads % numKvHeads !== 0) {
    throw fields.refusal('num_key_value_heads', `a divisor of num_attention_heads (${numHeads})`);
  }
  if (!fields.has('head_dim') && hiddenSize % numHeads !== 0) {
    throw fields.refusal('hidden_size', `a multiple of num_attention_heads (${numHeads})`);
  }
  return {
    hiddenSize,
    numLayers: fields.getCount('num_hidden_layers', maxLayers),
    numHeads,
    numKvHeads,
    headDim: fields.has('head_dim') ? fields.getCount('head_dim') : hiddenSize / numHeads,
    ffnSize: fields.getCount('intermediate_size'),
  };
}

function parseLayers(
  fields: ConfigFields,
  { window, canSkipRope }: ArchitectureDescription,
  numLayers: number,
): LayerConfig[] {
  const hasRope = canSkipRope ? parseRopeLayers(fields, numLayers) : Array(numLayers).fill(true);
  const isOn =
    window === 'everyLayer' || (window !== 'full' && fields.getFlag('use_sliding_window'));
  const slidingWindow =
    isOn && fields.has('sliding_window') ? fields.getCount('sliding_window') : undefined;
  const isSliding = parseSlidingLayers(fields, window, hasRope, slidingWindow !== undefined);
  return hasRope.map((rotates: boolean, layer) => ({
    slidingWindow: isSliding[layer] ? slidingWindow : undefined,
    hasRope: rotates,
  }));
}

function parseRopeLayers(fields: ConfigFields, numLayers: number): boolean[] {
  if (fields.has('no_rope_layers')) {
    const isBit = (item: unknown): item is 0 | 1 => item === 0 || item === 1;
    return fields.getList('no_rope_layers', numLayers, isBit).map((bit) => bit === 1);
  }
  const interval = fields.getCount('no_rope_layer_interval');
  return Array.from({ length: numLayers }, (_, layer) => (layer + 1) % interval !== 0);
}

function parseSlidingLayers(
  fields: ConfigFields,
  window: ArchitectureDescription['window'],
  hasRope: readonly boolean[],
  isOn: boolean,
): boolean[] {
  if (window === 'full' || window === 'everyLayer') return hasRope.map(() => isOn);
  if (fields.has('layer_types')) {
    const isType = (item: unknown): item is string =>
      item === 'full_attention' || (item === 'sliding_attention' && isOn);
    const types = fields.getList('layer_types', hasRope.length, isType);
    return types.map((type) => type === 'sliding_attention');
  }
  if (!isOn) return hasRope.map(() => false);
  if (window === 'layersWithoutRope') return hasRope.map((rotates) => !rotates);
  const firstLayer = fields.getCount('max_window_layers', undefined, 0);
  return hasRope.map((_, layer) => layer >= firstLayer);
}

function parseDtype(fields: ConfigFields): FloatDType | undefined {
  const name = ['dtype', 'torch_dtype'].find((candidate) => fields.has(candidate));
  return name === undefined ? undefined : fields.getChoice(name, declaredDtypes);
}

function parseSpecialTokens(
  fields: ConfigFields,
  generation: Readonly<Record<string, unknown>>,
  vocabSize: number,
): Pick<ModelConfig, 'eosTokenIds' | 'bosTokenId'> {
  const generationFields = new ConfigFields(generation, 'generation_config.json: ');
  const [bosTokenId] = fields.getTokenIds('bos_token_id', vocabSize);
  const source = generationFields.has('eos_token_id') ? generationFields : fields;
  return { eosTokenIds: source.getTokenIds('eos_token_id', vocabSize), bosTokenId };
}

async function readJsonObject(path: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new EngineError('ERR_CHECKPOINT_NOT_FOUND', `${path}: ${(error as Error).message}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch (cause) {
    throw new EngineError('ERR_CONFIG_INVALID', `${path} is no JSON: ${(cause as Error).message}`);
  }
  throw new InvalidArgumentError(path, text.slice(0, 40), 'a JSON object', 'ERR_CONFIG_INVALID');
}
