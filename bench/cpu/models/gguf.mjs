// Writes the benchmark's model as GGUF 3, the file format of llama.cpp: the same weights as the
// Hugging Face folder, norms in F32, matrices in BF16, Q8_0 or Q4_0.
//
//   'GGUF' | version | tensors | fields | field … | name, dims, type, offset of each tensor … | data
//
// Integers are little-endian; dims are innermost first; each tensor's data begins at a multiple of 32.

import { contextLen, rmsNormEps } from '../shapes.mjs';
import { writePieces } from './pieces.mjs';
import { groupLen, q4BlockBytes, q8BlockBytes, quantizeQ4, quantizeQ8 } from './quantize.mjs';
import { bosId, eosId, vocabulary } from './vocabulary.mjs';
import { fromBf16, modelTensors, numValues, weightBits } from './weights.mjs';

const alignment = 32;
const valueTypes = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };
/** GGUF's numbers for a tensor's type and for the file that is mostly of it; bytes per 32 values. */
const formats = {
  f32: { type: 0, bytesPerGroup: 4 * groupLen },
  bf16: { type: 30, fileType: 32, bytesPerGroup: 2 * groupLen },
  q8_0: { type: 8, fileType: 7, bytesPerGroup: q8BlockBytes },
  q4_0: { type: 2, fileType: 2, bytesPerGroup: q4BlockBytes },
};
/** Values converted at a time; a multiple of every row's length is not needed, of a group's is. */
const pieceLen = 1 << 22;

const alignUp = (bytes) => Math.ceil(bytes / alignment) * alignment;

function uint32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

function uint64(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(number));
  return bytes;
}

function string(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function float32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(number);
  return bytes;
}

const encoders = {
  uint32,
  int32: uint32,
  float32,
  string,
  bool: (flag) => Buffer.from([Number(flag)]),
};

function field(name, type, value) {
  return Buffer.concat([string(name), uint32(valueTypes[type]), encoders[type](value)]);
}

function arrayField(name, type, values) {
  const head = [string(name), uint32(valueTypes.array), uint32(valueTypes[type])];
  return Buffer.concat([...head, uint64(values.length), ...values.map(encoders[type])]);
}

function fields(shape, format) {
  const tokens = vocabulary(shape.vocabSize);
  return [
    field('general.architecture', 'string', 'llama'),
    field('general.name', 'string', 'random weights'),
    field('general.file_type', 'uint32', formats[format].fileType),
    field('general.quantization_version', 'uint32', 2),
    field('general.alignment', 'uint32', alignment),
    field('llama.context_length', 'uint32', contextLen),
    field('llama.embedding_length', 'uint32', shape.hiddenSize),
    field('llama.block_count', 'uint32', shape.numLayers),
    field('llama.feed_forward_length', 'uint32', shape.ffnSize),
    field('llama.attention.head_count', 'uint32', shape.numHeads),
    field('llama.attention.head_count_kv', 'uint32', shape.numKvHeads),
    field('llama.attention.key_length', 'uint32', shape.headDim),
    field('llama.attention.value_length', 'uint32', shape.headDim),
    field('llama.attention.layer_norm_rms_epsilon', 'float32', rmsNormEps),
    field('llama.rope.dimension_count', 'uint32', shape.headDim),
    field('llama.rope.freq_base', 'float32', shape.ropeTheta),
    field('llama.vocab_size', 'uint32', shape.vocabSize),
    field('tokenizer.ggml.model', 'string', 'llama'),
    arrayField(
      'tokenizer.ggml.tokens',
      'string',
      tokens.map(({ piece }) => piece),
    ),
    arrayField(
      'tokenizer.ggml.scores',
      'float32',
      tokens.map((_, id) => -id),
    ),
    arrayField(
      'tokenizer.ggml.token_type',
      'int32',
      tokens.map(({ kind }) => kind),
    ),
    field('tokenizer.ggml.bos_token_id', 'uint32', bosId),
    field('tokenizer.ggml.eos_token_id', 'uint32', eosId),
    field('tokenizer.ggml.unknown_token_id', 'uint32', 0),
    field('tokenizer.ggml.add_bos_token', 'bool', false),
  ];
}

/**
 * Rows of a rotated matrix as GGUF orders them: it rotates neighbours, Hugging Face the two halves of
 * a head, so that row `2 i + half` of a head comes from its row `half * headDim / 2 + i`.
 *
 * @param rows values of `[numHeads * headDim, inDim]`
 */
export function interleaveHalves(rows, [outDim, inDim], numHeads) {
  const headDim = outDim / numHeads;
  const result = new rows.constructor(rows.length);
  for (let row = 0; row < outDim; row++) {
    const inHead = row % headDim;
    const source = row - inHead + (inHead % 2) * (headDim / 2) + (inHead >> 1);
    result.set(rows.subarray(source * inDim, (source + 1) * inDim), row * inDim);
  }
  return result;
}

function* tensorValues(tensor) {
  const end = numValues(tensor);
  if (tensor.numRotatedHeads !== undefined) {
    yield interleaveHalves(weightBits(tensor, 0, end), tensor.shape, tensor.numRotatedHeads);
    return;
  }
  for (let start = 0; start < end; start += pieceLen) {
    yield weightBits(tensor, start, Math.min(end, start + pieceLen));
  }
}

const formatOf = (tensor, format) => (tensor.shape.length === 1 ? 'f32' : format);

function encode(values, format) {
  if (format === 'bf16') return Buffer.from(values.buffer);
  const numbers = fromBf16(values);
  if (format === 'f32') return Buffer.from(numbers.buffer);
  return format === 'q8_0' ? quantizeQ8(numbers) : quantizeQ4(numbers);
}

function dataBytes(tensor, format) {
  return (numValues(tensor) / groupLen) * formats[formatOf(tensor, format)].bytesPerGroup;
}

function tensorInfos(tensors, format) {
  let offset = 0;
  return tensors.map((tensor) => {
    const { shape, ggufName } = tensor;
    const dims = shape.toReversed().map(uint64);
    const { type } = formats[formatOf(tensor, format)];
    const start = offset;
    offset += alignUp(dataBytes(tensor, format));
    const head = [string(ggufName), uint32(shape.length), ...dims];
    return Buffer.concat([...head, uint32(type), uint64(start)]);
  });
}

function* content(shape, format) {
  const tensors = modelTensors(shape);
  const allFields = fields(shape, format);
  const counts = [uint64(tensors.length), uint64(allFields.length)];
  const infos = tensorInfos(tensors, format);
  const head = Buffer.concat([Buffer.from('GGUF'), uint32(3), ...counts, ...allFields, ...infos]);
  yield head;
  yield Buffer.alloc(alignUp(head.length) - head.length);
  for (const tensor of tensors) {
    for (const values of tensorValues(tensor)) yield encode(values, formatOf(tensor, format));
    const bytes = dataBytes(tensor, format);
    yield Buffer.alloc(alignUp(bytes) - bytes);
  }
}

/**
 * Writes one file.
 *
 * @param format of the matrices: `bf16`, `q8_0` or `q4_0`
 */
export function writeGguf(path, shape, format) {
  writePieces(path, content(shape, format));
}
