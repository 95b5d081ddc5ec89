import { strict as assert } from 'node:assert';
import type { BlockTable } from '../kv/index.js';
import type { ExecutorLimits, StepBatch } from './executor.js';
import type { Sequence } from './sequence.js';
import type { PlannedChunk, StepPlan } from './step-plan.js';

/**
 * Writes plans into step batches.
 *
 * Keeps a copy of the block tables as the device has them: `[maxSeqs][maxBlocksPerSeq]`.
 */
export class StepWriter {
  readonly #sentTables: Int32Array;
  readonly #tableStride: number;

  constructor(limits: ExecutorLimits) {
    this.#tableStride = limits.maxBlocksPerSeq;
    this.#sentTables = new Int32Array(limits.maxSeqs * limits.maxBlocksPerSeq);
  }

  /** Fills `step` with a plan; all that it held before is overwritten. */
  write(plan: StepPlan, step: StepBatch): void {
    step.numTokens = 0;
    step.numSeqs = 0;
    step.numLogitRows = 0;
    step.numCopies = 0;
    step.numTableChanges = 0;
    step.wantDigests = false;
    step.wantLogits = false;
    step.queryStart[0] = 0;
    for (const chunk of plan.chunks) {
      writeTokens(chunk, step);
      this.#writeTable(chunk.sequence, step);
      writeLogitRows(chunk, step);
      step.wantDigests ||= chunk.sequence.request.options.wantDigests;
    }
  }

  #writeTable({ table, rows: [row], pendingCopies }: Sequence, step: StepBatch): void {
    const { blocks, numBlocks, dirtyFrom } = table as BlockTable;
    for (let column = dirtyFrom; column < numBlocks; column++) {
      const change = 3 * step.numTableChanges++;
      step.tableChanges[change] = row;
      step.tableChanges[change + 1] = column;
      step.tableChanges[change + 2] = blocks[column];
      this.#sentTables[row * this.#tableStride + column] = blocks[column];
    }
    (table as BlockTable).markSent();
    for (const { source, destination } of pendingCopies) {
      step.copies.set([source, destination], 2 * step.numCopies++);
    }
  }

  /** Asserts that the device's copy of a table that was sent is what the sequence has. */
  checkSent({ table, rows: [row] }: Sequence): void {
    const { blocks, dirtyFrom } = table as BlockTable;
    for (let column = 0; column < dirtyFrom; column++) {
      const sent = this.#sentTables[row * this.#tableStride + column];
      assert.equal(sent, blocks[column], `block-table entry [${row}, ${column}]`);
    }
  }
}

function writeTokens({ sequence, start, end }: PlannedChunk, step: StepBatch): void {
  const index = step.numSeqs++;
  const numKnown = Math.min(end, sequence.numTokens) - start;
  const { memory } = sequence.tokens;
  for (let i = 0; i < numKnown; i++) {
    step.tokenIds[step.numTokens + i] = memory[start + i];
    step.tokenSources[step.numTokens + i] = -1;
  }
  if (start + numKnown < end) writeUnknownToken(sequence, step, step.numTokens + numKnown);
  step.numTokens += end - start;
  step.tableRows[index] = sequence.rows[0];
  step.queryStart[index + 1] = step.numTokens;
  step.contextLens[index] = end;
  step.writeStarts[index] = Math.max(start, sequence.sharedLen);
  step.adapterIds[index] = 0;
}

/** The token that the step before, which is in flight, draws for this sequence. */
function writeUnknownToken({ inFlight }: Sequence, step: StepBatch, row: number): void {
  assert(inFlight.length === 1, `a token comes from ${inFlight.length} steps in flight`);
  const [{ firstLogitRow, drawRows }] = inFlight;
  assert(drawRows.length === 1, `a token comes from ${drawRows.length} draws`);
  step.tokenIds[row] = 0;
  step.tokenSources[row] = firstLogitRow;
}

function writeLogitRows(chunk: PlannedChunk, step: StepBatch): void {
  chunk.firstLogitRow = step.numLogitRows;
  for (const slot of chunk.drawRows) {
    step.logitRows[step.numLogitRows] = step.numTokens - 1;
    step.logitSlots[step.numLogitRows] = slot;
    step.numLogitRows++;
  }
}
