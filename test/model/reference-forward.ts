import { architectures } from '../../lib/model/architectures.js';
import type { ModelConfig } from '../../lib/model/config.js';
import { chooseRotation, type Rotation } from '../../lib/model/rope.js';

/** Gives a tensor's elements, row-major, by the name that it has in a checkpoint. */
export type TensorSource = (name: string) => ArrayLike<number>;

/** What the engine rounds where; identity functions give the pure float64 result. */
export interface Rounding {
  /** A row that enters a matrix product. */
  matmulInput(row: Float64Array): Float64Array;
  /** Keys and values on their way into the cache. */
  kv(value: number): number;
}

export const noRounding: Rounding = { matmulInput: (row) => row, kv: (value) => value };

type Rows = Float64Array[];

/**
 * A decoder's forward pass over one sequence, in plain float64 loops: no cache, no blocks, no batch.
 *
 * @param tokens `[T]` ids; row i stands at position i
 * @returns `[T][vocabSize]` logits
 */
export function referenceLogits(
  config: ModelConfig,
  tensor: TensorSource,
  tokens: readonly number[],
  rounding: Rounding = noRounding,
): Rows {
  const { hiddenSize, rmsNormEps } = config;
  const { qkvModules, gateUpModules } = architectures[config.architecture];
  const linear = (rows: Rows, parent: string, modules: readonly string[], hasBias: boolean): Rows =>
    rows.map((row) => {
      const input = rounding.matmulInput(row);
      const outputs = modules.map((module) => {
        const name = parent ? `${parent}.${module}` : module;
        return product(input, tensor(`${name}.weight`), hasBias ? tensor(`${name}.bias`) : []);
      });
      return Float64Array.from(outputs.flatMap((output) => [...output]));
    });
  const norm = (rows: Rows, name: string): Rows =>
    rows.map((row) => rmsNorm(row, tensor(name), rmsNormEps));

  const embedding = tensor('model.embed_tokens.weight');
  const hidden = tokens.map((id) =>
    Float64Array.from({ length: hiddenSize }, (_, i) => embedding[id * hiddenSize + i]),
  );
  config.layers.forEach((_, layer) => {
    const prefix = `model.layers.${layer}`;
    const attention = `${prefix}.self_attn`;
    const x = norm(hidden, `${prefix}.input_layernorm.weight`);
    const qkv = linear(x, attention, qkvModules, config.qkvBias);
    rotateHeads(config, tensor, layer, qkv, rounding);
    const attended = attend(config, layer, qkv);
    add(hidden, linear(attended, attention, ['o_proj'], config.attentionOutBias));

    const y = norm(hidden, `${prefix}.post_attention_layernorm.weight`);
    const gateUp = linear(y, `${prefix}.mlp`, gateUpModules, config.mlpBias);
    const gated = gateUp.map((row) => gate(row, config.activation));
    add(hidden, linear(gated, `${prefix}.mlp`, ['down_proj'], config.mlpBias));
  });
  const head = config.tieWordEmbeddings ? 'model.embed_tokens' : 'lm_head';
  return linear(norm(hidden, 'model.norm.weight'), '', [head], false);
}

/** In place: q/k norms, rotation of q and k, and rounding of k and v. */
function rotateHeads(
  config: ModelConfig,
  tensor: TensorSource,
  layer: number,
  qkv: Rows,
  rounding: Rounding,
): void {
  const { numHeads, numKvHeads, headDim, rope, rmsNormEps } = config;
  const rotation = chooseRotation(rope, config.maxPositions);
  const normOf = (name: string) => tensor(`model.layers.${layer}.self_attn.${name}.weight`);
  qkv.forEach((row, position) => {
    for (let head = 0; head < numHeads + 2 * numKvHeads; head++) {
      const elements = row.subarray(head * headDim, (head + 1) * headDim);
      const isValue = head >= numHeads + numKvHeads;
      if (config.qkNorm && !isValue) {
        const weight = normOf(head < numHeads ? 'q_norm' : 'k_norm');
        elements.set(rmsNorm(elements, weight, rmsNormEps));
      }
      if (config.layers[layer].hasRope && !isValue) rotate(elements, rotation, position);
      if (head >= numHeads) elements.set(elements.map(rounding.kv));
    }
  });
}

/** Turns element pairs (i, i + half) of one head. */
function rotate(
  elements: Float64Array,
  { frequencies, magnitude }: Rotation,
  position: number,
): void {
  const half = frequencies.length;
  for (let i = 0; i < half; i++) {
    const cos = Math.fround(magnitude * Math.cos(position * frequencies[i]));
    const sin = Math.fround(magnitude * Math.sin(position * frequencies[i]));
    const [a, b] = [elements[i], elements[i + half]];
    elements[i] = a * cos - b * sin;
    elements[i + half] = b * cos + a * sin;
  }
}

/** Softmax attention of each row over itself and the rows before it. */
function attend(config: ModelConfig, layer: number, qkv: Rows): Rows {
  const { numHeads, numKvHeads, headDim } = config;
  const window = config.layers[layer].slidingWindow ?? qkv.length;
  return qkv.map((row, position) => {
    const out = new Float64Array(numHeads * headDim);
    for (let head = 0; head < numHeads; head++) {
      const kvHead = Math.floor(head / (numHeads / numKvHeads));
      const keyStart = (numHeads + kvHead) * headDim;
      const valueStart = keyStart + numKvHeads * headDim;
      const first = Math.max(0, position - window + 1);
      const scores = qkv.slice(first, position + 1).map((other) => {
        let dot = 0;
        for (let d = 0; d < headDim; d++) dot += row[head * headDim + d] * other[keyStart + d];
        return dot / Math.sqrt(headDim);
      });
      const largest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - largest));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      weights.forEach((weight, i) => {
        for (let d = 0; d < headDim; d++) {
          out[head * headDim + d] += (weight / total) * qkv[first + i][valueStart + d];
        }
      });
    }
    return out;
  });
}

function gate(gateUp: Float64Array, activation: ModelConfig['activation']): Float64Array {
  const half = gateUp.length / 2;
  return Float64Array.from({ length: half }, (_, i) => {
    const x = gateUp[i];
    const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    const act = activation === 'silu' ? x / (1 + Math.exp(-x)) : (x / 2) * (1 + Math.tanh(inner));
    return act * gateUp[half + i];
  });
}

function rmsNorm(row: Float64Array, weight: ArrayLike<number>, eps: number): Float64Array {
  const meanSquare = row.reduce((sum, value) => sum + value * value, 0) / row.length;
  const scale = 1 / Math.sqrt(meanSquare + eps);
  return row.map((value, i) => value * scale * weight[i]);
}

/** `weight [outDim, inDim] . input + bias` */
function product(
  input: Float64Array,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
): Float64Array {
  const inDim = input.length;
  const out = new Float64Array(weight.length / inDim);
  for (let row = 0; row < out.length; row++) {
    let sum = bias.length > 0 ? bias[row] : 0;
    for (let i = 0; i < inDim; i++) sum += weight[row * inDim + i] * input[i];
    out[row] = sum;
  }
  return out;
}

function add(rows: Rows, others: Rows): void {
  rows.forEach((row, r) => {
    row.forEach((_, i) => {
      row[i] += others[r][i];
    });
  });
}
