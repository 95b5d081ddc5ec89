import { EngineError } from '../errors.js';
import type { GgufFields, GgufHeader } from '../gguf/index.js';
import { type ArchitectureName, architectures } from './architectures.js';

/** What GGUF calls an architecture, and in what its files differ from the Hugging Face ones. */
export interface GgufArchitecture {
  readonly name: ArchitectureName;
  /** Rows of q and k have the two halves of each head as neighbours. */
  readonly interleavesHeads: boolean;
}

/** Mistral's files call themselves llama, and need nothing else. */
export const ggufArchitectures: Readonly<Record<string, GgufArchitecture>> = {
  llama: { name: 'LlamaForCausalLM', interleavesHeads: true },
  qwen2: { name: 'Qwen2ForCausalLM', interleavesHeads: false },
  qwen3: { name: 'Qwen3ForCausalLM', interleavesHeads: false },
  phi3: { name: 'Phi3ForCausalLM', interleavesHeads: false },
  smollm3: { name: 'SmolLM3ForCausalLM', interleavesHeads: true },
};

/** What a number of GGUF is called in config.json; after the architecture's name and a dot. */
const numberFields = {
  context_length: 'max_position_embeddings',
  embedding_length: 'hidden_size',
  block_count: 'num_hidden_layers',
  feed_forward_length: 'intermediate_size',
  'attention.head_count': 'num_attention_heads',
  'attention.head_count_kv': 'num_key_value_heads',
  'attention.key_length': 'head_dim',
  'attention.layer_norm_rms_epsilon': 'rms_norm_eps',
  'rope.freq_base': 'rope_theta',
} as const;

/** @throws {EngineError} `ERR_UNKNOWN_ARCHITECTURE` with the list of known ones */
export function ggufArchitecture(fields: GgufFields): GgufArchitecture & { prefix: string } {
  const prefix = fields.findText('general.architecture') ?? 'none';
  const found = Object.hasOwn(ggufArchitectures, prefix) && ggufArchitectures[prefix];
  if (found) return { ...found, prefix };
  throw new EngineError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `the GGUF file names the architecture ${JSON.stringify(prefix)}; ` +
      `known are ${Object.keys(ggufArchitectures).join(', ')}`,
  );
}

/**
 * Says what a GGUF file says in the words of config.json, so that one parser checks both.
 *
 * @param readFactors values of a small f32 tensor: rotary factors per pair are one
 * @throws {InvalidArgumentError} `ERR_CONFIG_INVALID`; `ERR_UNKNOWN_ARCHITECTURE`
 */
export function ggufConfig(
  { fields, tensors }: GgufHeader,
  readFactors: (name: string) => number[],
): Record<string, unknown> {
  const { name, prefix } = ggufArchitecture(fields);
  const config: Record<string, unknown> = { architectures: [name] };
  for (const [from, to] of Object.entries(numberFields)) {
    const value = fields.findNumber(`${prefix}.${from}`);
    if (value !== undefined) config[to] = value;
  }
  checkHeadDims(fields, prefix);
  config.vocab_size = tensors.get('token_embd.weight')?.shape[0];
  config.tie_word_embeddings = !tensors.has('output.weight');
  if (architectures[name].qkvBias === 'attention_bias') {
    config.attention_bias = tensors.has('blk.0.attn_q.bias');
  }
  config.eos_token_id = endTokens(fields);
  config.bos_token_id = fields.findNumber('tokenizer.ggml.bos_token_id');
  const window = fields.findNumber(`${prefix}.attention.sliding_window`);
  config.sliding_window = window ?? null;
  return { ...config, ...ropeFields({ fields, tensors }, prefix, config, readFactors) };
}

/** Keys and values of one length; the cache has no other. */
function checkHeadDims(fields: GgufFields, prefix: string): void {
  const name = `${prefix}.attention.value_length`;
  const keyLen = fields.findNumber(`${prefix}.attention.key_length`);
  const valueLen = fields.findNumber(name) ?? keyLen;
  if (keyLen !== undefined && valueLen !== keyLen)
    throw fields.refusal(name, `${keyLen}, as of keys`);
}

function endTokens(fields: GgufFields): number[] {
  const names = ['eos', 'eot', 'eom'].map((kind) => `tokenizer.ggml.${kind}_token_id`);
  return [...new Set(names.flatMap((name) => fields.findNumber(name) ?? []))];
}

function ropeFields(
  { fields, tensors }: GgufHeader,
  prefix: string,
  config: Readonly<Record<string, unknown>>,
  readFactors: (name: string) => number[],
): Record<string, unknown> {
  const find = (name: string) => fields.findNumber(`${prefix}.rope.${name}`);
  const rotaryDim = find('dimension_count');
  const headDim = Number(
    config.head_dim ?? Number(config.hidden_size) / Number(config.num_attention_heads),
  );
  const partial = rotaryDim === undefined ? {} : { partial_rotary_factor: rotaryDim / headDim };
  const original = find('scaling.original_context_length') ?? config.max_position_embeddings;
  const perPair = { rope_type: 'longrope' };
  const outer = { ...partial, original_max_position_embeddings: original };
  if (tensors.has('rope_freqs.weight')) {
    const factors = readFactors('rope_freqs.weight'); // Llama 3.1's stretch, written out
    const scaling = {
      ...perPair,
      short_factor: factors,
      long_factor: factors,
      attention_factor: 1,
    };
    return { ...outer, rope_scaling: scaling };
  }
  if (tensors.has('rope_factors_long.weight')) {
    const scaling = {
      ...perPair,
      short_factor: readFactors('rope_factors_short.weight'),
      long_factor: readFactors('rope_factors_long.weight'),
      attention_factor: find('scaling.attn_factor'),
    };
    return { ...outer, rope_scaling: scaling };
  }
  const type = fields.findText(`${prefix}.rope.scaling.type`) ?? 'none';
  if (type === 'none') return partial;
  const scaling = { rope_type: type, factor: find('scaling.factor') };
  const length = { original_max_position_embeddings: original };
  return { ...partial, rope_scaling: type === 'yarn' ? { ...scaling, ...length } : scaling };
}
