import type { Device, FloatDType, Tensor, Weight, WeightDType } from '../device/index.js';
import type { Checkpoint, CheckpointTensor } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import {
  checkAgainstPlan,
  type LayerPlan,
  loadableDtypes,
  type MatrixPlan,
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

/**
 * Puts planned weights onto the device. The checkpoint may be closed once this resolved.
 *
 * @param dtype of the matrices; stored ones of another dtype are converted
 * @param owned receives everything that was allocated, also when this rejects; the caller frees it
 */
export async function loadWeights(
  device: Device,
  checkpoint: Checkpoint,
  plan: WeightPlan,
  dtype: WeightDType,
  owned: Freeable[],
): Promise<ModelWeights> {
  const loader = new WeightLoader(device, checkpoint, dtype, owned);
  const embedding = await loader.loadMatrix(plan.embedding);
  const layers: LayerWeights[] = [];
  for (const layer of plan.layers) layers.push(await loader.loadLayer(layer));
  const finalNorm = await loader.loadVector(plan.finalNorm);
  const lmHead = plan.lmHead ? await loader.loadMatrix(plan.lmHead) : embedding;
  return { embedding, layers, finalNorm, lmHead };
}

/** Turns planned tensors into device memory, and notes what it allocated. */
class WeightLoader {
  constructor(
    private readonly device: Device,
    private readonly checkpoint: Checkpoint,
    private readonly dtype: WeightDType,
    private readonly owned: Freeable[],
  ) {}

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
    const weight = await this.device.loadWeight({
      dtype: this.dtype,
      inDim,
      parts: parts.map(({ name, outDim }) => {
        const { file, byteOffset, dtype } = this.checkpoint.getTensor(name);
        return { source: file, byteOffset, dtype: deviceDtype(dtype), outDim };
      }),
    });
    this.owned.push(weight);
    return weight;
  }

  /** Norm weights and biases: a few kilobytes, so they are widened here and uploaded as one. */
  async loadVector({ parts }: VectorPlan): Promise<Tensor<'f32'>> {
    const outDim = parts.reduce((sum, part) => sum + part.outDim, 0);
    const values = new Float32Array(outDim);
    let start = 0;
    for (const part of parts) {
      const { file, byteOffset, byteLength, dtype } = this.checkpoint.getTensor(part.name);
      values.set(widen(file.read(byteOffset, byteLength), deviceDtype(dtype)), start);
      start += part.outDim;
    }
    const tensor = this.device.tensor({ dtype: 'f32', shape: [outDim] });
    this.owned.push(tensor);
    await tensor.write(values);
    return tensor;
  }

  private async loadOptional(plan: VectorPlan | undefined): Promise<Tensor<'f32'> | undefined> {
    return plan && (await this.loadVector(plan));
  }
}

/** The device's name of a file dtype that {@link checkAgainstPlan} let pass. */
export function deviceDtype(dtype: string): FloatDType {
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
