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
      this.#writeTokens(chunk, step);
      this.#writeTable(chunk.sequence, step);
      writeLogitRows(chunk, step);
      step.wantDigests ||= chunk.sequence.request.options.wantDigests;
    }
  }

  #writeTokens({ sequence, start, end }: PlannedChunk, step: StepBatch): void {
    const index = step.numSeqs++;
    step.tokenIds.set(sequence.tokens.view(start, end), step.numTokens);
    step.tokenSources.fill(-1, step.numTokens, step.numTokens + end - start);
    step.numTokens += end - start;
    step.tableRows[index] = sequence.rows[0];
    step.queryStart[index + 1] = step.numTokens;
    step.contextLens[index] = end;
    step.writeStarts[index] = Math.max(start, sequence.sharedLen);
    step.adapterIds[index] = 0;
  }

  #writeTable({ table, rows: [row], pendingCopies }: Sequence, step: StepBatch): void {
    const { blocks, numBlocks, dirtyFrom } = table as BlockTable;
    for (let column = dirtyFrom; column < numBlocks; column++) {
      step.tableChanges.set([row, column, blocks[column]], 3 * step.numTableChanges++);
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

function writeLogitRows({ drawRows }: PlannedChunk, step: StepBatch): void {
  for (const slot of drawRows) {
    step.logitRows[step.numLogitRows] = step.numTokens - 1;
    step.logitSlots[step.numLogitRows] = slot;
    step.numLogitRows++;
  }
}
