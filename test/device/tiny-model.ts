import { Device, type KvCache, type Program, type RecordLimits } from '../../lib/device/index.js';
import { Random } from '../conformance/random.js';

/** Extents of the model that tests of steps run: one layer, two heads that share one KV head. */
export const tiny = {
  vocabSize: 48,
  hidden: 32,
  numHeads: 2,
  headDim: 16,
  blockSize: 8,
  numBlocks: 12,
  maxPositions: 64,
};

export const tinyLimits = {
  maxTokens: 24,
  maxSeqs: 4,
  maxLogitRows: 8,
  maxTableRows: 4,
  maxBlocksPerSeq: 6,
  maxCopies: 4,
} satisfies RecordLimits;

export interface TinyModel {
  readonly device: Device;
  readonly kvCache: KvCache;
  readonly program: Program;
}

/** A model of random weights on a device of its own; equal for equal seeds. */
export async function openTinyModel(
  seed = 1,
  limits: RecordLimits = tinyLimits,
): Promise<TinyModel> {
  const device = Device.open({ threads: 2 });
  const { numBlocks, blockSize, headDim } = tiny;
  const layout = { numBlocks, blockSize, headDim, numLayers: 1, numKvHeads: 1, dtype: 'f32' };
  const kvCache = device.createKvCache({ ...layout, dtype: 'f32' });
  const program = await recordTinyModel(device, kvCache, seed, limits);
  return { device, kvCache, program };
}

async function recordTinyModel(
  device: Device,
  kvCache: KvCache,
  seed: number,
  limits: RecordLimits,
): Promise<Program> {
  const random = new Random(seed, 'tiny-model');
  const tensor = (shape: number[], make: (i: number) => number) => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => make(i));
    return device.tensor({ dtype: 'f32', shape, data });
  };
  const weight = async (outDim: number, inDim: number) => {
    const source = tensor([outDim, inDim], () => random.uniform() - 0.5);
    const parts = [{ source, byteOffset: 0, dtype: 'f32' as const, outDim }];
    const loaded = await device.loadWeight({ dtype: 'f32', inDim, parts });
    source.free();
    return loaded;
  };
  const { vocabSize, hidden, numHeads, headDim, maxPositions } = tiny;
  const table = await weight(vocabSize, hidden);
  const qkv = await weight((numHeads + 2) * headDim, hidden);
  const attentionOut = await weight(hidden, numHeads * headDim);
  const norm = tensor([hidden], () => 1);
  const rope = tensor([maxPositions, headDim], (i) => {
    const pair = i % (headDim / 2);
    const angle = Math.floor(i / headDim) * 10000 ** ((-2 * pair) / headDim);
    return i % headDim < headDim / 2 ? Math.cos(angle) : Math.sin(angle);
  });
  return device.record(limits, kvCache, (r) => {
    const residual = r.embed({ table });
    const x = r.rmsNorm({ x: residual, weight: norm, eps: 1e-5, outDtype: 'f32' });
    const q = r.ropeAndWriteKv({ qkv: r.matmul({ x, weight: qkv }), numHeads, rope, layer: 0 });
    const scale = headDim ** -0.5;
    const attended = r.pagedAttention({ q, numHeads, layer: 0, scale, outDtype: 'f32' });
    const out = r.matmul({ x: attended, weight: attentionOut });
    const end = r.rmsNorm({ x: out, residual, weight: norm, eps: 1e-5, outDtype: 'f32' });
    r.sample({ logits: r.matmul({ x: r.gatherRows({ x: end }), weight: table }) });
  });
}
