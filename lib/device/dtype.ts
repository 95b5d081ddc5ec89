/** Element types of tensors; `i32` for ids, slots and positions only. */
export type DType = 'f32' | 'f16' | 'bf16' | 'i32';

/** Dtypes that compute: of activations, KV caches and stored weights. */
export type FloatDType = 'f32' | 'f16' | 'bf16';

/**
 * Types that a weight is kept in. `int8` and `int4` are quantised: 32 inputs of an output share an f16
 * scale, so that a weight takes 8.5 or 4.5 bits; a matmul over them takes f32 rows.
 */
export type WeightDType = FloatDType | 'int8' | 'int4';

/** Numbers that dtypes have in the addon. Mirrors DType in cuda/params.h. */
export const dtypeCodes = {
  f32: 0,
  f16: 1,
  bf16: 2,
  i32: 3,
  int8: 4,
  int4: 5,
} as const satisfies Record<DType | WeightDType, number>;

/** The dtype that has a number in the addon. */
export function dtypeOfCode(code: number): keyof typeof dtypeCodes {
  const names = Object.keys(dtypeCodes) as (keyof typeof dtypeCodes)[];
  return names.find((dtype) => dtypeCodes[dtype] === code)!;
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
