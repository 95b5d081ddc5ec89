import type { SamplingParams } from './messages.js';

/** Capacities of an executor's steps; all fixed when it is made. */
export interface ExecutorLimits {
  /** Rows of one step. */
  readonly maxTokens: number;
  /** Sequences of one step; also the number of block-table rows and of sampling slots. */
  readonly maxSeqs: number;
  /** Logit rows of one step, at least `maxSeqs`. */
  readonly maxLogitRows: number;
  /** Block copies of one step, at least `maxSeqs`. */
  readonly maxCopies: number;
  /** Entries of one block-table row; a step may change those of all rows. */
  readonly maxBlocksPerSeq: number;
}

/**
 * One step's flat batch: typed arrays allocated once, filled and submitted again and again.
 * Mirrors StepBuffer in lib/device/step-buffer.ts, which is one.
 *
 * Row `i` of sequence `s` stands at position `contextLens[s] - queryLen + i`; its slot is
 * `table[position / blockSize] * blockSize + position % blockSize`, or -1 below `writeStarts[s]`.
 */
export interface StepBatch {
  numTokens: number;
  numSeqs: number;
  numLogitRows: number;
  numCopies: number;
  numTableChanges: number;
  /** `[maxTokens]` */
  readonly tokenIds: Int32Array;
  /** `[maxTokens]` -1: `tokenIds` counts; `i >= 0`: the sample of logit row `i` of the step before. */
  readonly tokenSources: Int32Array;
  /** `[maxSeqs]` row of each sequence in the block tables. */
  readonly tableRows: Int32Array;
  /** `[maxSeqs + 1]` first row of each sequence, then the number of rows. */
  readonly queryStart: Int32Array;
  /** `[maxSeqs]` tokens that the sequence's last row attends to, itself included. */
  readonly contextLens: Int32Array;
  /** `[maxSeqs]` first position whose K/V is written. */
  readonly writeStarts: Int32Array;
  /** `[maxSeqs]` 0. */
  readonly adapterIds: Int32Array;
  /** `[maxLogitRows]` row of each logits row; one row may stand here several times. */
  readonly logitRows: Int32Array;
  /** `[maxLogitRows]` sampling slot that draws from it; -1: logits only. */
  readonly logitSlots: Int32Array;
  /** `[maxCopies * 2]` source, destination; whole blocks, done before anything else of the step. */
  readonly copies: Int32Array;
  /** `[maxSeqs * maxBlocksPerSeq * 3]` table row, column, block; applied before the step. */
  readonly tableChanges: Int32Array;
  wantDigests: boolean;
  wantLogits: boolean;
}

/** What one step gave, per logit row. */
export interface StepOutcome {
  readonly samples: Int32Array;
  readonly logprobs: Float32Array;
  /** `[numLogitRows * maxTopLogprobs]`, -1 past what was asked for. */
  readonly topIds: Int32Array;
  readonly topLogprobs: Float32Array;
  /** 1 where the row has a NaN or an infinity. */
  readonly nonFinite: Uint8Array;
  readonly digests?: BigUint64Array;
  /** Counted by the executor while it ran this step. */
  readonly counters: StepCounters;
}

/** What the executor did, counted where it was done. */
export interface StepCounters {
  readonly tokensComputed: number;
  readonly kvSlotsWritten: number;
  readonly blocksCopied: number;
  /** Time that the step took where it ran. */
  readonly runMs: number;
}

/** What draws the tokens of one seat; `setSamplingSlot` is ordered with the steps. */
export interface SlotParams extends SamplingParams {
  /** For the repetition penalty; absent where it is off. */
  readonly promptTokens?: Int32Array;
  /** Tokens drawn before the slot was set: of a sequence that comes back. */
  readonly outputTokens?: Int32Array;
}

/** Top log-probabilities that a `StepOutcome` holds per row. Mirrors kMaxTopLogprobs in cuda/params.h. */
export const maxTopLogprobs = 20;

/** Runs steps, in order: one device now; several, or another process, later. */
export interface Executor {
  readonly limits: ExecutorLimits;
  /** A batch for this executor's limits; owned by the caller. */
  createStep(): StepBatch;
  /**
   * Runs a step; has copied everything out of `step` when it returns.
   *
   * @returns the outcome when the step is done; rejects with a typed error when it failed, and
   *   later steps still run
   */
  submit(step: StepBatch): Promise<StepOutcome>;
  /** Sets what draws tokens in `slot` from the next submitted step on. */
  setSamplingSlot(slot: number, params: SlotParams): void;
  /**
   * Says which tokens `slot` may draw from the next submitted step on, until the slot is set again. The mask is copied
   * when it returns: `[ceil(vocabSize / 32)]`, bit `id % 32` of word `id / 32`.
   */
  setSlotMask(slot: number, mask: Int32Array): void;
  /** Waits for submitted steps, then frees what the executor owns. */
  close(): Promise<void>;
}
