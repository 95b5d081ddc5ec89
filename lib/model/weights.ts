import type { Device, FloatDType, Tensor, Weight, WeightDType } from '../device/index.js';
import type { Checkpoint, CheckpointTensor } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import {
  checkAgainstPlan,
  type LayerPlan,
  loadableDtypes,
  type MatrixPlan,
  plannedTensors,
  planWeights,
  type VectorPlan,
  type WeightPlan,
} from './weight-plan.js';
import { widen } from './widen.js';

/** One layer's weights on the device: matrices in the weights' dtype, vectors in f32. */
export type LayerWeights = {
  readonly [K in keyof LayerPlan]: NonNullable<LayerPlan[K]> extends MatrixPlan
    ? Weight
    : Tensor<'f32'> | Extract<LayerPlan[K], undefined>;
};

/** A model's weights on the device. */
export interface ModelWeights {
  readonly embedding: Weight;
  readonly layers: readonly LayerWeights[];
  readonly finalNorm: Tensor<'f32'>;
  /** The embedding itself where the two are tied. */
  readonly lmHead: Weight;
}

/** How far loading is. */
export interface LoadProgress {
  /** What is going on: weights go from the checkpoint's files into the device's memory. */
  readonly stage: 'weights';
  /** Bytes of the checkpoint that are done; grows from 0 to `totalBytes`. */
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

/** Something on the device that has to be freed. */
export interface Freeable {
  free(): void;
}

const compareBytes = 1 << 20;

/**
 * Settles which tensors of a checkpoint are used, after checking all of them.
 *
 * A config that ties the head to the embedding is followed, unless the checkpoint has a head with
 * other bytes; then the head is used, as transformers 5 does.
 *
 * @throws {EngineError} a code of {@link checkAgainstPlan}
 */
export function planCheckpoint(checkpoint: Checkpoint, config: ModelConfig): WeightPlan {
  const embedding = checkpoint.tensors.get('model.embed_tokens.weight');
  const head = checkpoint.tensors.get('lm_head.weight');
  const isHeadTied =
    config.tieWordEmbeddings && (!head || !embedding || hasEqualBytes(head, embedding));
  const plan = planWeights(config, isHeadTied);
  checkAgainstPlan(checkpoint, plan);
  return plan;
}

/** Where the weights of a {@link loadWeights} go. */
export interface WeightTarget {
  readonly device: Device;
  /** Of the matrices; stored ones of another dtype are converted. */
  readonly dtype: WeightDType;
  /** Receives everything that was allocated, also when loading rejects; the caller frees it. */
  readonly owned: Freeable[];
  /** Called before the first tensor is read and after each; what it throws ends the loading. */
  readonly onProgress: (progress: LoadProgress) => void;
}

/**
 * Puts planned weights onto the device. The checkpoint may be closed once this resolved.
 *
 * @param plan of this checkpoint, checked
 */
export async function loadWeights(
  checkpoint: Checkpoint,
  plan: WeightPlan,
  target: WeightTarget,
): Promise<ModelWeights> {
  const loader = new WeightLoader(checkpoint, target, plannedBytes(checkpoint, plan));
  loader.report(0);
  const embedding = await loader.loadMatrix(plan.embedding);
  const layers: LayerWeights[] = [];
  for (const layer of plan.layers) layers.push(await loader.loadLayer(layer));
  const finalNorm = await loader.loadVector(plan.finalNorm);
  const lmHead = plan.lmHead ? await loader.loadMatrix(plan.lmHead) : embedding;
  return { embedding, layers, finalNorm, lmHead };
}

function plannedBytes(checkpoint: Checkpoint, plan: WeightPlan): number {
  let total = 0;
  for (const { name } of plannedTensors(plan)) total += checkpoint.getTensor(name).byteLength;
  return total;
}

/** Turns planned tensors into device memory, and notes what it allocated. */
class WeightLoader {
  #loadedBytes = 0;

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly target: WeightTarget,
    private readonly totalBytes: number,
  ) {}

  /** Says that so many more bytes of the checkpoint are done. */
  report(numBytes: number): void {
    this.#loadedBytes += numBytes;
    const { totalBytes } = this;
    this.target.onProgress({ stage: 'weights', loadedBytes: this.#loadedBytes, totalBytes });
  }

  async loadLayer(plan: LayerPlan): Promise<LayerWeights> {
    return {
      inputNorm: await this.loadVector(plan.inputNorm),
      qkv: await this.loadMatrix(plan.qkv),
      qkvBias: await this.loadOptional(plan.qkvBias),
      qNorm: await this.loadOptional(plan.qNorm),
      kNorm: await this.loadOptional(plan.kNorm),
      attentionOut: await this.loadMatrix(plan.attentionOut),
      attentionOutBias: await this.loadOptional(plan.attentionOutBias),
      postAttentionNorm: await this.loadVector(plan.postAttentionNorm),
      gateUp: await this.loadMatrix(plan.gateUp),
      gateUpBias: await this.loadOptional(plan.gateUpBias),
      down: await this.loadMatrix(plan.down),
      downBias: await this.loadOptional(plan.downBias),
    };
  }

  async loadMatrix({ inDim, parts }: MatrixPlan): Promise<Weight> {
    const stored = parts.map(({ name }) => this.checkpoint.getTensor(name));
    const weight = await this.target.device.loadWeight({
      dtype: this.target.dtype,
      inDim,
      parts: stored.map(({ file, byteOffset, dtype, interleavedHeadDim }, i) => ({
        source: file,
        byteOffset,
        dtype: deviceDtype(dtype),
        outDim: parts[i].outDim,
        interleavedHeadDim,
      })),
    });
    this.target.owned.push(weight);
    this.report(sumBytes(stored));
    return weight;
  }

  /** Norm weights and biases: a few kilobytes, so they are widened here and uploaded as one. */
  async loadVector({ parts }: VectorPlan): Promise<Tensor<'f32'>> {
    const outDim = parts.reduce((sum, part) => sum + part.outDim, 0);
    const values = new Float32Array(outDim);
    const stored = parts.map(({ name }) => this.checkpoint.getTensor(name));
    let start = 0;
    for (const [
      i,
      { file, byteOffset, byteLength, dtype, interleavedHeadDim },
    ] of stored.entries()) {
      const part = widen(file.read(byteOffset, byteLength), deviceDtype(dtype) as FloatDType);
      values.set(interleavedHeadDim ? inOrder(part, interleavedHeadDim) : part, start);
      start += parts[i].outDim;
    }
    const tensor = this.target.device.tensor({ dtype: 'f32', shape: [outDim] });
    this.target.owned.push(tensor);
    await tensor.write(values);
    this.report(sumBytes(stored));
    return tensor;
  }

  private async loadOptional(plan: VectorPlan | undefined): Promise<Tensor<'f32'> | undefined> {
    return plan && (await this.loadVector(plan));
  }
}

const sumBytes = (tensors: readonly CheckpointTensor[]): number =>
  tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);

/** A vector whose heads have their halves as neighbours, with each half by itself. */
function inOrder(values: Float32Array, headDim: number): Float32Array {
  const half = headDim / 2;
  return values.map((_, i) => {
    const inHead = i % headDim;
    return values[i - inHead + (inHead % half) * 2 + Math.floor(inHead / half)];
  });
}

/** The device's name of a file dtype that {@link checkAgainstPlan} let pass. */
export function deviceDtype(dtype: string): WeightDType {
  return loadableDtypes[dtype as keyof typeof loadableDtypes];
}

function hasEqualBytes(a: CheckpointTensor, b: CheckpointTensor): boolean {
  if (a.dtype !== b.dtype || a.byteLength !== b.byteLength) return false;
  for (let start = 0; start < a.byteLength; start += compareBytes) {
    const length = Math.min(compareBytes, a.byteLength - start);
    const left = a.file.read(a.byteOffset + start, length);
    if (Buffer.compare(left, b.file.read(b.byteOffset + start, length)) !== 0) return false;
  }
  return true;
}
