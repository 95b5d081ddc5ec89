import { InvalidArgumentError } from '../errors.js';
import type { DeviceContext } from './device-context.js';
import { type DType, dtypeBytes, type TypedArrayOf, viewAs } from './dtype.js';
import { checkInteger, maxExtent } from './limits.js';
import type { NativeBuffer } from './native.js';
import type { OpTensor } from './op-tensor.js';
import { DeviceResource } from './resource.js';

/** What `device.tensor()` takes. */
export interface TensorOptions<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  /** Row-major elements, copied before the call returns; f16 and bf16 as bits. Zeros when left out. */
  readonly data?: ArrayBufferView;
}

/** A dense row-major array in device memory. */
export class Tensor<D extends DType = DType> extends DeviceResource<NativeBuffer> {
  readonly byteLength: number;
  readonly numElements: number;

  /** @internal */
  constructor(
    context: DeviceContext,
    handle: NativeBuffer,
    readonly dtype: D,
    readonly shape: readonly number[],
  ) {
    super(context, handle, 'tensor');
    this.numElements = countElements(shape);
    this.byteLength = this.numElements * dtypeBytes[dtype];
  }

  /** Its elements as they are after all work queued so far; f16 and bf16 as bits. */
  async read(): Promise<TypedArrayOf<D>> {
    const { native, completions, handle } = this.context;
    const memory = new ArrayBuffer(this.byteLength);
    await completions.run((id) => native.readBuffer(handle, this.handle, memory, id));
    return viewAs(this.dtype, memory);
  }

  /**
   * Replaces its elements, after all work queued so far; `data` is copied before this returns.
   *
   * @throws {InvalidArgumentError} `ERR_SHAPE_MISMATCH` when `data` is not exactly `byteLength` bytes
   */
  async write(data: ArrayBufferView): Promise<void> {
    checkDataLength(data, this.byteLength);
    const { native, completions, handle } = this.context;
    await completions.run((id) => native.writeBuffer(handle, this.handle, data, id));
  }

  /** Sets every byte of it to `byte`, after all work queued so far; 0xff makes floats NaN. */
  async fill(byte: number): Promise<void> {
    checkInteger('byte', byte, 0, 255);
    const { native, completions, handle } = this.context;
    await completions.run((id) => native.fillBuffer(handle, this.handle, byte, id));
  }

  protected override release(handle: NativeBuffer): void {
    this.context.native.freeBuffer(this.context.handle, handle);
  }

  /**
   * It as an operand: the first dimension is rows, the rest is one row. A vector is one row.
   *
   * @internal
   */
  asOpTensor(): OpTensor {
    const isVector = this.shape.length === 1;
    const rows = isVector ? 1 : this.shape[0];
    const rowSize = isVector ? this.shape[0] : countElements(this.shape.slice(1));
    const operand = { buffer: this.handle, byteOffset: 0, byteLength: this.byteLength };
    return { dtype: this.dtype, rows, rowSize, operand };
  }
}

/** Allocates a tensor; uploads `data` where given. */
export function createTensor<D extends DType>(
  context: DeviceContext,
  options: TensorOptions<D>,
): Tensor<D> {
  const { dtype, shape, data } = options;
  if (!Object.hasOwn(dtypeBytes, dtype)) {
    throw new InvalidArgumentError('dtype', dtype, "'f32', 'f16', 'bf16' or 'i32'");
  }
  for (const [i, extent] of shape.entries()) checkInteger(`shape[${i}]`, extent, 0, maxExtent);
  const byteLength = countElements(shape) * dtypeBytes[dtype];
  if (data !== undefined) checkDataLength(data, byteLength);

  const buffer = context.native.allocateBuffer(context.handle, { byteLength });
  if (data !== undefined) context.native.writeBuffer(context.handle, buffer, data, 0);
  return new Tensor(context, buffer, dtype, [...shape]);
}

/** Product of the extents; 1 for a scalar. */
export function countElements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

function checkDataLength(data: ArrayBufferView, byteLength: number): void {
  if (data.byteLength === byteLength) return;
  throw new InvalidArgumentError(
    'data.byteLength',
    data.byteLength,
    `${byteLength}, the bytes of the shape`,
    'ERR_SHAPE_MISMATCH',
  );
}
