import { EngineError } from '../errors.js';
import { type ArchitectureDescription, architectures } from './architectures.js';
import type { Checkpoint, CheckpointTensor } from './checkpoint.js';
import type { ModelConfig } from './config.js';

/** One tensor of a checkpoint that is used whole. */
export interface PlannedPart {
  readonly name: string;
  readonly outDim: number;
}

/** Tensors that are stacked along `outDim` into one: matrices `[outDim, inDim]`. */
export interface MatrixPlan {
  readonly inDim: number;
  readonly parts: readonly PlannedPart[];
}

/** The same for vectors `[outDim]`. */
export interface VectorPlan {
  readonly parts: readonly PlannedPart[];
}

/** What one layer is made of. */
export interface LayerPlan {
  readonly inputNorm: VectorPlan;
  readonly qkv: MatrixPlan;
  readonly qkvBias: VectorPlan | undefined;
  readonly qNorm: VectorPlan | undefined;
  readonly kNorm: VectorPlan | undefined;
  readonly attentionOut: MatrixPlan;
  readonly attentionOutBias: VectorPlan | undefined;
  readonly postAttentionNorm: VectorPlan;
  readonly gateUp: MatrixPlan;
  readonly gateUpBias: VectorPlan | undefined;
  readonly down: MatrixPlan;
  readonly downBias: VectorPlan | undefined;
}

/** Which tensors of a checkpoint make up a model, and in which order they are stacked. */
export interface WeightPlan {
  readonly embedding: MatrixPlan;
  readonly layers: readonly LayerPlan[];
  readonly finalNorm: VectorPlan;
  /** Undefined when the embedding serves as the language-model head too. */
  readonly lmHead: MatrixPlan | undefined;
}

/** File dtypes that weights are loaded from, and their names on the device. */
export const loadableDtypes = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  Q8_0: 'int8',
  Q4_0: 'int4',
} as const;

/** Those of vectors, which are widened as they are. */
const vectorDtypes: readonly string[] = ['F32', 'F16', 'BF16'];

/** Buffers that old checkpoints carry along; the forward loop computes them itself. */
const ignoredNames = /^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/;

/**
 * Lists the tensors that `config` implies.
 *
 * @param isHeadTied whether the embedding serves as the language-model head
 */
export function planWeights(config: ModelConfig, isHeadTied: boolean): WeightPlan {
  const { vocabSize, hiddenSize, numLayers } = config;
  const vocabMatrix = (name: string) => matrix(hiddenSize, [{ name, outDim: vocabSize }]);
  return {
    embedding: vocabMatrix('model.embed_tokens.weight'),
    layers: Array.from({ length: numLayers }, (_, layer) => planLayer(config, layer)),
    finalNorm: vector('model.norm.weight', hiddenSize),
    lmHead: isHeadTied ? undefined : vocabMatrix('lm_head.weight'),
  };
}

function planLayer(config: ModelConfig, layer: number): LayerPlan {
  const { hiddenSize, ffnSize, headDim } = config;
  const description: ArchitectureDescription = architectures[config.architecture];
  const prefix = `model.layers.${layer}`;
  const qDim = config.numHeads * headDim;
  const kvDim = config.numKvHeads * headDim;
  const qkv = stack(`${prefix}.self_attn`, description.qkvModules, [qDim, kvDim, kvDim]);
  const attentionOut = stack(`${prefix}.self_attn`, ['o_proj'], [hiddenSize]);
  const gateUp = stack(`${prefix}.mlp`, description.gateUpModules, [ffnSize, ffnSize]);
  const down = stack(`${prefix}.mlp`, ['down_proj'], [hiddenSize]);
  const headNorm = (name: string) =>
    config.qkNorm ? vector(`${prefix}.self_attn.${name}.weight`, headDim) : undefined;
  return {
    inputNorm: vector(`${prefix}.input_layernorm.weight`, hiddenSize),
    qkv: weightOf(qkv, hiddenSize),
    qkvBias: config.qkvBias ? biasOf(qkv) : undefined,
    qNorm: headNorm('q_norm'),
    kNorm: headNorm('k_norm'),
    attentionOut: weightOf(attentionOut, qDim),
    attentionOutBias: config.attentionOutBias ? biasOf(attentionOut) : undefined,
    postAttentionNorm: vector(`${prefix}.post_attention_layernorm.weight`, hiddenSize),
    gateUp: weightOf(gateUp, hiddenSize),
    gateUpBias: config.mlpBias ? biasOf(gateUp) : undefined,
    down: weightOf(down, ffnSize),
    downBias: config.mlpBias ? biasOf(down) : undefined,
  };
}

/**
 * Holds a checkpoint against a plan: all tensors are there, in the right shape and a loadable dtype,
 * and none is left over that the forward loop would silently leave out.
 *
 * @throws {EngineError} `ERR_TENSOR_MISSING`, `ERR_TENSOR_SHAPE`, `ERR_TENSOR_DTYPE`,
 *   `ERR_TENSOR_UNEXPECTED`
 */
export function checkAgainstPlan(checkpoint: Checkpoint, plan: WeightPlan): void {
  const left = new Set(checkpoint.tensors.keys());
  for (const { name, shape } of plannedTensors(plan)) {
    checkTensor(checkpoint.getTensor(name), shape);
    left.delete(name);
  }
  if (!plan.lmHead) left.delete('lm_head.weight');
  const unexpected = [...left].filter((name) => !ignoredNames.test(name));
  if (unexpected.length > 0) {
    throw new EngineError(
      'ERR_TENSOR_UNEXPECTED',
      `${checkpoint.folder} has ${unexpected.length} tensors that its config gives no place, ` +
        `such as "${unexpected[0]}"`,
    );
  }
}

/** Every tensor of a plan with the shape it must have. */
export function* plannedTensors(plan: WeightPlan): Generator<{ name: string; shape: number[] }> {
  yield* shapesOf(plan.embedding);
  for (const layer of plan.layers) {
    for (const tensor of Object.values(layer)) {
      if (tensor) yield* shapesOf(tensor);
    }
  }
  yield* shapesOf(plan.finalNorm);
  if (plan.lmHead) yield* shapesOf(plan.lmHead);
}

function checkTensor({ name, shape, dtype }: CheckpointTensor, expected: readonly number[]): void {
  if (shape.length !== expected.length || shape.some((extent, i) => extent !== expected[i])) {
    const message = `tensor "${name}" is [${shape.join(', ')}]; the config implies [${expected.join(', ')}]`;
    throw new EngineError('ERR_TENSOR_SHAPE', message);
  }
  const isLoadable = expected.length === 1 ? vectorDtypes.includes(dtype) : dtype in loadableDtypes;
  if (!isLoadable) {
    const known = vectorDtypes.join(', ');
    const message = `tensor "${name}" is ${dtype}; weights load from ${known}`;
    throw new EngineError('ERR_TENSOR_DTYPE', message);
  }
}

function shapesOf(plan: MatrixPlan | VectorPlan): { name: string; shape: number[] }[] {
  const inner = 'inDim' in plan ? [plan.inDim] : [];
  return plan.parts.map(({ name, outDim }) => ({ name, shape: [outDim, ...inner] }));
}

/** Module names with their output extents; one module for several outputs has them all. */
function stack(
  parent: string,
  modules: readonly string[],
  outDims: readonly number[],
): PlannedPart[] {
  const total = outDims.reduce((sum, outDim) => sum + outDim, 0);
  return modules.map((module, i) => ({
    name: `${parent}.${module}`,
    outDim: modules.length === 1 ? total : outDims[i],
  }));
}

const suffixed = (modules: readonly PlannedPart[], suffix: string): PlannedPart[] =>
  modules.map(({ name, outDim }) => ({ name: `${name}.${suffix}`, outDim }));

const matrix = (inDim: number, parts: readonly PlannedPart[]): MatrixPlan => ({ inDim, parts });

const vector = (name: string, outDim: number): VectorPlan => ({ parts: [{ name, outDim }] });

const weightOf = (modules: readonly PlannedPart[], inDim: number): MatrixPlan =>
  matrix(inDim, suffixed(modules, 'weight'));

const biasOf = (modules: readonly PlannedPart[]): VectorPlan => ({
  parts: suffixed(modules, 'bias'),
});
