import { InvalidArgumentError } from '../errors.js';
import { dtypeCodes } from './dtype.js';
import type { KvCache } from './kv-cache.js';
import { checkInteger, checkNumber } from './limits.js';
import type { NativeBuffer, NativeKvCache } from './native.js';
import {
  checkDtype,
  checkIndices,
  checkShape,
  checkVector,
  type Operand,
  type OpTensor,
  type Rows,
} from './op-tensor.js';
import type { Weight } from './weight.js';

/**
 * One op as plain data, the same for recorded programs and direct use: its kind, its rows, its
 * operands, and the scalars of its parameter struct in cuda/params.h. Mirrors read_op in
 * addon/op_reader.cpp. Each function below checks shapes and dtypes and throws
 * `ERR_SHAPE_MISMATCH`, `ERR_DTYPE_MISMATCH` or `ERR_INVALID_ARGUMENT`.
 */
export interface OpRecord {
  readonly kind: string;
  readonly rows: Rows;
  readonly [field: string]: Operand | NativeWeight | NativeKvCache | string | number | undefined;
}

interface NativeWeight {
  readonly packed: NativeBuffer;
  readonly outDim: number;
  readonly inDim: number;
  readonly dtype: number;
}

function nativeWeight(weight: Weight): NativeWeight {
  const { outDim, inDim, dtype } = weight;
  return { packed: weight.handle, outDim, inDim, dtype: dtypeCodes[dtype] };
}

/** Operands of `embed`: rows of `table` by id, or rows of `vectors` where `vectorRows` is not -1. */
export interface EmbedOperands {
  /** f32 `[n, hidden]` */
  readonly out: OpTensor;
  /** `[vocabSize, hidden]` */
  readonly table: Weight;
  /** i32 `[n]` */
  readonly ids: OpTensor;
  /** f32 `[numVectors, hidden]` */
  readonly vectors?: OpTensor;
  /** i32 `[n]` */
  readonly vectorRows?: OpTensor;
}

export function embedRecord(o: EmbedOperands): OpRecord {
  checkDtype('out', o.out, 'f32');
  checkShape('out', o.out, o.out.rows, o.table.inDim);
  checkIndices('ids', o.ids, o.out.rows);
  if (o.vectors !== undefined) {
    checkDtype('vectors', o.vectors, 'f32');
    checkShape('vectors', o.vectors, o.vectors.rows, o.table.inDim);
  }
  if ((o.vectors === undefined) !== (o.vectorRows === undefined)) {
    throw new InvalidArgumentError('vectorRows', o.vectorRows, 'to be given with vectors');
  }
  if (o.vectorRows !== undefined) checkIndices('vectorRows', o.vectorRows, o.out.rows);
  return {
    kind: 'embed',
    rows: o.out.rows,
    out: o.out.operand,
    table: nativeWeight(o.table),
    ids: o.ids.operand,
    vectors: o.vectors?.operand,
    vectorRows: o.vectorRows?.operand,
    numVectors: o.vectors?.rows ?? 0,
  };
}

/** Operands of `rmsNorm`: `residual ? (residual += x, y = residual) : (y = x)`, then the norm of y. */
export interface RmsNormOperands {
  /** `[n, hidden]`, any float */
  readonly out: OpTensor;
  /** f32 `[n, hidden]` */
  readonly x: OpTensor;
  /** f32 `[hidden]` */
  readonly weight: OpTensor;
  readonly eps: number;
  /** f32 `[n, hidden]`, updated in place */
  readonly residual?: OpTensor;
  /** Added to each weight: 0, or 1 where a checkpoint stores weight - 1. */
  readonly weightOffset?: number;
}

export function rmsNormRecord(o: RmsNormOperands): OpRecord {
  checkDtype('x', o.x, 'f32');
  checkDtype('out', o.out, 'f32', 'f16', 'bf16');
  checkShape('out', o.out, o.x.rows, o.x.rowSize);
  checkVector('weight', o.weight, 'f32', o.x.rowSize);
  if (o.residual !== undefined) {
    checkDtype('residual', o.residual, 'f32');
    checkShape('residual', o.residual, o.x.rows, o.x.rowSize);
  }
  checkNumber('eps', o.eps, 'a number >= 0', (eps) => eps >= 0);
  checkNumber('weightOffset', o.weightOffset ?? 0, 'a finite number');
  return {
    kind: 'rmsNorm',
    rows: o.x.rows,
    out: o.out.operand,
    x: o.x.operand,
    residual: o.residual?.operand,
    weight: o.weight.operand,
    eps: o.eps,
    weightOffset: o.weightOffset ?? 0,
    hidden: o.x.rowSize,
    outDtype: dtypeCodes[o.out.dtype],
  };
}

/** Operands of `matmul`: `out = x . weight^T + bias`. */
export interface MatmulOperands {
  /** `[n, outDim]`, any float */
  readonly out: OpTensor;
  /** `[n, inDim]` of the weight's dtype; f32 where that is quantised */
  readonly x: OpTensor;
  readonly weight: Weight;
  /** f32 `[outDim]` */
  readonly bias?: OpTensor;
}

export function matmulRecord(o: MatmulOperands): OpRecord {
  checkDtype('x', o.x, o.weight.inputDtype);
  checkShape('x', o.x, o.x.rows, o.weight.inDim);
  checkDtype('out', o.out, 'f32', 'f16', 'bf16');
  checkShape('out', o.out, o.x.rows, o.weight.outDim);
  if (o.bias !== undefined) checkVector('bias', o.bias, 'f32', o.weight.outDim);
  return {
    kind: 'matmul',
    rows: o.x.rows,
    out: o.out.operand,
    x: o.x.operand,
    weight: nativeWeight(o.weight),
    bias: o.bias?.operand,
    outDtype: dtypeCodes[o.out.dtype],
  };
}

/** Operands of `siluMul` and `geluMul`: `out = act(gateUp[:, :dim]) * gateUp[:, dim:]`. */
export interface GatedMulOperands {
  /** `[n, dim]`, any float */
  readonly out: OpTensor;
  /** f32 `[n, 2 * dim]` */
  readonly gateUp: OpTensor;
}

export function gatedMulRecord(kind: 'siluMul' | 'geluMul', o: GatedMulOperands): OpRecord {
  checkDtype('gateUp', o.gateUp, 'f32');
  checkDtype('out', o.out, 'f32', 'f16', 'bf16');
  checkShape('gateUp', o.gateUp, o.out.rows, 2 * o.out.rowSize);
  return {
    kind,
    rows: o.out.rows,
    out: o.out.operand,
    gateUp: o.gateUp.operand,
    dim: o.out.rowSize,
    outDtype: dtypeCodes[o.out.dtype],
  };
}

/** Operands of `gatherRows`: `out[i] = x[rows[i]]`. */
export interface GatherRowsOperands {
  /** `[n, dim]` of x's dtype */
  readonly out: OpTensor;
  /** `[numRows, dim]`, any dtype */
  readonly x: OpTensor;
  /** i32 `[n]` */
  readonly rows: OpTensor;
}

export function gatherRowsRecord(o: GatherRowsOperands): OpRecord {
  checkDtype('out', o.out, o.x.dtype);
  checkShape('out', o.out, o.out.rows, o.x.rowSize);
  checkIndices('rows', o.rows, o.out.rows);
  return {
    kind: 'gatherRows',
    rows: o.out.rows,
    out: o.out.operand,
    x: o.x.operand,
    indices: o.rows.operand,
    sourceRows: o.x.rows,
    dim: o.x.rowSize,
    dtype: dtypeCodes[o.x.dtype],
  };
}

/** `x *= factor` or `x = cap * tanh(x / cap)`, f32, in place. */
export function elementwiseRecord(
  kind: 'scale' | 'softcap',
  x: OpTensor,
  operand: number,
): OpRecord {
  checkDtype('x', x, 'f32');
  if (kind === 'scale') checkNumber('factor', operand, 'a finite number');
  else checkNumber('cap', operand, 'a number > 0', (cap) => cap > 0);
  return { kind, rows: x.rows, x: x.operand, operand, dim: x.rowSize };
}

/** Refuses a layer that the cache does not have. */
export function checkLayer(layer: number, cache: KvCache): void {
  checkInteger('layer', layer, 0, cache.layout.numLayers - 1);
}

/** Refuses a number of query heads that the cache's KV heads do not divide. */
export function checkHeads(numHeads: number, cache: KvCache): void {
  const { numKvHeads } = cache.layout;
  checkInteger('numHeads', numHeads, 1, 65536);
  if (numHeads % numKvHeads === 0) return;
  throw new InvalidArgumentError('numHeads', numHeads, `a multiple of ${numKvHeads} KV heads`);
}
