import type { OpTensor, Rows, StepField } from './op-tensor.js';
import type { StepLimits } from './step-limits.js';

/** The tensors that a step brings along or that are derived at its start, as ops see them. */
export type StepTensors = Readonly<Record<StepField, OpTensor>>;

/** The symbolic step tensors of a recording. */
export function stepTensors(limits: StepLimits): StepTensors {
  const perRow = (step: StepField, rows: Rows): OpTensor => ({
    dtype: 'i32',
    rows,
    rowSize: 1,
    operand: { step },
  });
  return {
    tokenIds: perRow('tokenIds', 'tokens'),
    positions: perRow('positions', 'tokens'),
    slotMapping: perRow('slotMapping', 'tokens'),
    tableRows: perRow('tableRows', 'seqs'),
    queryStart: perRow('queryStart', 'seqs'),
    contextLens: perRow('contextLens', 'seqs'),
    blockTables: {
      dtype: 'i32',
      rows: limits.maxTableRows,
      rowSize: limits.maxBlocksPerSeq,
      operand: { step: 'blockTables' },
    },
    logitRows: perRow('logitRows', 'logitRows'),
    logitSlots: perRow('logitSlots', 'logitRows'),
    samplePositions: perRow('samplePositions', 'logitRows'),
  };
}
