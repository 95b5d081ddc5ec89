import type { Device, DeviceInfo } from '../../lib/device/index.js';
import { decode, encode, type FloatDType, unitRoundoff } from '../reference/dtype.js';
import {
  type PagedAttentionInput,
  type PagedAttentionOutput,
  pagedAttention,
} from '../reference/paged-attention.js';
import { absoluteError, attentionError, lseError, tinyWeightError } from '../tolerances.js';
import { type AttentionContent, makeAttentionNumbers } from './attention-content.js';
import { expectClose, type RawOutputs } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import {
  makeCacheModel,
  makePoisonedCache,
  type Poison,
  poisons,
  type SlotContents,
} from './kv-fixture.js';
import { lengthOf, makePagedBatch, type PagedBatch, type SequenceShape } from './paged-batch.js';
import type { Random } from './random.js';

export const attentionAxes = {
  dtype: ['f32', 'f16', 'bf16'],
  headDim: [64, 80, 96, 128, 256],
  group: [1, 2, 4, 7, 8],
  numKvHeads: [1, 2, 3],
  blockSize: [8, 16, 32, 64, 128, 256],
  /** Context of the sequence under test; 64 and 1,024 are the tile and the split of the kernels. */
  length: [
    '0',
    '1',
    'blockSize-1',
    'blockSize',
    'blockSize+1',
    '63',
    '65',
    '1000',
    '1024',
    '1025',
    '2100',
  ],
  batch: ['decode', 'prefill', 'mixed', 'shared prefix', 'empty'],
  window: ['off', '0', '1', 'blockSize', '63', '1024', '2147483647'],
  softcap: [0, 5, 30],
  sinks: [false, true],
  lse: [false, true],
  outDtype: ['f32', 'f16', 'bf16'],
  content: ['mixed', 'needle', 'spiky'],
  poison: poisons,
} as const;

/** One value of each of {@link attentionAxes}. */
export interface AttentionChoice {
  readonly dtype: FloatDType;
  readonly headDim: number;
  readonly group: number;
  readonly numKvHeads: number;
  readonly blockSize: number;
  readonly length: string;
  readonly batch: 'decode' | 'prefill' | 'mixed' | 'shared prefix' | 'empty';
  readonly window: string;
  readonly softcap: number;
  readonly sinks: boolean;
  readonly lse: boolean;
  readonly outDtype: FloatDType;
  readonly content: AttentionContent;
  readonly poison: Poison;
}

/** Everything drawn for a trial. */
export interface AttentionDraw {
  readonly choice: AttentionChoice;
  readonly batch: PagedBatch;
  readonly layout: Parameters<Device['createKvCache']>[0];
  readonly numHeads: number;
  readonly q: Float32Array;
  readonly sinks: Float32Array;
  readonly contents: SlotContents;
  readonly window: number;
  readonly scale: number;
}

const layer = 1;
/** Longest prefill that runs as one step; longer prompts run their last rows, as a chunk does. */
const maxQueryLen = 70;
const chunkLen = 9;

function sequencesOf(choice: AttentionChoice, random: Random): SequenceShape[] {
  const { blockSize, batch } = choice;
  const contextLen = lengthOf(choice.length, blockSize);
  const decode = { queryLen: Math.min(1, contextLen), contextLen };
  const chunk = { queryLen: Math.min(chunkLen, contextLen), contextLen };
  if (batch === 'empty') return [];
  if (batch === 'decode') return [decode];
  if (batch === 'prefill') {
    return [contextLen <= maxQueryLen ? { queryLen: contextLen, contextLen } : chunk];
  }
  if (batch === 'shared prefix') {
    return [decode, { queryLen: 3, contextLen: contextLen + 3 }];
  }
  return random.shuffle([
    chunk,
    { queryLen: 13, contextLen: 13 },
    { queryLen: 1, contextLen: blockSize },
    { queryLen: 2, contextLen: blockSize + 2 },
    { queryLen: 1, contextLen: 77 },
    { queryLen: 0, contextLen: 20 },
    { queryLen: 0, contextLen: 0 },
    // Rows at positions below 0 see nothing and give zeros.
    { queryLen: 2, contextLen: 0 },
    { queryLen: 3, contextLen: 2 },
  ]);
}

/** Draws a batch, its layout in the cache, and all numbers. */
export function drawAttention(choice: AttentionChoice, random: Random): AttentionDraw {
  const { dtype, headDim, numKvHeads, blockSize } = choice;
  const window = choice.window === 'off' ? -1 : lengthOf(choice.window, blockSize);
  const batch = makePagedBatch(random, {
    sequences: sequencesOf(choice, random),
    blockSize,
    numPaddingRows: choice.batch === 'mixed' || choice.batch === 'empty' ? 3 : 0,
    sharedBlocks: choice.batch === 'shared prefix' ? Number.POSITIVE_INFINITY : 0,
    window,
  });
  const numHeads = numKvHeads * choice.group;
  const extents = { numHeads, numKvHeads, headDim, window };
  const { q, sinks, ...contents } = makeAttentionNumbers(random, batch, extents, choice.content);
  return {
    choice,
    batch,
    layout: { numBlocks: batch.numBlocks, blockSize, numLayers: 2, numKvHeads, headDim, dtype },
    numHeads,
    q,
    sinks,
    contents: { layer, ...contents },
    window,
    scale: Math.fround(1 / Math.sqrt(headDim)),
  };
}

/** What the reference takes: q is rounded to the cache's dtype, as it is before it meets K. */
export function referenceInput(draw: AttentionDraw): PagedAttentionInput {
  const { batch, layout, choice } = draw;
  return {
    q: decode(choice.dtype, encode(choice.dtype, draw.q)),
    cache: makeCacheModel(layout, [draw.contents]),
    layer,
    blockTables: batch.blockTables,
    tableStride: batch.tableStride,
    tableRows: batch.tableRows,
    queryStart: batch.queryStart,
    contextLens: batch.contextLens,
    numTokens: batch.numTokens,
    numHeads: draw.numHeads,
    scale: draw.scale,
    window: draw.window,
    softcap: choice.softcap,
    ...(choice.sinks ? { sinks: draw.sinks } : {}),
  };
}

/** Runs the op on a device, in a cache where everything else is poison. */
export function executeAttention(device: Device, draw: AttentionDraw): Promise<RawOutputs> {
  const { batch, layout, choice, numHeads } = draw;
  const shape = [batch.numTokens, numHeads, choice.headDim];
  return inScope(device, async (scope) => {
    const lse = choice.lse
      ? { lse: await scope.output('lse', 'f32', [batch.numTokens, numHeads]) }
      : {};
    await device.ops.pagedAttention({
      cache: await makePoisonedCache(scope, layout, choice.poison, [draw.contents]),
      layer,
      numHeads,
      out: await scope.output('out', choice.outDtype, shape),
      q: scope.floats('f32', shape, draw.q),
      ...scope.sequences(batch),
      scale: draw.scale,
      softcap: choice.softcap,
      ...(draw.window === -1 ? {} : { window: draw.window }),
      ...(choice.sinks ? { sinks: scope.floats('f32', [numHeads], draw.sinks) } : {}),
      ...lse,
    });
  });
}

/** Compares a device's outputs with the reference's. */
export function checkAttention(
  draw: AttentionDraw,
  outputs: RawOutputs,
  expected: PagedAttentionOutput,
  backend: DeviceInfo['backend'] = 'cpu',
): void {
  const { batch, choice, numHeads } = draw;
  const { headDim, outDtype } = choice;
  expectClose({
    label: 'out',
    shape: [batch.numTokens, numHeads, headDim],
    actual: decode(outDtype, outputs.out),
    expected: expected.out,
    magnitude: expected.magnitude.map((magnitude, i) => {
      const scoreMagnitude = expected.scoreMagnitude[Math.floor(i / headDim)];
      return (
        magnitude * attentionError(choice.dtype, scoreMagnitude, backend) +
        expected.valueMagnitude[i] * tinyWeightError(choice.dtype)
      );
    }),
    tolerance: {
      relative: 1,
      rounding: 1.25 * unitRoundoff(outDtype),
      absolute: absoluteError(outDtype),
    },
  });
  if (!choice.lse) return;
  expectClose({
    label: 'lse',
    shape: [batch.numTokens, numHeads],
    actual: outputs.lse,
    expected: expected.lse,
    magnitude: expected.lse.map((lse, i) => lseError(lse, expected.scoreMagnitude[i], backend)),
    tolerance: { relative: 1, rounding: 0, absolute: 0 },
  });
}

function makeTrial(choice: AttentionChoice, random: Random): Trial {
  const draw = drawAttention(choice, random);
  let expected: PagedAttentionOutput | undefined;
  return {
    execute: (device) => executeAttention(device, draw),
    check(outputs, backend) {
      expected ??= pagedAttention(referenceInput(draw));
      checkAttention(draw, outputs, expected, backend);
    },
  };
}

/** `pagedAttention`: prefill, cached prefix, decode and mixed batches in a poisoned cache. */
export const pagedAttentionSuite = asSuite({
  op: 'pagedAttention',
  axes: attentionAxes,
  productAxes: ['dtype', 'headDim', 'group', 'blockSize', 'length'],
  dtypeOf: 'caches',
  makeTrial,
});
