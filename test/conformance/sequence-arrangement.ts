import type { Device } from '../../lib/device/index.js';
import type { FloatDType } from '../reference/dtype.js';
import { inScope } from './device-scope.js';
import { makePoisonedCache, type SlotContents } from './kv-fixture.js';
import { makePagedBatch, type PagedBatch, type SequenceShape, slotOf } from './paged-batch.js';
import { Random } from './random.js';

/** One sequence whose last rows attend; what an arrangement must not change. */
export interface SequenceUnderTest {
  readonly dtype: FloatDType;
  readonly headDim: number;
  readonly numKvHeads: number;
  readonly group: number;
  /** -1 is off. */
  readonly window: number;
  readonly softcap: number;
  readonly sinks?: Float32Array;
  readonly contextLen: number;
  readonly queryLen: number;
  /** `[contextLen, numKvHeads, headDim]` */
  readonly key: Float32Array;
  readonly value: Float32Array;
  /** `[queryLen, numKvHeads * group, headDim]` */
  readonly q: Float32Array;
}

/** How the same rows may be run. */
export interface Arrangement {
  readonly blockSize: number;
  /** Query rows per call. */
  readonly chunkLen: number;
  /** Sequences that run beside it: none, ordinary ones, or ones whose q, K and V are all NaN. */
  readonly strangers: 'none' | 'normal' | 'NaN';
  /** Chooses blocks, table rows and the order of the sequences. */
  readonly seed: number;
}

/** Rows of the sequence under test, `[queryLen, numHeads, …]` each. */
export interface AttendedRows {
  readonly out: Float32Array;
  readonly lse: Float32Array;
}

const strangerShapes: readonly SequenceShape[] = [
  { queryLen: 1, contextLen: 90 },
  { queryLen: 20, contextLen: 33 },
  { queryLen: 1, contextLen: 1300 },
];

/** Runs the rows chunk by chunk; each chunk in a cache that holds no position after it. */
export async function attendArranged(
  device: Device,
  sequence: SequenceUnderTest,
  arrangement: Arrangement,
): Promise<AttendedRows> {
  const { queryLen, numKvHeads, group, headDim } = sequence;
  const numHeads = numKvHeads * group;
  const out = new Float32Array(queryLen * numHeads * headDim);
  const lse = new Float32Array(queryLen * numHeads);
  for (let first = 0; first < queryLen; first += arrangement.chunkLen) {
    const end = Math.min(queryLen, first + arrangement.chunkLen);
    const rows = await attendChunk(device, sequence, arrangement, first, end);
    out.set(rows.out, first * numHeads * headDim);
    lse.set(rows.lse, first * numHeads);
  }
  return { out, lse };
}

/** One chunk's batch, and everything that its sequences hold. */
interface ChunkDraw {
  readonly batch: PagedBatch;
  readonly contents: readonly SlotContents[];
  readonly q: Float32Array;
  /** Of the sequence under test among the batch's. */
  readonly sequenceAt: number;
}

/** Lays out rows [first, end) of the sequence under test among strangers. */
function drawChunk(
  sequence: SequenceUnderTest,
  arrangement: Arrangement,
  first: number,
  end: number,
): ChunkDraw {
  const { headDim, numKvHeads, group, window } = sequence;
  const { blockSize, strangers } = arrangement;
  const random = new Random(arrangement.seed, `${first}`);
  const contextLen = sequence.contextLen - sequence.queryLen + end;
  const tested: SequenceShape = { queryLen: end - first, contextLen };
  const shapes = strangers === 'none' ? [tested] : random.shuffle([tested, ...strangerShapes]);
  const batch = makePagedBatch(random, { sequences: shapes, blockSize, window });
  const sequenceAt = shapes.indexOf(tested);

  const draw = (length: number) =>
    strangers === 'NaN' ? new Float32Array(length).fill(Number.NaN) : random.normals(length);
  const kvWidth = numKvHeads * headDim;
  const contents = shapes.map((shape, s) => {
    const start = batch.firstVisible[s];
    const positions = Array.from({ length: shape.contextLen - start }, (_, i) => start + i);
    const own = (x: Float32Array) => x.slice(start * kvWidth, shape.contextLen * kvWidth);
    return {
      layer: 0,
      slots: positions.map((p) => slotOf(batch, s, p)),
      key: s === sequenceAt ? own(sequence.key) : draw(positions.length * kvWidth),
      value: s === sequenceAt ? own(sequence.value) : draw(positions.length * kvWidth),
    };
  });
  const width = kvWidth * group;
  const q = draw(batch.numTokens * width);
  q.set(sequence.q.subarray(first * width, end * width), batch.queryStart[sequenceAt] * width);
  return { batch, contents, q, sequenceAt };
}

async function attendChunk(
  device: Device,
  sequence: SequenceUnderTest,
  arrangement: Arrangement,
  first: number,
  end: number,
): Promise<AttendedRows> {
  const { dtype, headDim, numKvHeads, group, window } = sequence;
  const { batch, contents, q, sequenceAt } = drawChunk(sequence, arrangement, first, end);
  const { numBlocks, blockSize } = batch;
  const numHeads = numKvHeads * group;
  const layout = { numBlocks, blockSize, numLayers: 1, numKvHeads, headDim, dtype };
  const outputs = await inScope(device, async (scope) => {
    const shape = [batch.numTokens, numHeads, headDim];
    await device.ops.pagedAttention({
      cache: await makePoisonedCache(scope, layout, 'nan', contents),
      layer: 0,
      numHeads,
      out: await scope.output('out', 'f32', shape),
      lse: await scope.output('lse', 'f32', [batch.numTokens, numHeads]),
      q: scope.floats('f32', shape, q),
      ...scope.sequences(batch),
      scale: 1 / Math.sqrt(headDim),
      softcap: sequence.softcap,
      ...(window === -1 ? {} : { window }),
      ...(sequence.sinks ? { sinks: scope.floats('f32', [numHeads], sequence.sinks) } : {}),
    });
  });
  const row = batch.queryStart[sequenceAt];
  const rowsOf = (tensor: ArrayLike<number>, size: number) =>
    Float32Array.from(tensor).slice(row * size, (row + end - first) * size);
  return { out: rowsOf(outputs.out, numHeads * headDim), lse: rowsOf(outputs.lse, numHeads) };
}
