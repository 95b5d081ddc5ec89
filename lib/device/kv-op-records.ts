import { InvalidArgumentError } from '../errors.js';
import { dtypeCodes } from './dtype.js';
import type { KvCache } from './kv-cache.js';
import { checkInteger, checkNumber } from './limits.js';
import { checkHeads, checkLayer, type OpRecord } from './op-records.js';
import { checkDtype, checkIndices, checkShape, checkVector, type OpTensor } from './op-tensor.js';

/** Operands of `writeKv`: puts each token's k and v into its slot; slot -1 writes nothing. */
export interface WriteKvOperands {
  readonly cache: KvCache;
  readonly layer: number;
  /** f32 `[n, numKvHeads * headDim]` */
  readonly key: OpTensor;
  /** f32 `[n, numKvHeads * headDim]` */
  readonly value: OpTensor;
  /** i32 `[n]` */
  readonly slotMapping: OpTensor;
}

export function writeKvRecord(o: WriteKvOperands): OpRecord {
  checkLayer(o.layer, o.cache);
  checkKeyValue(o.cache, o.key, o.value);
  checkIndices('slotMapping', o.slotMapping, o.key.rows);
  return {
    kind: 'writeKv',
    rows: o.key.rows,
    cache: o.cache.handle,
    layer: o.layer,
    key: o.key.operand,
    value: o.value.operand,
    slotMapping: o.slotMapping.operand,
  };
}

/** Operands of `readKv`: slots back as f32; slot -1 gives zeros. */
export interface ReadKvOperands {
  readonly cache: KvCache;
  readonly layer: number;
  /** out, f32 `[n, numKvHeads * headDim]` */
  readonly key: OpTensor;
  /** out, f32 `[n, numKvHeads * headDim]` */
  readonly value: OpTensor;
  /** i32 `[n]` */
  readonly slots: OpTensor;
}

export function readKvRecord(o: ReadKvOperands): OpRecord {
  checkLayer(o.layer, o.cache);
  checkKeyValue(o.cache, o.key, o.value);
  checkIndices('slots', o.slots, o.key.rows);
  return {
    kind: 'readKv',
    rows: o.key.rows,
    cache: o.cache.handle,
    layer: o.layer,
    key: o.key.operand,
    value: o.value.operand,
    slots: o.slots.operand,
  };
}

/** Operands of `ropeAndWriteKv`: norms and rotates q and k of fused rows, writes k and v, gives q. */
export interface RopeAndWriteKvOperands {
  readonly cache: KvCache;
  readonly layer: number;
  readonly numHeads: number;
  /** out, f32 `[n, numHeads * headDim]` */
  readonly q: OpTensor;
  /** f32 `[n, (numHeads + 2 * numKvHeads) * headDim]` */
  readonly qkv: OpTensor;
  /** f32 `[maxPositions, rotaryDim]`: the cosines of all pairs, then the sines */
  readonly rope: OpTensor;
  /** i32 `[n]` */
  readonly positions: OpTensor;
  /** i32 `[n]` */
  readonly slotMapping: OpTensor;
  /** f32 `[headDim]` */
  readonly qNorm?: OpTensor;
  /** f32 `[headDim]` */
  readonly kNorm?: OpTensor;
  readonly normEps?: number;
  readonly normWeightOffset?: number;
}

export function ropeAndWriteKvRecord(o: RopeAndWriteKvOperands): OpRecord {
  const { headDim, numKvHeads } = o.cache.layout;
  checkLayer(o.layer, o.cache);
  checkHeads(o.numHeads, o.cache);
  checkDtype('qkv', o.qkv, 'f32');
  checkShape('qkv', o.qkv, o.qkv.rows, (o.numHeads + 2 * numKvHeads) * headDim);
  checkDtype('q', o.q, 'f32');
  checkShape('q', o.q, o.qkv.rows, o.numHeads * headDim);
  checkRope(o.rope, headDim);
  checkIndices('positions', o.positions, o.qkv.rows);
  checkIndices('slotMapping', o.slotMapping, o.qkv.rows);
  if (o.qNorm !== undefined) checkVector('qNorm', o.qNorm, 'f32', headDim);
  if (o.kNorm !== undefined) checkVector('kNorm', o.kNorm, 'f32', headDim);
  checkNumber('normEps', o.normEps ?? 0, 'a number >= 0', (eps) => eps >= 0);
  checkNumber('normWeightOffset', o.normWeightOffset ?? 0, 'a finite number');
  return {
    kind: 'ropeAndWriteKv',
    rows: o.qkv.rows,
    cache: o.cache.handle,
    layer: o.layer,
    numHeads: o.numHeads,
    q: o.q.operand,
    qkv: o.qkv.operand,
    rope: o.rope.operand,
    maxPositions: o.rope.rows,
    rotaryDim: o.rope.rowSize,
    positions: o.positions.operand,
    slotMapping: o.slotMapping.operand,
    qNorm: o.qNorm?.operand,
    kNorm: o.kNorm?.operand,
    normEps: o.normEps ?? 0,
    normWeightOffset: o.normWeightOffset ?? 0,
  };
}

/** Operands of `pagedAttention`: causal varlen attention over paged contexts, aligned bottom right. */
export interface PagedAttentionOperands {
  readonly cache: KvCache;
  readonly layer: number;
  readonly numHeads: number;
  /** `[n, numHeads * headDim]`, any float */
  readonly out: OpTensor;
  /** out, f32 `[n, numHeads]`, natural log; -inf where nothing is attended */
  readonly lse?: OpTensor;
  /** f32 `[n, numHeads * headDim]` */
  readonly q: OpTensor;
  /** i32 `[numTableRows, maxBlocksPerSeq]` */
  readonly blockTables: OpTensor;
  /** i32 `[numSeqs]` row of each sequence in `blockTables` */
  readonly tableRows: OpTensor;
  /** i32 `[numSeqs + 1]`; rows of q past its last entry are padding and give zeros */
  readonly queryStart: OpTensor;
  /** i32 `[numSeqs]` */
  readonly contextLens: OpTensor;
  readonly scale: number;
  /** A row at position p sees positions >= p - window. */
  readonly window?: number;
  /** Logits become `softcap * tanh(logit / softcap)`. */
  readonly softcap?: number;
  /** f32 `[numHeads]` logit of a virtual key without a value */
  readonly sinks?: OpTensor;
}

export function pagedAttentionRecord(o: PagedAttentionOperands): OpRecord {
  const { headDim } = o.cache.layout;
  checkLayer(o.layer, o.cache);
  checkHeads(o.numHeads, o.cache);
  checkDtype('q', o.q, 'f32');
  checkShape('q', o.q, o.q.rows, o.numHeads * headDim);
  checkDtype('out', o.out, 'f32', 'f16', 'bf16');
  checkShape('out', o.out, o.q.rows, o.numHeads * headDim);
  if (o.lse !== undefined) {
    checkDtype('lse', o.lse, 'f32');
    checkShape('lse', o.lse, o.q.rows, o.numHeads);
  }
  if (o.sinks !== undefined) checkVector('sinks', o.sinks, 'f32', o.numHeads);
  checkTables(o);
  checkNumber('scale', o.scale, 'a finite number');
  checkNumber('softcap', o.softcap ?? 0, 'a number >= 0', (cap) => cap >= 0);
  if (o.window !== undefined) checkInteger('window', o.window, 0, 2 ** 31 - 1);
  return {
    kind: 'pagedAttention',
    rows: o.q.rows,
    cache: o.cache.handle,
    layer: o.layer,
    numHeads: o.numHeads,
    out: o.out.operand,
    outDtype: dtypeCodes[o.out.dtype],
    lse: o.lse?.operand,
    q: o.q.operand,
    blockTables: o.blockTables.operand,
    numTableRows: o.blockTables.rows,
    tableStride: o.blockTables.rowSize,
    tableRows: o.tableRows.operand,
    queryStart: o.queryStart.operand,
    contextLens: o.contextLens.operand,
    numSeqs: numSeqsOf(o.contextLens),
    scale: o.scale,
    softcap: o.softcap ?? 0,
    window: o.window ?? -1,
    sinks: o.sinks?.operand,
  };
}

/**
 * Whole blocks inside one cache.
 *
 * @param pairs i32 `[n, 2]` source, destination; no block is both, and none is a destination twice
 */
export function copyBlocksRecord(cache: KvCache, pairs: OpTensor): OpRecord {
  checkDtype('pairs', pairs, 'i32');
  checkShape('pairs', pairs, pairs.rows, 2);
  return { kind: 'copyBlocks', rows: pairs.rows, cache: cache.handle, pairs: pairs.operand };
}

function checkTables(o: PagedAttentionOperands): void {
  const numSeqs = numSeqsOf(o.contextLens);
  checkDtype('blockTables', o.blockTables, 'i32');
  checkIndices('contextLens', o.contextLens, numSeqs);
  checkIndices('tableRows', o.tableRows, numSeqs);
  if (typeof numSeqs === 'number') checkIndices('queryStart', o.queryStart, numSeqs + 1);
}

function numSeqsOf(contextLens: OpTensor) {
  const { rows, rowSize } = contextLens;
  return typeof rows === 'number' ? rows * rowSize : rows;
}

function checkKeyValue(cache: KvCache, key: OpTensor, value: OpTensor): void {
  const { numKvHeads, headDim } = cache.layout;
  checkDtype('key', key, 'f32');
  checkShape('key', key, key.rows, numKvHeads * headDim);
  checkDtype('value', value, 'f32');
  checkShape('value', value, key.rows, numKvHeads * headDim);
}

function checkRope(rope: OpTensor, headDim: number): void {
  checkDtype('rope', rope, 'f32');
  if (rope.rowSize % 2 === 0 && rope.rowSize <= headDim && typeof rope.rows === 'number') return;
  throw new InvalidArgumentError(
    'rope.shape',
    `[${rope.rows}, ${rope.rowSize}]`,
    `[maxPositions, an even rotaryDim <= ${headDim}]`,
    'ERR_SHAPE_MISMATCH',
  );
}
