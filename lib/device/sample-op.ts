import { InvalidArgumentError } from '../errors.js';
import type { DeviceContext } from './device-context.js';
import { checkInteger } from './limits.js';
import { checkDtype } from './op-tensor.js';
import { type SamplingSlot, toNativeSlot } from './sampling-slot.js';
import { allocateResult, type ResultShape, readResult, type StepResult } from './step-result.js';
import type { Tensor } from './tensor.js';

/** Operands of `sample`. */
export interface SampleOperands {
  /** f32 `[n, vocabSize]` */
  readonly logits: Tensor;
  readonly slots: readonly SamplingSlot[];
  /** `[n]` index into `slots` of each row; -1 draws nothing */
  readonly rowSlots: Int32Array;
  /** `[n]` position that each drawn token will have */
  readonly rowPositions: Int32Array;
  readonly wantDigests?: boolean;
}

/** Draws from a tensor of logits; rows of one slot draw in order, each seeing the counts of those before. */
export async function runSample(context: DeviceContext, o: SampleOperands): Promise<StepResult> {
  context.assertOwns('logits', o.logits.context);
  const logits = o.logits.asOpTensor();
  checkDtype('logits', logits, 'f32');
  const numRows = logits.rows as number;
  const vocabSize = logits.rowSize;
  checkRowArray('rowSlots', o.rowSlots, numRows, -1, o.slots.length - 1);
  checkRowArray('rowPositions', o.rowPositions, numRows, 0, 2 ** 31 - 1);

  const { native, handle, completions } = context;
  const shape: ResultShape = {
    numLogitRows: numRows,
    hasDigests: o.wantDigests ?? false,
    numValues: 0,
    valuesAre: 'nothing',
  };
  const memory = allocateResult(shape);
  const draw = {
    kind: 'sample',
    rows: numRows,
    logits: logits.operand,
    vocabSize,
    slots: o.slots.map((slot, i) => toNativeSlot(`slots[${i}]`, slot, vocabSize)),
    rowSlots: o.rowSlots,
    rowPositions: o.rowPositions,
    wantDigests: shape.hasDigests,
  };
  await completions.run((id) => native.runSample(handle, draw, memory, id));
  return readResult(shape, memory);
}

function checkRowArray(
  field: string,
  values: Int32Array,
  numRows: number,
  min: number,
  max: number,
): void {
  if (values.length !== numRows) {
    throw new InvalidArgumentError(
      `${field}.length`,
      values.length,
      `${numRows}, the rows of logits`,
      'ERR_SHAPE_MISMATCH',
    );
  }
  for (const [i, value] of values.entries()) checkInteger(`${field}[${i}]`, value, min, max);
}
