import type {
  Device,
  DType,
  KvCache,
  Tensor,
  Weight,
  WeightDType,
} from '../../lib/device/index.js';
import { encode, type FloatDType } from '../reference/dtype.js';
import { isQuantized } from '../reference/quantized.js';
import { MismatchError, type RawOutputs } from './compare.js';
import type { PagedBatch } from './paged-batch.js';

/** Bytes of the guard that is allocated after each output. */
const guardBytes = 64;
const guardByte = 0xa5;

type Resource = { free(): void };

/**
 * Everything one trial allocates on a device, and frees at its end.
 *
 * Outputs begin as NaN (every byte 0xff), so an element that is not written does not go unseen.
 */
export class DeviceScope {
  readonly #resources: Resource[] = [];
  readonly #outputs = new Map<string, Tensor>();
  readonly #guards: Tensor[] = [];

  constructor(readonly device: Device) {}

  /** A float tensor; the values are rounded to its dtype. */
  floats(dtype: FloatDType, shape: readonly number[], values: ArrayLike<number>): Tensor {
    return this.#keep(this.device.tensor({ dtype, shape, data: encode(dtype, values) }));
  }

  /** An i32 vector. */
  indices(values: ArrayLike<number>, shape: readonly number[] = [values.length]): Tensor {
    return this.#keep(this.device.tensor({ dtype: 'i32', shape, data: new Int32Array(values) }));
  }

  /** The tensors that tell `pagedAttention` about the sequences of a batch. */
  sequences(batch: PagedBatch) {
    const { blockTables, numTableRows, tableStride } = batch;
    return {
      blockTables: this.indices(blockTables, [numTableRows, tableStride]),
      tableRows: this.indices(batch.tableRows),
      queryStart: this.indices(batch.queryStart),
      contextLens: this.indices(batch.contextLens),
    };
  }

  /** A tensor for an op to write; {@link readOutputs} gives it back under `name`. */
  async output(name: string, dtype: DType, shape: readonly number[]): Promise<Tensor> {
    const tensor = this.#keep(this.device.tensor({ dtype, shape }));
    await tensor.fill(0xff);
    return this.inOut(name, tensor);
  }

  /** Registers a tensor that an op updates in place. */
  async inOut(name: string, tensor: Tensor): Promise<Tensor> {
    const guard = this.#keep(this.device.tensor({ dtype: 'i32', shape: [guardBytes / 4] }));
    await guard.fill(guardByte);
    this.#guards.push(guard);
    this.#outputs.set(name, tensor);
    return tensor;
  }

  /** A weight kept in `dtype` and stored as rows of `sourceDtype` (f32 for int8 and int4), stacked from parts of `partRows`. */
  async weight(o: {
    dtype: WeightDType;
    inDim: number;
    partRows: readonly number[];
    values: ArrayLike<number>;
    sourceDtype?: FloatDType;
  }): Promise<Weight> {
    const { dtype, inDim, sourceDtype = isQuantized(dtype) ? 'f32' : dtype } = o;
    const outDim = o.partRows.reduce((sum, rows) => sum + rows, 0);
    const source = this.floats(sourceDtype, [outDim, inDim], o.values);
    const rowBytes = inDim * (sourceDtype === 'f32' ? 4 : 2);
    let firstRow = 0;
    const parts = o.partRows.map((rows) => {
      const byteOffset = firstRow * rowBytes;
      firstRow += rows;
      return { source, byteOffset, dtype: sourceDtype, outDim: rows };
    });
    return this.#keep(await this.device.loadWeight({ dtype, inDim, parts }));
  }

  /** A KV cache. */
  kvCache(layout: Parameters<Device['createKvCache']>[0]): KvCache {
    return this.#keep(this.device.createKvCache(layout));
  }

  /** What the ops wrote. @throws {MismatchError} when memory beside an output changed */
  async readOutputs(): Promise<RawOutputs> {
    for (const guard of this.#guards) {
      const bytes = new Uint8Array((await guard.read()).buffer);
      if (bytes.some((byte) => byte !== guardByte)) throw new MismatchError('a guard was written');
    }
    const outputs: Record<string, RawOutputs[string]> = {};
    for (const [name, tensor] of this.#outputs) outputs[name] = await tensor.read();
    return outputs;
  }

  /** Frees everything. */
  free(): void {
    for (const resource of this.#resources) resource.free();
  }

  #keep<R extends Resource>(resource: R): R {
    this.#resources.push(resource);
    return resource;
  }
}

/** Runs an op in a scope of its own and gives what it wrote. */
export async function inScope(
  device: Device,
  run: (scope: DeviceScope) => Promise<void>,
): Promise<RawOutputs> {
  const scope = new DeviceScope(device);
  try {
    await run(scope);
    return await scope.readOutputs();
  } finally {
    scope.free();
  }
}
