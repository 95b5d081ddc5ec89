import { checkInteger } from './limits.js';

/** Largest extents of a step, fixed when a program is recorded. */
export interface StepLimits {
  readonly maxTokens: number;
  readonly maxSeqs: number;
  readonly maxLogitRows: number;
  /** Rows of the block tables that live on the device. */
  readonly maxTableRows: number;
  /** Entries of one row; times the block size is the longest context. */
  readonly maxBlocksPerSeq: number;
  /** Block copies that one step can carry. */
  readonly maxCopies: number;
}

/** What `device.record()` takes; every count that is left out but `vocabSize` is `maxSeqs`. */
export interface RecordLimits
  extends Pick<StepLimits, 'maxTokens' | 'maxSeqs' | 'maxBlocksPerSeq'>,
    Partial<Pick<StepLimits, 'maxLogitRows' | 'maxTableRows' | 'maxCopies'>> {
  /** Checked against the logits where given. */
  readonly vocabSize?: number;
  /** Sampling slots that live on the device. */
  readonly numSamplingSlots?: number;
}

/** Limits as the recorder needs them. */
export interface RecorderLimits extends StepLimits {
  readonly vocabSize?: number;
  readonly numSamplingSlots: number;
}

/** Limits of a recorded program, everything filled in. */
export interface ProgramLimits extends StepLimits {
  /** Columns of the logits; 0 when the program ends in hidden states. */
  readonly vocabSize: number;
  readonly numSamplingSlots: number;
  /** Table changes that one step can carry: as many as the tables have entries. */
  readonly maxTableChanges: number;
}

/** Puts `maxSeqs` in the place of the counts that were left out. */
export function fillLimits(limits: RecordLimits): RecorderLimits {
  const { maxSeqs } = limits;
  return {
    ...limits,
    maxLogitRows: limits.maxLogitRows ?? maxSeqs,
    maxTableRows: limits.maxTableRows ?? maxSeqs,
    maxCopies: limits.maxCopies ?? maxSeqs,
    numSamplingSlots: limits.numSamplingSlots ?? maxSeqs,
  };
}

/** Refuses limits that are no counts or need more memory than 32-bit indices reach. */
export function checkLimits(limits: RecorderLimits): void {
  checkInteger('maxTokens', limits.maxTokens, 1, 2 ** 24);
  checkInteger('maxSeqs', limits.maxSeqs, 1, 2 ** 20);
  checkInteger('maxLogitRows', limits.maxLogitRows, 0, 2 ** 24);
  checkInteger('maxTableRows', limits.maxTableRows, 0, 2 ** 20);
  checkInteger('maxBlocksPerSeq', limits.maxBlocksPerSeq, 0, 2 ** 24);
  checkInteger('maxTableRows * maxBlocksPerSeq', tableEntries(limits), 0, 2 ** 28);
  checkInteger('maxCopies', limits.maxCopies, 0, 2 ** 24);
  checkInteger('numSamplingSlots', limits.numSamplingSlots, 0, 2 ** 20);
}

/** Entries of all block tables. */
export function tableEntries(limits: StepLimits): number {
  return limits.maxTableRows * limits.maxBlocksPerSeq;
}
