import { InvalidArgumentError } from '../errors.js';
import type { DeviceContext } from './device-context.js';
import { type DType, dtypeBytes, dtypeCodes, type FloatDType, type WeightDType } from './dtype.js';
import { checkInteger, maxExtent } from './limits.js';
import { MappedFile } from './mapped-file.js';
import type { NativeBuffer } from './native.js';
import { DeviceResource } from './resource.js';
import { Tensor } from './tensor.js';

const weightDtypes: readonly string[] = ['f32', 'f16', 'bf16', 'int8', 'int4'];

/**
 * Rows of a weight as they are stored: row-major `[outDim, inDim]` of `dtype` at `byteOffset`.
 *
 * `int8` and `int4` are the blocks of llama.cpp's Q8_0 and Q4_0: 32 inputs and their f16 scale in 34 or 18 bytes.
 */
export interface WeightPart {
  readonly source: MappedFile | Tensor;
  readonly byteOffset: number;
  readonly dtype: DType | WeightDType;
  readonly outDim: number;
  /** The two halves of each head of so many rows are stored as neighbours, as GGUF does; default: rows are in order. */
  readonly interleavedHeadDim?: number;
}

/** Bytes of a stored row of `inDim` elements. */
export function storedRowBytes(dtype: DType | WeightDType, inDim: number): number {
  if (dtype === 'int8') return (inDim / blockElements) * 34;
  if (dtype === 'int4') return (inDim / blockElements) * 18;
  return inDim * dtypeBytes[dtype];
}

/** Elements that share a scale. */
const blockElements = 32;

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
    interleavedHeadDim: part.interleavedHeadDim ?? 0,
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
  checkStored(field, part, inDim);
  if (part.source instanceof Tensor) context.assertOwns(`${field}.source`, part.source.context);
  const byteLength = part.outDim * storedRowBytes(part.dtype, inDim);
  checkRange(`${field}.source`, part.source, part.byteOffset, byteLength);
}

function checkStored(field: string, part: WeightPart, inDim: number): void {
  const { dtype, outDim, interleavedHeadDim = 0 } = part;
  if (dtype !== 'int8' && dtype !== 'int4') checkFloat(`${field}.dtype`, dtype);
  else if (inDim % blockElements !== 0) {
    throw new InvalidArgumentError('inDim', inDim, `a multiple of ${blockElements} for ${dtype}`);
  }
  if (interleavedHeadDim === 0) return;
  checkInteger(`${field}.interleavedHeadDim`, interleavedHeadDim, 2, outDim);
  if (interleavedHeadDim % 2 === 0 && outDim % interleavedHeadDim === 0) return;
  const limit = `even and a divisor of ${outDim}`;
  throw new InvalidArgumentError(`${field}.interleavedHeadDim`, interleavedHeadDim, limit);
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
