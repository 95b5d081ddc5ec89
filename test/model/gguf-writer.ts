import { writeFileSync } from 'node:fs';
import { blockBytes } from '../device/stored-weights.js';
import { quantizeWeight } from '../reference/quantized.js';
import { roundTo, toBf16Bits, toF16Bits } from './float-bits.js';
import { type ConfigJson, tensorShapes, tensorValues } from './random-checkpoint.js';

export type GgufFormat = 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0';

/** A field: its name, GGUF's name of its type, its value; a list's items are of that type. */
export type GgufField = readonly [name: string, type: keyof typeof fieldTypes, value: unknown];

const fieldTypes = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8 } as const;
const tensorCodes = { F32: 0, F16: 1, BF16: 30, Q8_0: 8, Q4_0: 2 } as const;
const storedDtypes = { F32: 'f32', F16: 'f16', BF16: 'bf16', Q8_0: 'f32', Q4_0: 'f32' } as const;
const alignment = 32;

const architectures: Record<string, string> = {
  LlamaForCausalLM: 'llama',
  MistralForCausalLM: 'llama',
  Qwen2ForCausalLM: 'qwen2',
  Qwen3ForCausalLM: 'qwen3',
  Phi3ForCausalLM: 'phi3',
};

const modules: readonly [RegExp, string][] = [
  [/^model\.embed_tokens/, 'token_embd'],
  [/^model\.norm/, 'output_norm'],
  [/^lm_head/, 'output'],
  [/^model\.layers\.(\d+)\.input_layernorm/, 'blk.$1.attn_norm'],
  [/^model\.layers\.(\d+)\.post_attention_layernorm/, 'blk.$1.ffn_norm'],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj/, 'blk.$1.attn_output'],
  [/^model\.layers\.(\d+)\.self_attn\.(qkv|q|k|v)_proj/, 'blk.$1.attn_$2'],
  [/^model\.layers\.(\d+)\.self_attn\.(q|k)_norm/, 'blk.$1.attn_$2_norm'],
  [/^model\.layers\.(\d+)\.mlp\.gate_up_proj/, 'blk.$1.ffn_up'],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj/, 'blk.$1.ffn_$2'],
];

export interface GgufOptions {
  readonly config: ConfigJson;
  readonly seed?: number;
  /** Of the matrices; vectors are F32, of values that a checkpoint of this format has. */
  readonly format?: GgufFormat;
  /** Tokenizer and whatever else the file says; a later field replaces an earlier one. */
  readonly fields?: readonly GgufField[];
  /** F32 vectors beside the weights, by name. */
  readonly vectors?: Readonly<Record<string, readonly number[]>>;
}

/** Writes the GGUF file that llama.cpp's converter would make of a random checkpoint. */
export function writeRandomGguf(path: string, options: GgufOptions): void {
  writeFileSync(path, ggufBytes(options));
}

export function ggufBytes(options: GgufOptions): Buffer {
  const { config, seed = 1, format = 'F32', fields = [], vectors = {} } = options;
  const prefix = architectures[(config.architectures as string[])[0]];
  const weights = tensorShapes(config).map(([name, shape]) => {
    const [pattern, replacement] = modules.find(([regex]) => regex.test(name))!;
    const exact = interleaved(name, shape, tensorValues(name, shape, seed), config, prefix);
    const type = shape.length === 1 ? 'F32' : format;
    const values = exact.map((value) => roundTo(storedDtypes[format], value));
    return {
      name: name.replace(pattern, replacement),
      shape,
      type,
      data: encode(values, type, shape),
    };
  });
  const others = Object.entries(vectors).map(([name, values]) => {
    const data = encode(Float32Array.from(values), 'F32', [values.length]);
    return { name, shape: [values.length], type: 'F32' as const, data };
  });
  const tensors = [...weights, ...others];
  const byName = new Map(
    [...configFields(config, prefix), ...fields].map((field) => [field[0], field]),
  );
  let offset = 0;
  const infos = tensors.map(({ name, shape, type, data }) => {
    const at = offset;
    offset += Math.ceil(data.length / alignment) * alignment;
    const dims = shape.toReversed().map(u64);
    return Buffer.concat([text(name), u32(shape.length), ...dims, u32(tensorCodes[type]), u64(at)]);
  });
  const counts = [u64(tensors.length), u64(byName.size)];
  const written = [...byName.values()].map(fieldBytes);
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), ...counts, ...written, ...infos]);
  return Buffer.concat([head, ...tensors.map(({ data }) => data)].map(padded));
}

function configFields(config: ConfigJson, prefix: string): GgufField[] {
  const c = config as Record<string, number>;
  const headDim = c.head_dim ?? c.hidden_size / c.num_attention_heads;
  return [
    ['general.architecture', 'text', prefix],
    [`${prefix}.context_length`, 'u32', c.max_position_embeddings],
    [`${prefix}.embedding_length`, 'u32', c.hidden_size],
    [`${prefix}.block_count`, 'u32', c.num_hidden_layers],
    [`${prefix}.feed_forward_length`, 'u32', c.intermediate_size],
    [`${prefix}.attention.head_count`, 'u32', c.num_attention_heads],
    [`${prefix}.attention.head_count_kv`, 'u32', c.num_key_value_heads],
    [`${prefix}.attention.key_length`, 'u32', headDim],
    [`${prefix}.attention.value_length`, 'u32', headDim],
    [`${prefix}.attention.layer_norm_rms_epsilon`, 'f32', c.rms_norm_eps],
    [`${prefix}.rope.dimension_count`, 'u32', headDim],
    [`${prefix}.rope.freq_base`, 'f32', c.rope_theta],
    ['tokenizer.ggml.bos_token_id', 'u32', 1],
    ['tokenizer.ggml.eos_token_id', 'u32', 2],
  ];
}

/** Llama's q and k with the two halves of each head as neighbours. */
function interleaved(
  name: string,
  shape: readonly number[],
  values: Float32Array,
  config: ConfigJson,
  prefix: string,
): Float32Array {
  if (prefix !== 'llama' || !/\.[qk]_proj\./.test(name)) return values;
  const headDim = (config.head_dim as number) ?? 64;
  const rowLen = shape[1] ?? 1;
  const result = new Float32Array(values.length);
  for (let row = 0; row < shape[0]; row++) {
    const inHead = row % headDim;
    const source = row - inHead + (inHead % 2) * (headDim / 2) + (inHead >> 1);
    result.set(values.subarray(source * rowLen, (source + 1) * rowLen), row * rowLen);
  }
  return result;
}

function encode(values: Float32Array, type: GgufFormat, shape: readonly number[]): Buffer {
  if (type === 'F32') return Buffer.from(values.buffer);
  if (type === 'F16' || type === 'BF16') {
    const toBits = type === 'F16' ? toF16Bits : toBf16Bits;
    return Buffer.from(Uint16Array.from(values, toBits).buffer);
  }
  const dtype = type === 'Q8_0' ? 'int8' : 'int4';
  return blockBytes(dtype, quantizeWeight(dtype, values, shape[1]));
}

function fieldBytes([name, type, value]: GgufField): Buffer {
  const code = u32(fieldTypes[type]);
  if (!Array.isArray(value)) return Buffer.concat([text(name), code, item(type, value)]);
  const items = value.map((one) => item(type, one));
  return Buffer.concat([text(name), u32(9), code, u64(value.length), ...items]);
}

function item(type: GgufField[1], value: unknown): Buffer {
  if (type === 'text') return text(value as string);
  if (type === 'bool') return Buffer.from([Number(value)]);
  if (type === 'f32') return Buffer.from(Float32Array.of(value as number).buffer);
  return Buffer.from(Int32Array.of(value as number).buffer);
}

const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string): Buffer =>
  Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)]);
