import type { Device } from '../../lib/device/index.js';
import type { Model } from '../../lib/model/index.js';

export interface PromptOptions {
  /** Tokens per block. */
  blockSize?: number;
  /** Tokens per step; default the whole prompt. */
  chunkLen?: number;
}

export interface PromptLogits {
  /** `[T][vocabSize]` f32 */
  logits: Float32Array[];
  /** `[T]` digest of each row's bits. */
  digests: bigint[];
}

/**
 * Runs one sequence through a model, with the logits of every row.
 *
 * The cache is poisoned with NaN, and the blocks of the sequence stand in no order.
 */
export async function promptLogits(
  device: Device,
  model: Model,
  tokens: readonly number[],
  { blockSize = 16, chunkLen = tokens.length }: PromptOptions = {},
): Promise<PromptLogits> {
  const numBlocks = Math.ceil(tokens.length / blockSize);
  const kvCache = device.createKvCache({
    ...model.kvLayout,
    blockSize,
    numBlocks: 2 * numBlocks + 2,
  });
  await kvCache.fill(0xff);
  const program = model.record(device, kvCache, {
    maxTokens: chunkLen,
    maxSeqs: 1,
    maxLogitRows: chunkLen,
    maxTableRows: 1,
    maxBlocksPerSeq: numBlocks,
    maxCopies: 0,
  });
  try {
    const step = program.createStepBuffer();
    for (let block = 0; block < numBlocks; block++) {
      const place = block % 2 === 0 ? 2 * numBlocks - block : block; // high, low, high, low
      step.tableChanges.set([0, block, place], block * 3);
    }
    step.numTableChanges = numBlocks;
    const found: PromptLogits = { logits: [], digests: [] };
    for (let start = 0; start < tokens.length; start += chunkLen) {
      const chunk = tokens.slice(start, start + chunkLen);
      step.tokenIds.set(chunk);
      step.queryStart.set([0, chunk.length]);
      step.contextLens[0] = start + chunk.length;
      step.logitRows.set(chunk.map((_, row) => row));
      Object.assign(step, { numTokens: chunk.length, numSeqs: 1, numLogitRows: chunk.length });
      Object.assign(step, { wantLogits: true, wantDigests: true });
      const { logits, digests } = await device.submit(program, step);
      chunk.forEach((_, row) => {
        const vocabSize = model.config.vocabSize;
        found.logits.push(logits!.slice(row * vocabSize, (row + 1) * vocabSize));
        found.digests.push(digests![row]);
      });
      step.numTableChanges = 0;
    }
    return found;
  } finally {
    program.free();
    kvCache.free();
  }
}
