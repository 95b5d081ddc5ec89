// The models of the CPU benchmarks, and what one step of them must read and multiply.

/** Llama-shaped decoders with tied embeddings; `tiny` is for tests and for `--quick`. */
export const shapes = {
  s03: {
    hiddenSize: 1024,
    numLayers: 24,
    numHeads: 16,
    numKvHeads: 8,
    headDim: 64,
    ffnSize: 2816,
    vocabSize: 32_000,
    ropeTheta: 10_000,
  },
  l1b: {
    hiddenSize: 2048,
    numLayers: 16,
    numHeads: 32,
    numKvHeads: 8,
    headDim: 64,
    ffnSize: 8192,
    vocabSize: 128_256,
    ropeTheta: 500_000,
  },
  tiny: {
    hiddenSize: 128,
    numLayers: 2,
    numHeads: 4,
    numKvHeads: 2,
    headDim: 64,
    ffnSize: 256,
    vocabSize: 512,
    ropeTheta: 10_000,
  },
};

export const contextLen = 4096;
export const rmsNormEps = 1e-5;

/** Bits that one weight takes, the scale of its group of 32 included. */
const bitsPerWeight = { bf16: 16, int8: 8.5, int4: 4.5 };

/** Weights of the layers' matrices. */
export function numLayerWeights({ hiddenSize, numLayers, numHeads, numKvHeads, headDim, ffnSize }) {
  const attention = hiddenSize * headDim * (2 * numHeads + 2 * numKvHeads);
  return numLayers * (attention + 3 * hiddenSize * ffnSize);
}

/** Bytes of all matrices; the tied embedding table counts once, as the matrix of the logits. */
export function weightBytes(shape, weights = 'bf16') {
  const numWeights = numLayerWeights(shape) + shape.vocabSize * shape.hiddenSize;
  return (numWeights * bitsPerWeight[weights]) / 8;
}

/** Bytes of keys and values per token, of 2-byte elements. */
export function kvBytesPerToken({ numLayers, numKvHeads, headDim }) {
  return 2 * 2 * numLayers * numKvHeads * headDim;
}

/** Floating-point operations of attention over `numPairs` pairs of a row and a position before it. */
function attentionFlops({ numLayers, numHeads, headDim }, numPairs) {
  return 4 * numLayers * numHeads * headDim * numPairs;
}

/**
 * Floating-point operations of running the last `numTokens` of a prompt, with one row of logits.
 *
 * @param numCached tokens before them
 */
export function prefillFlops(shape, numTokens, numCached = 0) {
  const matmuls = 2 * numLayerWeights(shape) * numTokens;
  const logits = 2 * shape.vocabSize * shape.hiddenSize;
  const numPairs = numTokens * (numCached + (numTokens + 1) / 2);
  return matmuls + logits + attentionFlops(shape, numPairs);
}

/** What one step of decoding needs: bytes read once, and floating-point operations. */
export function decodeStep(shape, { numSeqs, meanContextLen, weights = 'bf16' }) {
  const numWeights = numLayerWeights(shape) + shape.vocabSize * shape.hiddenSize;
  const kvBytes = numSeqs * meanContextLen * kvBytesPerToken(shape);
  return {
    bytes: weightBytes(shape, weights) + kvBytes,
    flops: 2 * numWeights * numSeqs + attentionFlops(shape, numSeqs * meanContextLen),
  };
}
