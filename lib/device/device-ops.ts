import type { DeviceContext } from './device-context.js';
import type { KvCache } from './kv-cache.js';
import type * as kv from './kv-op-records.js';
import {
  copyBlocksRecord,
  pagedAttentionRecord,
  readKvRecord,
  ropeAndWriteKvRecord,
  writeKvRecord,
} from './kv-op-records.js';
import type * as plain from './op-records.js';
import {
  elementwiseRecord,
  embedRecord,
  gatedMulRecord,
  gatherRowsRecord,
  matmulRecord,
  type OpRecord,
  rmsNormRecord,
} from './op-records.js';
import type { OpTensor } from './op-tensor.js';
import { DeviceResource } from './resource.js';
import { runSample, type SampleOperands } from './sample-op.js';
import type { StepResult } from './step-result.js';
import { createTensor, Tensor } from './tensor.js';

/** Operands of an op with real tensors in the place of recorded ones. */
export type WithTensors<Operands> = {
  readonly [Field in keyof Operands]: Operands[Field] extends OpTensor | undefined
    ? Tensor | Extract<Operands[Field], undefined>
    : Operands[Field];
};

/**
 * Every op of the instruction set, run directly over tensors.
 *
 * Outputs are tensors that the caller made; the promise resolves when they are written. Ops run in the
 * order they were called, and in order with steps, reads and writes. A tensor's first dimension is
 * rows and the rest is one row, so `[n, numHeads, headDim]` and `[n, numHeads * headDim]` are the same.
 * Wrong shapes and dtypes throw at once; ids, slots and positions out of range reject
 * (`ERR_TOKEN_OUT_OF_RANGE`, `ERR_BLOCK_OUT_OF_RANGE`, `ERR_INVALID_ARGUMENT`), nothing being written.
 */
export class DeviceOps {
  readonly #context: DeviceContext;

  /** @internal */
  constructor(context: DeviceContext) {
    this.#context = context;
  }

  /** `out[i] = table[ids[i]]`, or a row of `vectors`: f32 `[n, hidden]`. Id out of range: `ERR_TOKEN_OUT_OF_RANGE`. */
  embed(o: WithTensors<plain.EmbedOperands>): Promise<void> {
    return this.#run(embedRecord(this.#operands(o)));
  }

  /** `out = y / rms(y) * (weightOffset + weight)`, `[n, hidden]`; with `residual`, `residual += x` and `y = residual`. */
  rmsNorm(o: WithTensors<plain.RmsNormOperands>): Promise<void> {
    return this.#run(rmsNormRecord(this.#operands(o)));
  }

  /** `out = x . weight^T + bias`: x `[n, inDim]`, out `[n, outDim]`; one f32 sum per output, in ascending order. */
  matmul(o: WithTensors<plain.MatmulOperands>): Promise<void> {
    return this.#run(matmulRecord(this.#operands(o)));
  }

  /** Puts f32 keys and values `[n, numKvHeads * headDim]` into their slots of one layer; slot -1 writes nothing. */
  writeKv(o: WithTensors<kv.WriteKvOperands>): Promise<void> {
    return this.#run(writeKvRecord(this.#operands(o)));
  }

  /** Gives keys and values of slots as f32 `[n, numKvHeads * headDim]`; slot -1 gives zeros. */
  readKv(o: WithTensors<kv.ReadKvOperands>): Promise<void> {
    return this.#run(readKvRecord(this.#operands(o)));
  }

  /** Norms (where asked) and rotates q and k of fused rows, writes k and v into their slots, gives q. */
  ropeAndWriteKv(o: WithTensors<kv.RopeAndWriteKvOperands>): Promise<void> {
    return this.#run(ropeAndWriteKvRecord(this.#operands(o)));
  }

  /** Causal attention of q `[n, numHeads * headDim]` over contexts that block tables name; prompts and single tokens alike. */
  pagedAttention(o: WithTensors<kv.PagedAttentionOperands>): Promise<void> {
    return this.#run(pagedAttentionRecord(this.#operands(o)));
  }

  /** `out = silu(gate) * up` of rows `gate | up`: gateUp f32 `[n, 2 * dim]`, out `[n, dim]`. */
  siluMul(o: WithTensors<plain.GatedMulOperands>): Promise<void> {
    return this.#run(gatedMulRecord('siluMul', this.#operands(o)));
  }

  /** `out = gelu(gate) * up`, GELU by its tanh formula: gateUp f32 `[n, 2 * dim]`, out `[n, dim]`. */
  geluMul(o: WithTensors<plain.GatedMulOperands>): Promise<void> {
    return this.#run(gatedMulRecord('geluMul', this.#operands(o)));
  }

  /** `out[i] = x[rows[i]]`: `[n, dim]` of x's dtype. */
  gatherRows(o: WithTensors<plain.GatherRowsOperands>): Promise<void> {
    return this.#run(gatherRowsRecord(this.#operands(o)));
  }

  /** `x *= factor`, f32, in place. */
  scale(o: { x: Tensor; factor: number }): Promise<void> {
    return this.#elementwise('scale', o.x, o.factor);
  }

  /** `x = cap * tanh(x / cap)`, f32, in place. */
  softcap(o: { x: Tensor; cap: number }): Promise<void> {
    return this.#elementwise('softcap', o.x, o.cap);
  }

  /**
   * Copies whole blocks of `cache`.
   *
   * @param o.pairs `[n * 2]` source, destination; no block is both, and none is a destination twice
   */
  copyBlocks(o: { cache: KvCache; pairs: Int32Array }): Promise<void> {
    this.#context.assertOwns('cache', o.cache.context);
    const shape = [o.pairs.length / 2, 2];
    const pairs = createTensor(this.#context, { dtype: 'i32', shape, data: o.pairs });
    const done = this.#run(copyBlocksRecord(o.cache, pairs.asOpTensor()));
    pairs.free();
    return done;
  }

  /** Draws one token per row of `logits`, which stay unchanged. */
  sample(o: SampleOperands): Promise<StepResult> {
    return runSample(this.#context, o);
  }

  #elementwise(kind: 'scale' | 'softcap', x: Tensor, operand: number): Promise<void> {
    this.#context.assertOwns('x', x.context);
    return this.#run(elementwiseRecord(kind, x.asOpTensor(), operand));
  }

  #run(record: OpRecord): Promise<void> {
    const { native, handle, completions } = this.#context;
    return completions.run((id) => native.runOp(handle, record, id));
  }

  /** Tensors become operands; whatever belongs to a device must belong to this one. */
  #operands<Operands>(o: WithTensors<Operands>): Operands {
    const entries = Object.entries(o).map(([field, value]) => {
      if (value instanceof DeviceResource) this.#context.assertOwns(field, value.context);
      return [field, value instanceof Tensor ? value.asOpTensor() : value];
    });
    return Object.fromEntries(entries) as Operands;
  }
}
