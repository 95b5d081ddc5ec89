import { InvalidArgumentError } from '../errors.js';
import type { DeviceContext } from './device-context.js';
import { type DType, dtypeBytes, dtypeCodes, type FloatDType, type WeightDType } from './dtype.js';
import { checkInteger, maxExtent } from './limits.js';
import { MappedFile } from './mapped-file.js';
import type { NativeBuffer } from './native.js';
import { DeviceResource } from './resource.js';
import { Tensor } from './tensor.js';

const weightDtypes: readonly string[] = ['f32', 'f16', 'bf16', 'int8', 'int4'];

/** Rows of a weight as they are stored: row-major `[outDim, inDim]` of `dtype` at `byteOffset`. */
export interface WeightPart {
  readonly source: MappedFile | Tensor;
  readonly byteOffset: number;
  readonly dtype: DType;
  readonly outDim: number;
}

/** What `device.loadWeight()` takes. */
export interface WeightOptions {
  /** Type it is kept in; parts of another type are converted, or quantised. */
  readonly dtype: WeightDType;
  readonly inDim: number;
  /** Stacked along `outDim` in order, as for a fused qkv projection. */
  readonly parts: readonly WeightPart[];
}

/** A matrix `[outDim, inDim]` in the backend's own packed order; only `embed` and `matmul` read it. */
export class Weight extends DeviceResource<NativeBuffer> {
  /** @internal */
  constructor(
    context: DeviceContext,
    handle: NativeBuffer,
    readonly dtype: WeightDType,
    readonly outDim: number,
    readonly inDim: number,
    /** Bytes on the device, padding of the packed order included. */
    readonly byteLength: number,
  ) {
    super(context, handle, 'weight');
  }

  /** Dtype of the rows that a matmul over this weight takes. */
  get inputDtype(): FloatDType {
    return this.dtype === 'int8' || this.dtype === 'int4' ? 'f32' : this.dtype;
  }

  protected override release(handle: NativeBuffer): void {
    this.context.native.freeBuffer(this.context.handle, handle);
  }
}

/** Packs a weight on the engine thread; the sources may be closed or freed once this was called. */
export async function loadWeight(context: DeviceContext, options: WeightOptions): Promise<Weight> {
  const { dtype, inDim, parts } = options;
  if (!weightDtypes.includes(dtype)) {
    throw new InvalidArgumentError('dtype', dtype, "'f32', 'f16', 'bf16', 'int8' or 'int4'");
  }
  context.assertSupports('weights', 'dtype', dtype);
  checkInteger('inDim', inDim, 1, maxExtent);
  checkInteger('parts.length', parts.length, 1, 64);
  for (const [i, part] of parts.entries()) checkPart(`parts[${i}]`, part, inDim, context);
  const outDim = parts.reduce((sum, part) => sum + part.outDim, 0);
  checkInteger('outDim', outDim, 1, maxExtent);

  const nativeParts = parts.map((part) => ({
    source: part.source.handle,
    byteOffset: part.byteOffset,
    dtype: dtypeCodes[part.dtype],
    outDim: part.outDim,
  }));
  let loaded: { weight: NativeBuffer; byteLength: number } | undefined;
  await context.completions.run((id) => {
    const weight = { dtype: dtypeCodes[dtype], inDim, parts: nativeParts };
    loaded = context.native.loadWeight(context.handle, weight, id);
  });
  return new Weight(context, loaded!.weight, dtype, outDim, inDim, loaded!.byteLength);
}

/** What `device.loadTensor()` takes. */
export interface LoadTensorOptions {
  readonly dtype: 'f32';
  readonly shape: readonly number[];
  readonly source: MappedFile;
  readonly byteOffset: number;
  readonly sourceDtype: DType;
}

/** Reads a small tensor (norm weights, biases) from a file, widened to f32. */
export async function loadTensor(
  context: DeviceContext,
  options: LoadTensorOptions,
): Promise<Tensor<'f32'>> {
  const { shape, source, byteOffset, sourceDtype } = options;
  for (const [i, extent] of shape.entries()) checkInteger(`shape[${i}]`, extent, 0, maxExtent);
  const numElements = shape.reduce((product, extent) => product * extent, 1);
  checkFloat('sourceDtype', sourceDtype);
  checkRange('source', source, byteOffset, numElements * dtypeBytes[sourceDtype]);

  let buffer: NativeBuffer | undefined;
  await context.completions.run((id) => {
    const load = {
      source: source.handle,
      byteOffset,
      sourceDtype: dtypeCodes[sourceDtype],
      numElements,
    };
    buffer = context.native.loadTensor(context.handle, load, id);
  });
  return new Tensor(context, buffer!, 'f32', [...shape]);
}

function checkPart(field: string, part: WeightPart, inDim: number, context: DeviceContext): void {
  checkInteger(`${field}.outDim`, part.outDim, 1, maxExtent);
  checkFloat(`${field}.dtype`, part.dtype);
  if (part.source instanceof Tensor) context.assertOwns(`${field}.source`, part.source.context);
  const byteLength = part.outDim * inDim * dtypeBytes[part.dtype];
  checkRange(`${field}.source`, part.source, part.byteOffset, byteLength);
}

function checkFloat(field: string, dtype: DType): void {
  if (dtype === 'f32' || dtype === 'f16' || dtype === 'bf16') return;
  throw new InvalidArgumentError(field, dtype, "'f32', 'f16' or 'bf16'", 'ERR_DTYPE_MISMATCH');
}

function checkRange(
  field: string,
  source: MappedFile | Tensor,
  byteOffset: number,
  byteLength: number,
): void {
  checkInteger('byteOffset', byteOffset, 0, Number.MAX_SAFE_INTEGER);
  if (byteOffset + byteLength <= source.byteLength) return;
  const what = source instanceof MappedFile ? source.path : 'the tensor';
  throw new InvalidArgumentError(
    `${field}.byteLength`,
    source.byteLength,
    `at least ${byteOffset + byteLength} bytes in ${what}`,
    'ERR_SHAPE_MISMATCH',
  );
}
