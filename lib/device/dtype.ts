/** Element types of tensors; `i32` for ids, slots and positions only. */
export type DType = 'f32' | 'f16' | 'bf16' | 'i32';

/** Numbers that dtypes have in the addon. Mirrors DType in cuda/params.h. */
export const dtypeCodes = { f32: 0, f16: 1, bf16: 2, i32: 3 } as const satisfies Record<
  DType,
  number
>;

/** The dtype that has a number in the addon. */
export function dtypeOfCode(code: number): DType {
  return (Object.keys(dtypeCodes) as DType[]).find((dtype) => dtypeCodes[dtype] === code) as DType;
}

/** Bytes of one element. */
export const dtypeBytes = { f32: 4, f16: 2, bf16: 2, i32: 4 } as const satisfies Record<
  DType,
  number
>;

/** What holds a dtype's elements in JavaScript; f16 and bf16 are their bits. */
export type TypedArrayOf<D extends DType> = D extends 'f32'
  ? Float32Array
  : D extends 'i32'
    ? Int32Array
    : Uint16Array;

/** A view of `memory` in elements of `dtype`. */
export function viewAs<D extends DType>(
  dtype: D,
  memory: ArrayBuffer,
  byteOffset = 0,
  numElements?: number,
): TypedArrayOf<D> {
  const View =
    dtype === 'f32' ? Float32Array : dtype === 'i32' ? Int32Array : (Uint16Array as never);
  return new View(memory, byteOffset, numElements) as TypedArrayOf<D>;
}
