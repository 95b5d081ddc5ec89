// Writes a Hugging Face folder of Llama-3-8B's shape with random bf16 weights:
//
//   node bench/gpu/random-llama.mjs DIR [--layers 32] [--rehearse]
//
// Nothing of this size can be carried to a machine without a network, and speed does not depend on
// what the weights say; so one draw of random values is written over and over. 16 GB of disk, or of
// /dev/shm; --layers makes it smaller, --rehearse tiny.

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const llama3 = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 128256,
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 128,
  hidden_act: 'silu',
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
};
const tiny = {
  ...llama3,
  vocab_size: 300,
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 64,
  max_position_embeddings: 512,
};
const drawLen = 1 << 23;

/** Tensors of one layer and their shapes, `[out, in]` or `[dim]`. */
function layerShapes({ hidden_size: hidden, intermediate_size: mlp, ...config }, layer) {
  const qDim = config.num_attention_heads * config.head_dim;
  const kvDim = config.num_key_value_heads * config.head_dim;
  const shapes = {
    'input_layernorm.weight': [hidden],
    'post_attention_layernorm.weight': [hidden],
    'self_attn.q_proj.weight': [qDim, hidden],
    'self_attn.k_proj.weight': [kvDim, hidden],
    'self_attn.v_proj.weight': [kvDim, hidden],
    'self_attn.o_proj.weight': [hidden, qDim],
    'mlp.gate_proj.weight': [mlp, hidden],
    'mlp.up_proj.weight': [mlp, hidden],
    'mlp.down_proj.weight': [hidden, mlp],
  };
  const named = ([name, shape]) => [`model.layers.${layer}.${name}`, shape];
  return Object.fromEntries(Object.entries(shapes).map(named));
}

/** Shapes of every tensor, one file's worth after another. */
function shardShapes(config) {
  const { vocab_size: vocab, hidden_size: hidden, num_hidden_layers: numLayers } = config;
  const outer = {
    'model.embed_tokens.weight': [vocab, hidden],
    'model.norm.weight': [hidden],
    'lm_head.weight': [vocab, hidden],
  };
  return [outer, ...Array.from({ length: numLayers }, (_, layer) => layerShapes(config, layer))];
}

/** `count` bf16 values of mean 0 and the given spread, as bits. */
function drawValues(count, spread) {
  const value = new Float32Array(1);
  const bits = new Uint32Array(value.buffer);
  const reach = spread * Math.sqrt(3);
  let state = 1;
  return Uint16Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    value[0] = (state / 2 ** 31 - 1) * reach;
    return bits[0] >>> 16;
  });
}

const draws = new Map();

/** Values for a tensor: ones for a norm; else such that products keep their size. */
function valuesFor(shape, largest) {
  const inDim = shape.length === 1 ? 0 : shape[1];
  if (!draws.has(inDim)) {
    const count = Math.min(drawLen, largest);
    const ones = () => new Uint16Array(count).fill(0x3f80);
    draws.set(inDim, inDim === 0 ? ones() : drawValues(count, inDim ** -0.5));
  }
  return draws.get(inDim);
}

function writeAll(file, bytes) {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

const numValues = (shape) => shape.reduce((product, dim) => product * dim, 1);

/** Writes one safetensors file. */
function writeShard(path, shapes, largest) {
  let end = 0;
  const header = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const start = end;
    end += 2 * numValues(shape);
    header[name] = { dtype: 'BF16', shape, data_offsets: [start, end] };
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = openSync(path, 'w');
  writeAll(file, Buffer.concat([length, json]));
  for (const shape of Object.values(shapes)) {
    const values = valuesFor(shape, largest);
    for (let rest = numValues(shape); rest > 0; rest -= values.length) {
      const piece = values.subarray(0, Math.min(rest, values.length));
      writeAll(file, Buffer.from(piece.buffer, 0, piece.byteLength));
    }
  }
  closeSync(file);
}

/**
 * Writes the folder.
 *
 * @param folder made if it is not there
 * @param options.isRehearsal a model of a few hundred thousand weights
 * @param options.numLayers instead of the shape's own
 */
export function writeRandomLlama(folder, { isRehearsal = false, numLayers } = {}) {
  const base = isRehearsal ? tiny : llama3;
  const config = { ...base, num_hidden_layers: numLayers ?? base.num_hidden_layers };
  mkdirSync(folder, { recursive: true });
  const shards = shardShapes(config);
  const largest = Math.max(...shards.flatMap((shapes) => Object.values(shapes).map(numValues)));
  const weightMap = {};
  shards.forEach((shapes, i) => {
    const name = `model-${String(i + 1).padStart(5, '0')}-of-${String(shards.length).padStart(5, '0')}`;
    writeShard(join(folder, `${name}.safetensors`), shapes, largest);
    for (const tensor of Object.keys(shapes)) weightMap[tensor] = `${name}.safetensors`;
  });
  const index = JSON.stringify({ weight_map: weightMap });
  writeFileSync(join(folder, 'model.safetensors.index.json'), index);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 1));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { layers: { type: 'string' }, rehearse: { type: 'boolean', default: false } },
  });
  if (positionals.length !== 1) throw new Error('which folder? random-llama.mjs DIR');
  const numLayers = values.layers === undefined ? undefined : Number(values.layers);
  writeRandomLlama(positionals[0], { isRehearsal: values.rehearse, numLayers });
}
