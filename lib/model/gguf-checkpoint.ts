import type { MappedFile } from '../device/index.js';
import { EngineError } from '../errors.js';
import { type GgufTensor, readGgufHeader } from '../gguf/index.js';
import { Checkpoint, type CheckpointTensor, type FileMapper } from './checkpoint.js';
import { ggufArchitecture, ggufConfig } from './gguf-config.js';
import { widen } from './widen.js';

/** Names outside the layers. */
const modelNames: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};

/** Modules of a layer, between `blk.N.` and the last dot. */
const layerModules: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_qkv: 'self_attn.qkv_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** Rotary factors, which became a part of the config. */
const ropeTensors = ['rope_freqs.weight', 'rope_factors_long.weight', 'rope_factors_short.weight'];

/**
 * Maps a GGUF file and gives its config and tensors the names that Hugging Face folders have.
 *
 * @returns config in the words of config.json; the checkpoint, whose owner closes it
 * @throws {EngineError} codes of `readGgufHeader` and `ggufConfig`; when it throws, the file is not mapped
 */
export function openGgufCheckpoint(
  mapper: FileMapper,
  path: string,
): { config: Record<string, unknown>; checkpoint: Checkpoint } {
  const file = mapper.mapFile(path);
  try {
    const header = readGgufHeader(file, path);
    const { name, interleavesHeads } = ggufArchitecture(header.fields);
    const config = ggufConfig(header, (tensor) => readVector(file, header.tensors.get(tensor)));
    const headDim = interleavesHeads
      ? Number(config.head_dim ?? Number(config.hidden_size) / Number(config.num_attention_heads))
      : undefined;
    const tensors = new Map<string, CheckpointTensor>();
    for (const tensor of header.tensors.values()) {
      if (ropeTensors.includes(tensor.name)) continue;
      const found = toCheckpointTensor(tensor, file, name === 'Phi3ForCausalLM', headDim);
      tensors.set(found.name, found);
    }
    return { config, checkpoint: new Checkpoint(path, tensors, [file]) };
  } catch (error) {
    file.close();
    throw error;
  }
}

function toCheckpointTensor(
  { name, type, shape, byteOffset, byteLength }: GgufTensor,
  file: MappedFile,
  hasFusedGate: boolean,
  headDim: number | undefined,
): CheckpointTensor {
  const isRotated = /\.attn_[qk]\.(weight|bias)$/.test(name);
  if (isRotated && headDim !== undefined && (headDim % 2 !== 0 || shape[0] % headDim !== 0)) {
    const message = `tensor "${name}" has ${shape[0]} rows; expected whole heads of ${headDim}`;
    throw new EngineError('ERR_TENSOR_SHAPE', message);
  }
  return {
    name: hasFusedGate ? nameOf(name).replace('mlp.up_proj', 'mlp.gate_up_proj') : nameOf(name),
    dtype: type,
    shape,
    byteOffset,
    byteLength,
    file,
    interleavedHeadDim: isRotated ? headDim : undefined,
  };
}

/** A name that is not known stays as it is, and is refused by it. */
function nameOf(name: string): string {
  const [, layer, module, kind] = /^blk\.(\d+)\.(\w+)\.(\w+)$/.exec(name) ?? [];
  if (layer === undefined) return Object.hasOwn(modelNames, name) ? modelNames[name] : name;
  if (!Object.hasOwn(layerModules, module)) return name;
  return `model.layers.${layer}.${layerModules[module]}.${kind}`;
}

function readVector(file: MappedFile, tensor: GgufTensor | undefined): number[] {
  if (tensor?.type !== 'F32' || tensor.shape.length !== 1 || tensor.shape[0] > 4096) {
    const found = tensor ? `${tensor.type} [${tensor.shape.join(', ')}]` : 'missing';
    const message = `tensor "${tensor?.name}" of rotary factors is ${found}; expected a short F32 vector`;
    throw new EngineError('ERR_TENSOR_SHAPE', message);
  }
  return [...widen(file.read(tensor.byteOffset, tensor.byteLength), 'f32')];
}
