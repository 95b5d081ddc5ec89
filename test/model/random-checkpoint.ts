import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { toBf16Bits, toF16Bits } from './float-bits.js';

// A global is slow to reach from the realm that jest runs tests in.
const { imul } = Math;

export type WeightDType = 'f32' | 'f16' | 'bf16';

/** A config.json as a Hugging Face folder has it. */
export type ConfigJson = Record<string, unknown>;

export interface RandomCheckpointOptions {
  /** What config.json says; default `randomConfig()`. */
  config?: ConfigJson;
  /** What generation_config.json says; no file without it. */
  generationConfig?: ConfigJson;
  seed?: number;
  dtype?: WeightDType;
  /** Starts a new shard (and writes model.safetensors.index.json) past this many bytes. */
  maxShardBytes?: number;
}

export interface NamedTensor {
  name: string;
  shape: number[];
  dtype: WeightDType;
  bytes: Uint8Array;
}

/**
 * The config of a small Llama with random weights; every field can be overridden.
 *
 * The defaults give 2 layers, 2 query heads per KV head and head_dim 64: the smallest that
 * exercises GQA and a head dim that every kernel has.
 */
export function randomConfig(overrides: ConfigJson = {}): ConfigJson {
  return {
    architectures: ['LlamaForCausalLM'],
    vocab_size: 256,
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 64,
    hidden_act: 'silu',
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
    ...overrides,
  };
}

/** Names and shapes of the tensors that Hugging Face's own classes save for `config`, in file order. */
export function tensorShapes(config: ConfigJson): [name: string, shape: number[]][] {
  const c = config as Record<string, number>;
  const architecture = (config.architectures as string[])[0];
  const fused = architecture === 'Phi3ForCausalLM';
  const headDim = c.head_dim ?? c.hidden_size / c.num_attention_heads;
  const qDim = c.num_attention_heads * headDim;
  const kvDim = c.num_key_value_heads * headDim;
  const qkvBias = architecture === 'Qwen2ForCausalLM' || config.attention_bias === true;

  const shapes: [string, number[]][] = [
    ['model.embed_tokens.weight', [c.vocab_size, c.hidden_size]],
  ];
  const linear = (name: string, outDim: number, inDim: number, hasBias = false): void => {
    shapes.push([`${name}.weight`, [outDim, inDim]]);
    if (hasBias) shapes.push([`${name}.bias`, [outDim]]);
  };
  for (let layer = 0; layer < c.num_hidden_layers; layer++) {
    const prefix = `model.layers.${layer}`;
    const mlpBias = config.mlp_bias === true;
    shapes.push([`${prefix}.input_layernorm.weight`, [c.hidden_size]]);
    if (fused) {
      linear(`${prefix}.self_attn.qkv_proj`, qDim + 2 * kvDim, c.hidden_size);
      linear(`${prefix}.mlp.gate_up_proj`, 2 * c.intermediate_size, c.hidden_size);
    } else {
      linear(`${prefix}.self_attn.q_proj`, qDim, c.hidden_size, qkvBias);
      linear(`${prefix}.self_attn.k_proj`, kvDim, c.hidden_size, qkvBias);
      linear(`${prefix}.self_attn.v_proj`, kvDim, c.hidden_size, qkvBias);
      linear(`${prefix}.mlp.gate_proj`, c.intermediate_size, c.hidden_size, mlpBias);
      linear(`${prefix}.mlp.up_proj`, c.intermediate_size, c.hidden_size, mlpBias);
    }
    if (architecture === 'Qwen3ForCausalLM') {
      shapes.push([`${prefix}.self_attn.q_norm.weight`, [headDim]]);
      shapes.push([`${prefix}.self_attn.k_norm.weight`, [headDim]]);
    }
    linear(`${prefix}.self_attn.o_proj`, c.hidden_size, qDim, config.attention_bias === true);
    shapes.push([`${prefix}.post_attention_layernorm.weight`, [c.hidden_size]]);
    linear(`${prefix}.mlp.down_proj`, c.hidden_size, c.intermediate_size, mlpBias);
  }
  shapes.push(['model.norm.weight', [c.hidden_size]]);
  if (config.tie_word_embeddings !== true) linear('lm_head', c.vocab_size, c.hidden_size);
  return shapes;
}

/**
 * Element values of a tensor, a pure function of (seed, name, index).
 *
 * Mirrors `tensor_values` in tools/golden/make_golden.py, bit for bit: the golden logits hold for
 * these weights. Matrices give outputs of about unit variance, norms lie around 1.
 */
export function tensorValues(name: string, shape: readonly number[], seed: number): Float32Array {
  let stream = (0x811c9dc5 ^ seed) >>> 0; // FNV-1a over the name
  for (let i = 0; i < name.length; i++) {
    stream = imul(stream ^ name.charCodeAt(i), 0x01000193) >>> 0;
  }
  const [center, spread] = distribution(name, shape);
  const values = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
  for (let i = 0; i < values.length; i++) {
    let hash = (stream + imul(i, 0x9e3779b9)) | 0; // murmur3's finalizer
    hash = imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
    values[i] = center + spread * ((hash >>> 8) / 2 ** 23 - 1);
  }
  return values;
}

/** Centre and half-width of the uniform distribution that a tensor is drawn from. */
function distribution(name: string, shape: readonly number[]): [center: number, spread: number] {
  if (name.endsWith('norm.weight')) return [1, 0.25];
  if (name.endsWith('.bias')) return [0, 0.5];
  if (name === 'model.embed_tokens.weight') return [0, 0.5];
  return [0, Math.sqrt(3 / shape[1])];
}

/**
 * Writes a complete checkpoint folder with random weights: config.json and model.safetensors, or
 * shards and their index. Equal options give equal bytes.
 */
export function writeRandomCheckpoint(folder: string, options: RandomCheckpointOptions = {}): void {
  const { config = randomConfig(), seed = 1, dtype = 'f32' } = options;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config, undefined, 2));
  if (options.generationConfig) {
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(options.generationConfig));
  }
  const tensors = randomTensors(config, seed, dtype);
  if (options.maxShardBytes === undefined) {
    writeFileSync(join(folder, 'model.safetensors'), safetensorsBytes(tensors));
    return;
  }
  writeShards(folder, tensors, options.maxShardBytes);
}

/**
 * Writes a checkpoint in f32 with seed 1 after `change` had its way with the list of its tensors.
 */
export function writeChangedCheckpoint(
  folder: string,
  change: (tensors: NamedTensor[]) => void,
  config: ConfigJson = randomConfig(),
): void {
  const tensors = randomTensors(config, 1, 'f32');
  change(tensors);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'model.safetensors'), safetensorsBytes(tensors));
}

/** A random checkpoint in a new folder under the system's temporary one. Call `remove()` at the end. */
export function temporaryCheckpoint(options: RandomCheckpointOptions = {}): {
  folder: string;
  remove(): void;
} {
  const folder = mkdtempSync(join(tmpdir(), 'paged-attention-model-'));
  writeRandomCheckpoint(folder, options);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The bytes of one safetensors file with `tensors` in order, its header padded to 8 bytes. */
export function safetensorsBytes(tensors: readonly NamedTensor[]): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let numBytes = 0;
  for (const { name, shape, dtype, bytes } of tensors) {
    const range = [numBytes, numBytes + bytes.byteLength];
    header[name] = { dtype: dtype.toUpperCase(), shape, data_offsets: range };
    numBytes += bytes.byteLength;
  }
  return joinSafetensors(JSON.stringify(header), ...tensors.map((tensor) => tensor.bytes));
}

/** The bytes of a safetensors file with this header text, whatever it says, and these data. */
export function joinSafetensors(header: string, ...data: Uint8Array[]): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  const paddedBytes = Math.ceil(text.byteLength / 8) * 8;
  length.writeBigUInt64LE(BigInt(paddedBytes));
  return Buffer.concat([length, text, Buffer.alloc(paddedBytes - text.byteLength, ' '), ...data]);
}

function randomTensors(config: ConfigJson, seed: number, dtype: WeightDType): NamedTensor[] {
  return tensorShapes(config).map(([name, shape]) => {
    const bytes = encode(tensorValues(name, shape, seed), dtype);
    return { name, shape, dtype, bytes };
  });
}

function writeShards(folder: string, tensors: NamedTensor[], maxShardBytes: number): void {
  const shards: NamedTensor[][] = [[]];
  let shardBytes = 0;
  for (const tensor of tensors) {
    if (shardBytes > 0 && shardBytes + tensor.bytes.byteLength > maxShardBytes) {
      shards.push([]);
      shardBytes = 0;
    }
    shards[shards.length - 1].push(tensor);
    shardBytes += tensor.bytes.byteLength;
  }
  const weightMap: Record<string, string> = {};
  shards.forEach((shard, index) => {
    const place = [index + 1, shards.length].map((n) => String(n).padStart(5, '0')).join('-of-');
    const fileName = `model-${place}.safetensors`;
    for (const { name } of shard) weightMap[name] = fileName;
    writeFileSync(join(folder, fileName), safetensorsBytes(shard));
  });
  const totalSize = tensors.reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);
  writeFileSync(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: { total_size: totalSize }, weight_map: weightMap }),
  );
}

function encode(values: Float32Array, dtype: WeightDType): Uint8Array {
  if (dtype === 'f32') return new Uint8Array(values.buffer);
  const toBits = dtype === 'f16' ? toF16Bits : toBf16Bits;
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) bits[i] = toBits(values[i]);
  return new Uint8Array(bits.buffer);
}
