// Writes the benchmark's model as a Hugging Face folder.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contextLen, rmsNormEps } from '../shapes.mjs';
import { writePieces } from './pieces.mjs';
import { bosId, eosId, tokenizerJson } from './vocabulary.mjs';
import { modelTensors, numValues, weightBits } from './weights.mjs';

/** Values written at a time. */
const pieceLen = 1 << 22;

function configJson(shape) {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: shape.vocabSize,
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.ffnSize,
    num_hidden_layers: shape.numLayers,
    num_attention_heads: shape.numHeads,
    num_key_value_heads: shape.numKvHeads,
    head_dim: shape.headDim,
    hidden_act: 'silu',
    max_position_embeddings: contextLen,
    rms_norm_eps: rmsNormEps,
    rope_theta: shape.ropeTheta,
    tie_word_embeddings: true,
    bos_token_id: bosId,
    eos_token_id: eosId,
    torch_dtype: 'bfloat16',
  };
}

function header(tensors) {
  let end = 0;
  const entries = tensors.map((tensor) => {
    const start = end;
    end += 2 * numValues(tensor);
    return [tensor.name, { dtype: 'BF16', shape: tensor.shape, data_offsets: [start, end] }];
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json]);
}

function* content(tensors) {
  yield header(tensors);
  for (const tensor of tensors) {
    const end = numValues(tensor);
    for (let start = 0; start < end; start += pieceLen) {
      const bits = weightBits(tensor, start, Math.min(end, start + pieceLen));
      yield Buffer.from(bits.buffer);
    }
  }
}

/** Writes config, tokenizer and weights into `folder`, which is made if it is not there. */
export function writeHuggingFaceFolder(folder, shape) {
  mkdirSync(folder, { recursive: true });
  const write = (name, json) => writeFileSync(join(folder, name), JSON.stringify(json));
  write('config.json', configJson(shape));
  write('tokenizer.json', tokenizerJson(shape.vocabSize));
  write('tokenizer_config.json', { bos_token: '<s>', eos_token: '</s>' });
  writePieces(join(folder, 'model.safetensors'), content(modelTensors(shape)));
}
