import { EngineError, InvalidArgumentError } from '../errors.js';
import { Activation, type ActivationRows } from './activation.js';
import { type ArenaPlan, type Lifetime, planArena } from './arena-plan.js';
import type { DeviceContext } from './device-context.js';
import type { DType, FloatDType } from './dtype.js';
import type { KvCache } from './kv-cache.js';
import { pagedAttentionRecord, ropeAndWriteKvRecord } from './kv-op-records.js';
import {
  elementwiseRecord,
  embedRecord,
  gatedMulRecord,
  gatherRowsRecord,
  matmulRecord,
  type OpRecord,
  rmsNormRecord,
} from './op-records.js';
import { checkDtype } from './op-tensor.js';
import type { RecorderLimits } from './step-limits.js';
import { type StepTensors, stepTensors } from './step-tensors.js';
import type { Tensor } from './tensor.js';
import type { Weight } from './weight.js';

/** What a recording came to; `device.record()` makes a program of it. */
export interface Recording {
  readonly ops: readonly OpRecord[];
  readonly arena: ArenaPlan;
  /** Activations in the order they were made, for tests of the plan. */
  readonly lifetimes: readonly Lifetime[];
  readonly result: { readonly kind: 'logits' | 'hidden'; readonly activation: Activation };
}

/**
 * Records the ops of a forward pass, in order, while a function runs once.
 *
 * Activations have as many rows as the step has tokens (`T`) or, after `gatherRows`, logit rows (`L`).
 * Every method checks shapes and dtypes and throws `ERR_SHAPE_MISMATCH`, `ERR_DTYPE_MISMATCH` or
 * `ERR_INVALID_ARGUMENT`.
 */
export class Recorder {
  /** The step's own tensors, as the recorded ops see them. */
  readonly step: StepTensors;
  readonly #ops: OpRecord[] = [];
  readonly #lifetimes = new Map<Activation, { firstOp: number; lastOp: number }>();
  #result: Recording['result'] | undefined;

  /** @internal */
  constructor(
    private readonly context: DeviceContext,
    private readonly limits: RecorderLimits,
    private readonly kvCache: KvCache | undefined,
  ) {
    this.step = stepTensors(limits);
  }

  /** Rows of `table` by token id: f32 `[T, hidden]`. */
  embed(o: { table: Weight }): Activation {
    this.#owns('table', o.table);
    const out = this.#activation('f32', 'tokens', o.table.inDim);
    return this.#add(embedRecord({ out, table: o.table, ids: this.step.tokenIds }), out);
  }

  /**
   * `y / rms(y) * (weightOffset + weight)` of `y = x`; with `residual` (f32, updated in place),
   * `residual += x` first and `y = residual`.
   */
  rmsNorm(o: {
    x: Activation;
    weight: Tensor;
    eps: number;
    residual?: Activation;
    weightOffset?: number;
    outDtype: FloatDType;
  }): Activation {
    this.#owns('weight', o.weight);
    const out = this.#activation(o.outDtype, o.x.rows, o.x.rowSize);
    const record = rmsNormRecord({ ...o, out, weight: o.weight.asOpTensor() });
    return this.#add(record, out, o.x, o.residual);
  }

  /** `x . weight^T + bias`: `[n, outDim]` of `outDtype` (f32); x is of `weight.inputDtype`. */
  matmul(o: { x: Activation; weight: Weight; bias?: Tensor; outDtype?: FloatDType }): Activation {
    this.#owns('weight', o.weight);
    this.#owns('bias', o.bias);
    const out = this.#activation(o.outDtype ?? 'f32', o.x.rows, o.weight.outDim);
    const bias = o.bias?.asOpTensor();
    return this.#add(matmulRecord({ out, x: o.x, weight: o.weight, bias }), out, o.x);
  }

  /**
   * Norms (where asked) and rotates q and k of fused f32 rows `[T, (numHeads + 2 * numKvHeads) *
   * headDim]`, writes k and v into the cache, gives q: f32 `[T, numHeads * headDim]`.
   *
   * @param o.rope f32 `[maxPositions, rotaryDim]`: the cosines of all pairs, then the sines
   */
  ropeAndWriteKv(o: {
    qkv: Activation;
    numHeads: number;
    rope: Tensor;
    layer: number;
    qNorm?: Tensor;
    kNorm?: Tensor;
    normEps?: number;
    normWeightOffset?: number;
  }): Activation {
    const cache = this.#cache('ropeAndWriteKv');
    this.#owns('rope', o.rope);
    this.#owns('qNorm', o.qNorm);
    this.#owns('kNorm', o.kNorm);
    const q = this.#activation('f32', 'tokens', o.numHeads * cache.layout.headDim);
    const { positions, slotMapping } = this.step;
    const rope = o.rope.asOpTensor();
    const qNorm = o.qNorm?.asOpTensor();
    const kNorm = o.kNorm?.asOpTensor();
    const operands = { ...o, cache, q, rope, positions, slotMapping, qNorm, kNorm };
    return this.#add(ropeAndWriteKvRecord(operands), q, o.qkv);
  }

  /**
   * Attention of every row over its sequence's cached context: `[T, numHeads * headDim]`.
   *
   * @param o.window a row at position p sees positions >= p - window
   * @param o.sinks f32 `[numHeads]` logit of a virtual key without a value
   */
  pagedAttention(o: {
    q: Activation;
    numHeads: number;
    layer: number;
    scale: number;
    window?: number;
    softcap?: number;
    sinks?: Tensor;
    outDtype: FloatDType;
  }): Activation {
    const cache = this.#cache('pagedAttention');
    this.#owns('sinks', o.sinks);
    const out = this.#activation(o.outDtype, o.q.rows, o.q.rowSize);
    const { blockTables, tableRows, queryStart, contextLens } = this.step;
    const sinks = o.sinks?.asOpTensor();
    const tables = { blockTables, tableRows, queryStart, contextLens };
    return this.#add(pagedAttentionRecord({ ...o, ...tables, cache, out, sinks }), out, o.q);
  }

  /** `silu(gate) * up` of f32 rows `[gate | up]`: `[n, dim]` of `outDtype`. */
  siluMul(o: { gateUp: Activation; outDtype: FloatDType }): Activation {
    return this.#gatedMul('siluMul', o.gateUp, o.outDtype);
  }

  /** `gelu(gate) * up` (tanh approximation) of f32 rows `[gate | up]`: `[n, dim]` of `outDtype`. */
  geluMul(o: { gateUp: Activation; outDtype: FloatDType }): Activation {
    return this.#gatedMul('geluMul', o.gateUp, o.outDtype);
  }

  /** The rows that `step.logitRows` names: `[L, ...]` of x's dtype. */
  gatherRows(o: { x: Activation }): Activation {
    const out = this.#activation(o.x.dtype, 'logitRows', o.x.rowSize);
    return this.#add(gatherRowsRecord({ out, x: o.x, rows: this.step.logitRows }), out, o.x);
  }

  /** `x *= factor`, f32, in place. */
  scale(o: { x: Activation; factor: number }): void {
    this.#add(elementwiseRecord('scale', o.x, o.factor), o.x);
  }

  /** `x = cap * tanh(x / cap)`, f32, in place. */
  softcap(o: { x: Activation; cap: number }): void {
    this.#add(elementwiseRecord('softcap', o.x, o.cap), o.x);
  }

  /** Ends the program in logits, f32 `[L, vocabSize]`, from which each step draws. */
  sample(o: { logits: Activation }): void {
    checkDtype('logits', o.logits, 'f32');
    const { vocabSize = o.logits.rowSize } = this.limits;
    if (o.logits.rows !== 'logitRows' || o.logits.rowSize !== vocabSize) {
      throw new InvalidArgumentError(
        'logits.shape',
        `[${o.logits.rows}, ${o.logits.rowSize}]`,
        `[logitRows, ${vocabSize}]`,
        'ERR_SHAPE_MISMATCH',
      );
    }
    const record: OpRecord = {
      kind: 'sample',
      rows: 'logitRows',
      logits: o.logits.operand,
      logitSlots: this.step.logitSlots.operand,
      samplePositions: this.step.samplePositions.operand,
      vocabSize: o.logits.rowSize,
    };
    this.#add(record, o.logits);
    this.#result = { kind: 'logits', activation: o.logits };
  }

  /** Ends the program in hidden states, f32 `[T or L, hidden]`, which each step reads back. */
  output(o: { hidden: Activation }): void {
    this.#use(o.hidden);
    checkDtype('hidden', o.hidden, 'f32');
    this.#result = { kind: 'hidden', activation: o.hidden };
  }

  /**
   * Plans the arena; the recorder takes no more ops.
   *
   * @internal
   * @throws {EngineError} `ERR_INVALID_ARGUMENT` when it ends in neither `sample` nor `output`
   */
  finish(): Recording {
    if (this.#result === undefined) {
      throw new EngineError('ERR_INVALID_ARGUMENT', 'a program must end in sample() or output()');
    }
    const activations = [...this.#lifetimes.keys()];
    const lifetimes = activations.map((activation) => ({
      byteLength: activation.operand.byteLength,
      ...this.#lifetimes.get(activation)!,
    }));
    const arena = planArena(lifetimes);
    for (const [i, { operand }] of activations.entries()) operand.byteOffset = arena.offsets[i];
    return { ops: this.#ops, arena, lifetimes, result: this.#result };
  }

  #gatedMul(kind: 'siluMul' | 'geluMul', gateUp: Activation, dtype: FloatDType): Activation {
    const out = this.#activation(dtype, gateUp.rows, gateUp.rowSize / 2);
    return this.#add(gatedMulRecord(kind, { out, gateUp }), out, gateUp);
  }

  #activation(dtype: DType, rows: ActivationRows, rowSize: number): Activation {
    const maxRows = rows === 'tokens' ? this.limits.maxTokens : this.limits.maxLogitRows;
    return new Activation(this, dtype, rows, rowSize, maxRows);
  }

  /** Takes an op and stretches the lives of the activations that it touches up to it. */
  #add(record: OpRecord, out: Activation, ...touched: (Activation | undefined)[]): Activation {
    if (this.#result !== undefined) {
      throw new EngineError('ERR_INVALID_ARGUMENT', `${record.kind} after the program's end`);
    }
    const op = this.#ops.length;
    for (const activation of touched) if (activation !== undefined) this.#use(activation);
    const lifetime = this.#lifetimes.get(out);
    if (lifetime === undefined) this.#lifetimes.set(out, { firstOp: op, lastOp: op });
    else lifetime.lastOp = op;
    this.#ops.push(record);
    return out;
  }

  #use(activation: Activation): void {
    const lifetime = this.#lifetimes.get(activation);
    if (lifetime === undefined) {
      throw new EngineError('ERR_INVALID_ARGUMENT', 'an activation of another recording was used');
    }
    lifetime.lastOp = this.#ops.length;
  }

  #cache(op: string): KvCache {
    if (this.kvCache !== undefined) return this.kvCache;
    throw new EngineError('ERR_INVALID_ARGUMENT', `${op} needs a program recorded with a KV cache`);
  }

  #owns(field: string, resource: { context: DeviceContext } | undefined): void {
    if (resource !== undefined) this.context.assertOwns(field, resource.context);
  }
}
