import type { Device, WeightDType } from '../device/index.js';
import type { ModelConfig } from './config.js';
import type { ModelKvLayout } from './model.js';
import { type OpenModel, type OpenModelOptions, openModel } from './open-model.js';
import {
  type MatrixPlan,
  plannedTensors,
  type VectorPlan,
  type WeightPlan,
} from './weight-plan.js';

/** What a model's files say, and what loading them would take. */
export interface ModelInspection {
  readonly config: ModelConfig;
  /** Numbers that the forward loop reads; a head that is the embedding counts once. */
  readonly numParameters: number;
  /** Parameters by the dtype that they are stored in. */
  readonly storedParameters: Readonly<Record<string, number>>;
  readonly storedBytes: number;
  readonly weightsDtype: WeightDType;
  readonly kvLayout: ModelKvLayout;
  /** Longest context that it would be loaded with, in tokens. */
  readonly contextLen: number;
  /** On the device: packed matrices, vectors and rotary tables. */
  readonly weightsBytes: number;
  /** Width of the widest activations, in bytes per token of a step; see `activationBytes`. */
  readonly bytesPerStepToken: number;
  /** The same per row of logits. */
  readonly bytesPerLogitRow: number;
}

/** Bits that a weight takes on the device, scales of its group included. */
const bitsOf = { f32: 32, f16: 16, bf16: 16, int8: 8.5, int4: 4.5 } as const satisfies Record<
  WeightDType,
  number
>;

/** Outputs are packed in panels of so many. Mirrors kPanelOutputs in addon/cpu/kernels.h. */
const panelOutputs = 32;
/** Inputs that share a scale. */
const groupInputs = 32;

/**
 * Reads headers and config of a model folder, checks them as `loadModel` does, and loads nothing.
 *
 * @throws {EngineError} what `loadModel` throws before it allocates
 */
export async function inspectModel(
  device: Device,
  folder: string,
  options: OpenModelOptions = {},
): Promise<ModelInspection> {
  const open = await openModel(device, folder, options);
  try {
    return inspectionOf(open);
  } finally {
    open.checkpoint.close();
  }
}

function inspectionOf(open: OpenModel): ModelInspection {
  const { config, checkpoint, plan, weightsDtype, kvDtype, contextLen } = open;
  const storedParameters: Record<string, number> = {};
  let numParameters = 0;
  let storedBytes = 0;
  for (const { name, shape } of plannedTensors(plan)) {
    const { dtype, byteLength } = checkpoint.getTensor(name);
    const count = shape.reduce((product, extent) => product * extent, 1);
    storedParameters[dtype] = (storedParameters[dtype] ?? 0) + count;
    numParameters += count;
    storedBytes += byteLength;
  }
  const { numLayers, numKvHeads, headDim } = config;
  return {
    config,
    numParameters,
    storedParameters,
    storedBytes,
    weightsDtype,
    kvLayout: { numLayers, numKvHeads, headDim, dtype: kvDtype },
    contextLen,
    weightsBytes: packedBytes(plan, weightsDtype) + ropeBytes(config, contextLen),
    ...activationBytes(config),
  };
}

function packedBytes(plan: WeightPlan, dtype: WeightDType): number {
  const layers = plan.layers.flatMap((layer) => Object.values(layer));
  const all = [plan.embedding, ...layers, plan.finalNorm, plan.lmHead];
  return all.reduce((sum, part) => sum + (part ? bytesOf(part, dtype) : 0), 0);
}

function bytesOf(plan: MatrixPlan | VectorPlan, dtype: WeightDType): number {
  const outDim = plan.parts.reduce((sum, part) => sum + part.outDim, 0);
  if (!('inDim' in plan)) return outDim * 4;
  const isQuantized = dtype === 'int8' || dtype === 'int4';
  const inDim = roundUp(plan.inDim, isQuantized ? groupInputs : dtype === 'f32' ? 1 : 2);
  return (roundUp(outDim, panelOutputs) * inDim * bitsOf[dtype]) / 8;
}

function ropeBytes({ rope, layers }: ModelConfig, contextLen: number): number {
  const numTables = layers.some((layer) => !layer.hasRope) ? 2 : 1;
  return numTables * contextLen * rope.rotaryDim * 4;
}

/** An upper bound: every activation of one layer in f32, as if none shared memory with another. */
function activationBytes(
  config: ModelConfig,
): Pick<ModelInspection, 'bytesPerStepToken' | 'bytesPerLogitRow'> {
  const { hiddenSize, ffnSize, numHeads, numKvHeads, headDim, vocabSize } = config;
  const qDim = numHeads * headDim;
  const widths = 4 * hiddenSize + 3 * qDim + 2 * numKvHeads * headDim + 3 * ffnSize;
  return { bytesPerStepToken: widths * 4, bytesPerLogitRow: vocabSize * 4 };
}

const roundUp = (count: number, unit: number): number => Math.ceil(count / unit) * unit;
