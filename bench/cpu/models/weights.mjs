// Random bf16 weights that any writer can ask for again: a pure function of name, shape and index.
//
// A pool of a prime number of draws is walked from a place that the tensor's name gives, so that no
// two tensors are alike and a billion weights cost no more than copying.

/** Prime, so that the rows of no matrix repeat before the pool was walked once per row length. */
const poolLen = 4_194_301;

// A global is slow to reach from the realm that jest runs tests in.
const { imul } = Math;
const pools = new Map();
const value = new Float32Array(1);
const bits = new Uint32Array(value.buffer);

/** bf16 bits of a number, to nearest even. */
export function toBf16Bits(number) {
  value[0] = number;
  return (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16;
}

/** Numbers of bf16 bits. */
export function fromBf16(source) {
  const words = Uint32Array.from(source, (half) => half << 16);
  return new Float32Array(words.buffer);
}

/** `poolLen` bf16 draws, uniform around `center` with standard deviation `spread`. */
function poolOf(center, spread) {
  const key = `${center} ${spread}`;
  const found = pools.get(key);
  if (found) return found;
  const reach = spread * Math.sqrt(3);
  const pool = new Uint16Array(poolLen);
  for (let i = 0, state = 1; i < poolLen; i++) {
    state = (imul(state, 1664525) + 1013904223) >>> 0;
    pool[i] = toBf16Bits(center + (state / 2147483648 - 1) * reach);
  }
  pools.set(key, pool);
  return pool;
}

function startOf(name) {
  let hash = 0x811c9dc5; // FNV-1a
  for (const char of name) hash = imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return hash % poolLen;
}

/**
 * Values `[start, end)` of a tensor, as bf16 bits.
 *
 * A matrix keeps the size of what it multiplies; a norm's weights lie around 1.
 *
 * @param tensor `{ name, shape }`, shape `[out, in]` or `[dim]`
 */
export function weightBits({ name, shape }, start, end) {
  const pool = shape.length === 1 ? poolOf(1, 0.1) : poolOf(0, shape[1] ** -0.5);
  const result = new Uint16Array(end - start);
  let from = (startOf(name) + start) % poolLen;
  for (let done = 0; done < result.length; ) {
    const piece = pool.subarray(from, from + result.length - done);
    result.set(piece, done);
    done += piece.length;
    from = 0;
  }
  return result;
}

/** Elements of a tensor. */
export const numValues = ({ shape }) => shape.reduce((product, dim) => product * dim, 1);

/**
 * The tensors of a model: names of Hugging Face and of GGUF, shapes `[out, in]` or `[dim]`, and for
 * q and k the heads whose rows GGUF orders otherwise.
 */
export function modelTensors(shape) {
  const { hiddenSize, numLayers, numHeads, numKvHeads, headDim, ffnSize, vocabSize } = shape;
  const [qDim, kvDim] = [numHeads * headDim, numKvHeads * headDim];
  const perLayer = [
    ['input_layernorm', 'attn_norm', [hiddenSize]],
    ['self_attn.q_proj', 'attn_q', [qDim, hiddenSize], numHeads],
    ['self_attn.k_proj', 'attn_k', [kvDim, hiddenSize], numKvHeads],
    ['self_attn.v_proj', 'attn_v', [kvDim, hiddenSize]],
    ['self_attn.o_proj', 'attn_output', [hiddenSize, qDim]],
    ['post_attention_layernorm', 'ffn_norm', [hiddenSize]],
    ['mlp.gate_proj', 'ffn_gate', [ffnSize, hiddenSize]],
    ['mlp.up_proj', 'ffn_up', [ffnSize, hiddenSize]],
    ['mlp.down_proj', 'ffn_down', [hiddenSize, ffnSize]],
  ];
  const layers = Array.from({ length: numLayers }, (_, layer) =>
    perLayer.map(([name, ggufName, dims, numRotatedHeads]) => ({
      name: `model.layers.${layer}.${name}.weight`,
      ggufName: `blk.${layer}.${ggufName}.weight`,
      shape: dims,
      numRotatedHeads,
    })),
  );
  return [
    {
      name: 'model.embed_tokens.weight',
      ggufName: 'token_embd.weight',
      shape: [vocabSize, hiddenSize],
    },
    ...layers.flat(),
    { name: 'model.norm.weight', ggufName: 'output_norm.weight', shape: [hiddenSize] },
  ];
}
