import { type DType, dtypeBytes } from './dtype.js';
import type { Operand, OpTensor } from './op-tensor.js';

/** Leading dimension of an activation: as many rows as the step has tokens, or logit rows. */
export type ActivationRows = 'tokens' | 'logitRows';

/**
 * A tensor between two ops of a recorded program. It has no memory of its own: the recorder gives
 * it a place in the program's arena once it knows how long it lives.
 */
export class Activation implements OpTensor {
  /** @internal Set by the recorder when the arena is planned. */
  readonly operand: Extract<Operand, { arena: true }>;

  /** @internal */
  constructor(
    /** @internal The recorder that made it; no other may use it. */
    readonly owner: object,
    readonly dtype: DType,
    readonly rows: ActivationRows,
    /** Elements of one row. */
    readonly rowSize: number,
    maxRows: number,
  ) {
    const byteLength = maxRows * rowSize * dtypeBytes[dtype];
    this.operand = { arena: true, byteOffset: 0, byteLength };
  }
}
