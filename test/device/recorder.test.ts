import { Device, type KvCache, type Recorder, type RecordLimits } from '../../lib/device/index.js';
import { Recorder as RealRecorder } from '../../lib/device/recorder.js';
import { fillLimits } from '../../lib/device/step-limits.js';

const code = (name: string) => expect.objectContaining({ code: name });
const limits: RecordLimits = {
  maxTokens: 32,
  maxSeqs: 4,
  maxLogitRows: 4,
  maxTableRows: 4,
  maxBlocksPerSeq: 4,
  maxCopies: 2,
};
const hidden = 64;
const numHeads = 4;
const headDim = 16;

describe('a recording', () => {
  const device = Device.open({ threads: 1 });
  let kvCache: KvCache;
  const zeros = (...shape: number[]) => device.tensor({ dtype: 'f32', shape });
  const weight = (outDim: number, inDim: number, dtype: 'f32' | 'bf16' = 'f32') => {
    const part = { source: zeros(outDim, inDim), byteOffset: 0, dtype: 'f32' as const, outDim };
    return device.loadWeight({ dtype, inDim, parts: [part] });
  };
  let parts: Awaited<ReturnType<typeof makeParts>>;
  const makeParts = async () => ({
    table: await weight(100, hidden),
    qkv: await weight((numHeads + 2) * headDim, hidden),
    square: await weight(hidden, hidden),
    bf16: await weight(hidden, hidden, 'bf16'),
    norm: zeros(hidden),
    rope: zeros(64, headDim),
  });

  beforeAll(async () => {
    const layout = { numLayers: 2, numKvHeads: 1, headDim, dtype: 'f32' } as const;
    kvCache = device.createKvCache({ ...layout, numBlocks: 4, blockSize: 8 });
    parts = await makeParts();
  });
  afterAll(() => device.close());

  const record = (define: (r: Recorder) => void, cache: KvCache | undefined = kvCache) =>
    device.record(limits, cache, define);

  function decoder(r: Recorder, numLayers: number): void {
    const eps = 1e-5;
    const residual = r.embed({ table: parts.table });
    let x = r.rmsNorm({ x: residual, weight: parts.norm, eps, outDtype: 'f32' });
    for (let layer = 0; layer < numLayers; layer++) {
      const qkv = r.matmul({ x, weight: parts.qkv });
      const q = r.ropeAndWriteKv({ qkv, numHeads, rope: parts.rope, layer: layer % 2 });
      const scale = 0.25;
      x = r.pagedAttention({ q, numHeads, layer: layer % 2, scale, outDtype: 'f32' });
      x = r.matmul({ x, weight: parts.square });
      x = r.rmsNorm({ x, residual, weight: parts.norm, eps, outDtype: 'f32' });
    }
    r.sample({ logits: r.matmul({ x: r.gatherRows({ x }), weight: parts.table }) });
  }

  test('needs no more memory for more layers', () => {
    const two = record((r) => decoder(r, 2));
    const eight = record((r) => decoder(r, 8));
    expect(eight.numOps).toBe(two.numOps + 6 * 5);
    expect(eight.arenaBytes).toBe(two.arenaBytes);
  });

  test('keeps a residual alive up to the last op that updates it', () => {
    const recorder = new RealRecorder(parts.norm.context, fillLimits(limits), kvCache);
    decoder(recorder, 2);
    const { ops, lifetimes, arena } = recorder.finish();
    const [residual] = lifetimes;
    const lastNorm = ops.findLastIndex((op) => op.kind === 'rmsNorm');
    expect(residual).toMatchObject({ firstOp: 0, lastOp: lastNorm });
    const end = arena.offsets[0] + residual.byteLength;
    for (const [i, other] of lifetimes.entries()) {
      if (i === 0 || other.firstOp > lastNorm) continue;
      expect(
        arena.offsets[i] >= end || arena.offsets[i] + other.byteLength <= arena.offsets[0],
      ).toBe(true);
    }
  });

  test('names the tensor, its dtype and the one expected', () => {
    expect(() =>
      record((r) => r.matmul({ x: r.embed({ table: parts.table }), weight: parts.bf16 })),
    ).toThrow(
      expect.objectContaining({
        code: 'ERR_DTYPE_MISMATCH',
        message: 'x.dtype is "f32"; expected \'bf16\'',
      }),
    );
  });

  test('names the tensor, its shape and the one expected', () => {
    expect(() =>
      record((r) => {
        const x = r.matmul({ x: r.embed({ table: parts.table }), weight: parts.qkv });
        r.matmul({ x, weight: parts.square });
      }),
    ).toThrow(
      expect.objectContaining({
        code: 'ERR_SHAPE_MISMATCH',
        message: 'x.shape is "[tokens, 96]"; expected [tokens, 64]',
      }),
    );
  });

  const embed = (r: Recorder) => r.embed({ table: parts.table });
  test.each<[string, string, (r: Recorder) => void]>([
    ['a layer past the cache', 'ERR_INVALID_ARGUMENT', (r) => attend(r, { layer: 2 })],
    [
      'heads that KV heads do not divide',
      'ERR_INVALID_ARGUMENT',
      (r) => attend(r, { numHeads: 0 }),
    ],
    ['a scale that is not finite', 'ERR_INVALID_ARGUMENT', (r) => attend(r, { scale: Number.NaN })],
    ['a fractional window', 'ERR_INVALID_ARGUMENT', (r) => attend(r, { window: 1.5 })],
    ['a negative softcap', 'ERR_INVALID_ARGUMENT', (r) => attend(r, { softcap: -1 })],
    ['logits of all tokens', 'ERR_SHAPE_MISMATCH', (r) => r.sample({ logits: embed(r) })],
    ['no end', 'ERR_INVALID_ARGUMENT', (r) => embed(r)],
    ['an op after the end', 'ERR_INVALID_ARGUMENT', (r) => endAndGoOn(r)],
    ['a norm of another width', 'ERR_SHAPE_MISMATCH', (r) => norm(r, zeros(hidden + 1))],
    ['a norm of integers', 'ERR_DTYPE_MISMATCH', (r) => norm(r, integers(hidden))],
    [
      'an infinite factor',
      'ERR_INVALID_ARGUMENT',
      (r) => r.scale({ x: embed(r), factor: Infinity }),
    ],
  ])('refuses %s', (_, expected, define) => {
    expect(() => record(define)).toThrow(code(expected));
  });

  const integers = (n: number) => device.tensor({ dtype: 'i32', shape: [n] });
  const norm = (r: Recorder, weight: ReturnType<typeof zeros | typeof integers>) =>
    r.rmsNorm({ x: embed(r), weight, eps: 1e-5, outDtype: 'f32' });
  const endAndGoOn = (r: Recorder) => {
    const x = embed(r);
    r.output({ hidden: x });
    r.scale({ x, factor: 2 });
  };
  const attend = (r: Recorder, options: object) =>
    r.pagedAttention({
      q: embed(r),
      numHeads,
      layer: 0,
      scale: 1,
      outDtype: 'f32',
      ...options,
    });

  test('refuses an activation of another recording', () => {
    let stray: ReturnType<typeof embed> | undefined;
    record((r) => {
      stray = embed(r);
      r.output({ hidden: stray });
    });
    expect(() => record((r) => r.matmul({ x: stray!, weight: parts.square }))).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    );
  });

  test('refuses attention without a KV cache', () => {
    expect(() => device.record(limits, undefined, (r) => attend(r, {}))).toThrow('KV cache');
  });

  test('refuses weights of another device and freed ones', async () => {
    const other = Device.open({ threads: 1 });
    const tensor = other.tensor({ dtype: 'f32', shape: [hidden] });
    expect(() => record((r) => norm(r, tensor))).toThrow('another device');
    await other.close();
    const freed = zeros(hidden);
    freed.free();
    expect(() => record((r) => norm(r, freed))).toThrow(code('ERR_CLOSED'));
  });

  test('takes maxSeqs for the counts that are left out', () => {
    const program = device.record(
      { maxTokens: 8, maxSeqs: 3, maxBlocksPerSeq: 2 },
      undefined,
      (r) => r.output({ hidden: r.embed({ table: parts.table }) }),
    );
    const { maxLogitRows, maxTableRows, maxCopies, numSamplingSlots } = program.limits;
    expect([maxLogitRows, maxTableRows, maxCopies, numSamplingSlots]).toEqual([3, 3, 3, 3]);
    expect(program.createStepBuffer().copies).toHaveLength(2 * 3);
    program.free();
  });

  test('refuses limits that are no counts', () => {
    const bad = { ...limits, maxTokens: 0 };
    expect(() => device.record(bad, kvCache, () => {})).toThrow(code('ERR_INVALID_ARGUMENT'));
  });
});

describe('a program that ends in hidden states', () => {
  test('gives each row what embed gave it, without a KV cache', async () => {
    const device = Device.open({ threads: 1 });
    const rows = Float32Array.from({ length: 10 * 4 }, (_, i) => i);
    const source = device.tensor({ dtype: 'f32', shape: [10, 4], data: rows });
    const part = { source, byteOffset: 0, dtype: 'f32' as const, outDim: 10 };
    const table = await device.loadWeight({ dtype: 'f32', inDim: 4, parts: [part] });
    const program = device.record({ ...limits, maxTableRows: 0 }, undefined, (r) => {
      const x = r.embed({ table });
      r.scale({ x, factor: 0.5 });
      r.output({ hidden: x });
    });
    const step = program.createStepBuffer();
    step.numTokens = 3;
    step.numSeqs = 1;
    step.tokenIds.set([7, 0, 9]);
    step.queryStart[1] = 3;
    step.contextLens[0] = 3;
    const { hidden: out, samples, digests } = await device.submit(program, step);
    expect([...out!]).toEqual([14, 14.5, 15, 15.5, 0, 0.5, 1, 1.5, 18, 18.5, 19, 19.5]);
    expect(samples).toHaveLength(0);
    expect(digests).toBeUndefined();
    await device.close();
  });
});
