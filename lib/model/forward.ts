import type { Activation, Recorder, Tensor } from '../device/index.js';
import type { LayerConfig, ModelConfig } from './config.js';
import type { LayerWeights, ModelWeights } from './weights.js';

/** All that the forward loop reads. */
export interface ForwardModel {
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  /** `[contextLen, rotaryDim]` f32, see `ropeTable` */
  readonly rope: Tensor<'f32'>;
  /** The same for layers without rotary embedding; undefined when all have it. */
  readonly identityRope: Tensor<'f32'> | undefined;
}

/**
 * Records the forward pass of a decoder: token ids in, logits and samples out.
 *
 *   hidden = embed(ids)                                              [T, hidden] f32, kept to the end
 *   each layer:
 *     x      = rmsNorm(hidden)                                       [T, hidden]
 *     q      = ropeAndWriteKv(matmul(x, qkv))                        [T, heads * headDim] f32
 *     x      = matmul(pagedAttention(q), attentionOut)               [T, hidden] f32
 *     x      = rmsNorm(hidden += x)                                  [T, hidden]
 *     x      = matmul(siluMul(matmul(x, gateUp)), down)              [T, hidden] f32
 *     hidden += x                                                    by the next norm
 *   logits = matmul(rmsNorm(hidden += x), lmHead)                    [L, vocab] f32
 *
 * In the last layer only logit rows go on after attention (L of T rows): no other row's result is
 * ever read. A row's value does not depend on which rows stand beside it, so this changes no bit.
 * The residual stream is f32; what enters a matmul is rounded to the weights' dtype, and stays f32
 * where weights are quantised: their matmul quantises it by itself.
 */
export function recordForward(recorder: Recorder, model: ForwardModel): void {
  const { config, weights } = model;
  const outDtype = weights.embedding.inputDtype;
  const normAdding = (weight: Tensor, x: Activation, residual: Activation) =>
    recorder.rmsNorm({ x, residual, weight, eps: config.rmsNormEps, outDtype });

  let hidden = recorder.embed({ table: weights.embedding });
  let x = recorder.rmsNorm({
    x: hidden,
    weight: weights.layers[0].inputNorm,
    eps: config.rmsNormEps,
    outDtype,
  });
  for (const [layer, layerWeights] of weights.layers.entries()) {
    let attended = recordAttention(recorder, model, layer, x);
    const isLast = layer === config.numLayers - 1;
    if (isLast) {
      attended = recorder.gatherRows({ x: attended });
      hidden = recorder.gatherRows({ x: hidden });
    }
    x = recorder.matmul({
      x: attended,
      weight: layerWeights.attentionOut,
      bias: layerWeights.attentionOutBias,
    });
    x = normAdding(layerWeights.postAttentionNorm, x, hidden);
    x = recordMlp(recorder, config, layerWeights, x);
    const nextNorm = isLast ? weights.finalNorm : weights.layers[layer + 1].inputNorm;
    x = normAdding(nextNorm, x, hidden);
  }
  recorder.sample({ logits: recorder.matmul({ x, weight: weights.lmHead }) });
}

/** Attention up to, and without, the output projection. @returns `[T, heads * headDim]` */
function recordAttention(
  recorder: Recorder,
  model: ForwardModel,
  layer: number,
  x: Activation,
): Activation {
  const { config, weights } = model;
  const { qkv, qkvBias, qNorm, kNorm } = weights.layers[layer];
  const { slidingWindow, hasRope }: LayerConfig = config.layers[layer];
  const { numHeads, headDim, rmsNormEps } = config;
  const q = recorder.ropeAndWriteKv({
    qkv: recorder.matmul({ x, weight: qkv, bias: qkvBias }),
    numHeads,
    rope: hasRope ? model.rope : model.identityRope!,
    layer,
    qNorm,
    kNorm,
    normEps: rmsNormEps,
  });
  return recorder.pagedAttention({
    q,
    numHeads,
    layer,
    scale: headDim ** -0.5,
    // The op's window counts the tokens before a row's own; a config counts that one too.
    window: slidingWindow === undefined ? undefined : slidingWindow - 1,
    outDtype: weights.embedding.inputDtype,
  });
}

/** The gated MLP. @returns as many rows as `x`, `[.., hidden]` f32 */
function recordMlp(
  recorder: Recorder,
  config: ModelConfig,
  { gateUp, gateUpBias, down, downBias }: LayerWeights,
  x: Activation,
): Activation {
  const gated = {
    gateUp: recorder.matmul({ x, weight: gateUp, bias: gateUpBias }),
    outDtype: down.inputDtype,
  };
  const product = config.activation === 'silu' ? recorder.siluMul(gated) : recorder.geluMul(gated);
  return recorder.matmul({ x: product, weight: down, bias: downBias });
}
