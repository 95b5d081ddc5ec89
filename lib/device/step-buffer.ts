import { InvalidArgumentError } from '../errors.js';
import { checkInteger } from './limits.js';
import type { ProgramLimits } from './step-limits.js';

/** Places of the counts at the head of a step's memory. Mirrors StepHeader in addon/step_layout.h. */
const header = {
  numTokens: 0,
  numSeqs: 1,
  numLogitRows: 2,
  numCopies: 3,
  numTableChanges: 4,
  wantDigests: 5,
  wantLogits: 6,
} as const;
const headerLength = 16;

/** Where each array begins in a step's memory, in 32-bit words. Mirrors read_sections in addon/bind_program.cpp. */
export interface StepSections {
  readonly tokenIds: number;
  readonly tokenSources: number;
  readonly tableRows: number;
  readonly queryStart: number;
  readonly contextLens: number;
  readonly writeStarts: number;
  readonly adapterIds: number;
  readonly logitRows: number;
  readonly logitSlots: number;
  readonly copies: number;
  readonly tableChanges: number;
  /** Words of the whole memory. */
  readonly length: number;
}

/** Lays out a step's memory. */
export function layoutStep(limits: ProgramLimits): StepSections {
  let length = headerLength;
  const take = (words: number): number => {
    const start = length;
    length += words;
    return start;
  };
  return {
    tokenIds: take(limits.maxTokens),
    tokenSources: take(limits.maxTokens),
    tableRows: take(limits.maxSeqs),
    queryStart: take(limits.maxSeqs + 1),
    contextLens: take(limits.maxSeqs),
    writeStarts: take(limits.maxSeqs),
    adapterIds: take(limits.maxSeqs),
    logitRows: take(limits.maxLogitRows),
    logitSlots: take(limits.maxLogitRows),
    copies: take(limits.maxCopies * 2),
    tableChanges: take(limits.maxTableChanges * 3),
    length,
  };
}

/** One sequence of a step, for {@link StepBuffer.addSequence}. */
export interface StepSequence {
  /** Its row in the block tables, `[0, maxTableRows)`. */
  readonly row: number;
  /** Ids of the tokens that run in this step, at least one. */
  readonly tokens: ArrayLike<number>;
  /** Position of the first of them; default 0. */
  readonly start?: number;
  /** First position whose K/V is written: those below lie in blocks that others share; default 0. */
  readonly writeStart?: number;
  /** Entries of its table row from column `firstColumn` (default 0) on that the device does not have yet. */
  readonly blocks?: ArrayLike<number>;
  readonly firstColumn?: number;
  /** A whole block to be copied before anything else of the step. */
  readonly copy?: { readonly source: number; readonly destination: number };
  /** Sampling slot that draws the token behind the last one; -1: its logits only; left out: neither. */
  readonly slot?: number;
}

/**
 * One flat batch, in arrays allocated once and refilled for each step.
 *
 * Row `r` of sequence `s` stands at position `contextLens[s] - queryLen + i`, where `queryLen` is
 * `queryStart[s + 1] - queryStart[s]` and `i = r - queryStart[s]`; rows from `queryStart[numSeqs]` on
 * are padding. Its slot follows from the block table; both are derived natively.
 * `submit()` has copied everything when it returns. Filled by `program.createStepBuffer()` with:
 * no tokens, all `tokenSources` -1, all `logitSlots` -1. `clear` and `addSequence` fill it in words; an engine
 * that keeps its own flat arrays writes here directly.
 */
export class StepBuffer {
  /** @internal Everything below lies in here and crosses the boundary as one. */
  readonly memory: ArrayBuffer;
  readonly #head: Int32Array;

  /** `[maxTokens]` token ids in `[0, vocabSize)` */
  readonly tokenIds: Int32Array;
  /** `[maxTokens]` -1: the token id counts; i >= 0: the sample of the previous step's logit row i */
  readonly tokenSources: Int32Array;
  /** `[maxSeqs]` row of each sequence in the block tables */
  readonly tableRows: Int32Array;
  /** `[maxSeqs + 1]` ascending from 0: first row of each sequence, then one past the last */
  readonly queryStart: Int32Array;
  /** `[maxSeqs]` tokens each sequence attends to, those of this step included */
  readonly contextLens: Int32Array;
  /** `[maxSeqs]` first position whose K/V is written; below it the slot is -1 */
  readonly writeStarts: Int32Array;
  /** `[maxSeqs]` 0 */
  readonly adapterIds: Int32Array;
  /** `[maxLogitRows]` row of each wanted logits row, in any order, repeats allowed */
  readonly logitRows: Int32Array;
  /** `[maxLogitRows]` sampling slot of each logits row; -1 draws nothing */
  readonly logitSlots: Int32Array;
  /** `[maxCopies * 2]` source, destination; whole blocks, copied before anything else of the step */
  readonly copies: Int32Array;
  /** `[maxTableChanges * 3]` table row, column, block; applied before the step; block 0 makes a hole */
  readonly tableChanges: Int32Array;

  /** @internal */
  constructor(sections: StepSections, limits: ProgramLimits) {
    this.memory = new ArrayBuffer(sections.length * 4);
    const view = (start: number, length: number) => new Int32Array(this.memory, start * 4, length);
    this.#head = view(0, headerLength);
    this.tokenIds = view(sections.tokenIds, limits.maxTokens);
    this.tokenSources = view(sections.tokenSources, limits.maxTokens).fill(-1);
    this.tableRows = view(sections.tableRows, limits.maxSeqs);
    this.queryStart = view(sections.queryStart, limits.maxSeqs + 1);
    this.contextLens = view(sections.contextLens, limits.maxSeqs);
    this.writeStarts = view(sections.writeStarts, limits.maxSeqs);
    this.adapterIds = view(sections.adapterIds, limits.maxSeqs);
    this.logitRows = view(sections.logitRows, limits.maxLogitRows);
    this.logitSlots = view(sections.logitSlots, limits.maxLogitRows).fill(-1);
    this.copies = view(sections.copies, limits.maxCopies * 2);
    this.tableChanges = view(sections.tableChanges, limits.maxTableChanges * 3);
  }

  /** Rows of the step, `[0, maxTokens]`. @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when set outside of it */
  get numTokens(): number {
    return this.#head[header.numTokens];
  }
  set numTokens(count: number) {
    this.#setCount(header.numTokens, 'numTokens', count, this.tokenIds.length);
  }

  /** Sequences of the step, `[0, maxSeqs]`. @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when set outside of it */
  get numSeqs(): number {
    return this.#head[header.numSeqs];
  }
  set numSeqs(count: number) {
    this.#setCount(header.numSeqs, 'numSeqs', count, this.tableRows.length);
  }

  /** Rows whose logits are wanted, `[0, maxLogitRows]`. @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when set outside of it */
  get numLogitRows(): number {
    return this.#head[header.numLogitRows];
  }
  set numLogitRows(count: number) {
    this.#setCount(header.numLogitRows, 'numLogitRows', count, this.logitRows.length);
  }

  /** Pairs in `copies`, `[0, maxCopies]`. @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when set outside of it */
  get numCopies(): number {
    return this.#head[header.numCopies];
  }
  set numCopies(count: number) {
    this.#setCount(header.numCopies, 'numCopies', count, this.copies.length / 2);
  }

  /** Triples in `tableChanges`, `[0, maxTableChanges]`. @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when set outside of it */
  get numTableChanges(): number {
    return this.#head[header.numTableChanges];
  }
  set numTableChanges(count: number) {
    this.#setCount(header.numTableChanges, 'numTableChanges', count, this.tableChanges.length / 3);
  }

  /** Whether a 64-bit digest of each logits row comes back. */
  get wantDigests(): boolean {
    return this.#head[header.wantDigests] === 1;
  }
  set wantDigests(isWanted: boolean) {
    this.#head[header.wantDigests] = isWanted ? 1 : 0;
  }

  /** Whether the f32 logits rows themselves come back. */
  get wantLogits(): boolean {
    return this.#head[header.wantLogits] === 1;
  }
  set wantLogits(isWanted: boolean) {
    this.#head[header.wantLogits] = isWanted ? 1 : 0;
  }

  /** Empties the step: no sequence, copy or table change. What is wanted back stays. */
  clear(): void {
    this.#head.fill(0, 0, header.wantDigests);
    this.queryStart[0] = 0;
    this.tokenSources.fill(-1);
  }

  /**
   * Adds a sequence behind those that the step has; a prompt, a piece of one, or one drawn token.
   *
   * @returns the index of its logit row in the step's result; -1 without `slot`
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when the step has no room for it, the step being
   *   unchanged; what is wrong with ids, rows and blocks is said by `submit`
   */
  addSequence(sequence: StepSequence): number {
    const { row, tokens, start = 0, writeStart = 0, firstColumn = 0, copy, slot } = sequence;
    const blocks = sequence.blocks ?? [];
    const { numTokens, numSeqs, numLogitRows, numCopies, numTableChanges } = this;
    checkInteger('tokens.length', tokens.length, 1, this.tokenIds.length - numTokens);
    checkInteger('numSeqs', numSeqs + 1, 0, this.tableRows.length);
    const maxBlocks = this.tableChanges.length / 3 - numTableChanges;
    checkInteger('blocks.length', blocks.length, 0, maxBlocks);
    if (copy !== undefined) checkInteger('numCopies', numCopies + 1, 0, this.copies.length / 2);
    if (slot !== undefined)
      checkInteger('numLogitRows', numLogitRows + 1, 0, this.logitRows.length);

    this.tokenIds.set(tokens, numTokens);
    this.numTokens = numTokens + tokens.length;
    this.tableRows[numSeqs] = row;
    this.queryStart[numSeqs + 1] = this.numTokens;
    this.contextLens[numSeqs] = start + tokens.length;
    this.writeStarts[numSeqs] = Math.max(start, writeStart);
    this.adapterIds[numSeqs] = 0;
    this.numSeqs = numSeqs + 1;
    for (let i = 0; i < blocks.length; i++) {
      this.tableChanges.set([row, firstColumn + i, blocks[i]], 3 * this.numTableChanges++);
    }
    if (copy !== undefined) {
      this.copies.set([copy.source, copy.destination], 2 * this.numCopies++);
    }
    if (slot === undefined) return -1;
    this.logitRows[numLogitRows] = this.numTokens - 1;
    this.logitSlots[numLogitRows] = slot;
    return this.numLogitRows++;
  }

  #setCount(place: number, field: string, count: number, max: number): void {
    checkInteger(field, count, 0, max);
    this.#head[place] = count;
  }
}

/** Refuses a step buffer that another program made: its arrays lie elsewhere. */
export function checkStepBuffer(step: StepBuffer, sections: StepSections): void {
  if (step.memory.byteLength === sections.length * 4) return;
  throw new InvalidArgumentError('step', step, "a buffer of this program's createStepBuffer()");
}
