import { InvalidArgumentError } from '../errors.js';
import type { DType } from './dtype.js';
import type { NativeBuffer } from './native.js';

/**
 * How many rows a tensor has: a count, or a name for "as many as the step has". Mirrors Extent in
 * addon/op.h.
 */
export type Rows = number | 'tokens' | 'seqs' | 'logitRows';

/** Tensors that each step brings along or that are derived at its start. Mirrors StepField in addon/step_layout.h. */
export type StepField =
  | 'tokenIds' // i32 [tokens]
  | 'positions' // i32 [tokens], derived
  | 'slotMapping' // i32 [tokens], derived
  | 'tableRows' // i32 [seqs]
  | 'queryStart' // i32 [seqs + 1]
  | 'contextLens' // i32 [seqs]
  | 'blockTables' // i32 [maxTableRows, maxBlocksPerSeq], kept between steps
  | 'logitRows' // i32 [logitRows]
  | 'logitSlots' // i32 [logitRows]
  | 'samplePositions'; // i32 [logitRows], derived

/** Where an operand lies; the addon turns it into a pointer. */
export type Operand =
  | { readonly buffer: NativeBuffer; readonly byteOffset: number; readonly byteLength: number }
  | { readonly arena: true; byteOffset: number; readonly byteLength: number }
  | { readonly step: StepField };

/** What ops know of a tensor, whether it is real or recorded: `rows` rows of `rowSize` elements. */
export interface OpTensor {
  readonly dtype: DType;
  readonly rows: Rows;
  readonly rowSize: number;
  readonly operand: Operand;
}

/**
 * Refuses a tensor of another dtype.
 *
 * @throws {InvalidArgumentError} `ERR_DTYPE_MISMATCH` naming the tensor and what it must be
 */
export function checkDtype(field: string, tensor: OpTensor, ...expected: DType[]): void {
  if (expected.includes(tensor.dtype)) return;
  throw new InvalidArgumentError(
    `${field}.dtype`,
    tensor.dtype,
    expected.map((dtype) => `'${dtype}'`).join(' or '),
    'ERR_DTYPE_MISMATCH',
  );
}

/**
 * Refuses a tensor of another shape.
 *
 * @throws {InvalidArgumentError} `ERR_SHAPE_MISMATCH` naming the tensor and what it must be
 */
export function checkShape(field: string, tensor: OpTensor, rows: Rows, rowSize: number): void {
  if (tensor.rows === rows && tensor.rowSize === rowSize) return;
  throw new InvalidArgumentError(
    `${field}.shape`,
    `[${tensor.rows}, ${tensor.rowSize}]`,
    `[${rows}, ${rowSize}]`,
    'ERR_SHAPE_MISMATCH',
  );
}

/** Refuses anything but `[numElements]` elements of `dtype`, whatever their arrangement. */
export function checkVector(
  field: string,
  tensor: OpTensor,
  dtype: DType,
  numElements: number,
): void {
  checkDtype(field, tensor, dtype);
  if (typeof tensor.rows === 'number' && tensor.rows * tensor.rowSize === numElements) return;
  throw new InvalidArgumentError(
    `${field}.shape`,
    `[${tensor.rows}, ${tensor.rowSize}]`,
    `[${numElements}]`,
    'ERR_SHAPE_MISMATCH',
  );
}

/** Refuses anything but one i32 per row, given as `[rows]` or `[rows, 1]`. */
export function checkIndices(field: string, tensor: OpTensor, rows: Rows): void {
  checkDtype(field, tensor, 'i32');
  const numElements = typeof tensor.rows === 'number' ? tensor.rows * tensor.rowSize : tensor.rows;
  if (numElements === rows) return;
  throw new InvalidArgumentError(
    `${field}.shape`,
    `[${numElements}]`,
    `[${rows}]`,
    'ERR_SHAPE_MISMATCH',
  );
}
