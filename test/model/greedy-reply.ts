import { type Device, greedySlot } from '../../lib/device/index.js';
import type { Model } from '../../lib/model/index.js';

const blockSize = 16;
const chunkLen = 256;

/**
 * Generates greedily with one sequence alone: prompt in chunks, then one token per step, until a token
 * that ends a reply (included) or `maxTokens`.
 */
export async function greedyReply(
  device: Device,
  model: Model,
  promptTokens: readonly number[],
  maxTokens: number,
): Promise<number[]> {
  const numBlocks = Math.ceil((promptTokens.length + maxTokens) / blockSize);
  const kvCache = device.createKvCache({ ...model.kvLayout, blockSize, numBlocks: numBlocks + 1 });
  const program = model.record(device, kvCache, {
    maxTokens: chunkLen,
    maxSeqs: 1,
    maxLogitRows: 1,
    maxTableRows: 1,
    maxBlocksPerSeq: numBlocks,
    maxCopies: 0,
  });
  device.setSamplingSlot(program, 0, greedySlot);
  const step = program.createStepBuffer();
  for (let block = 0; block < numBlocks; block++) {
    step.tableChanges.set([0, block, numBlocks - block], block * 3);
  }
  Object.assign(step, { numSeqs: 1, numTableChanges: numBlocks });

  const tokens = [...promptTokens];
  for (let numComputed = 0; tokens.length < promptTokens.length + maxTokens; ) {
    const chunk = tokens.slice(numComputed, numComputed + chunkLen);
    numComputed += chunk.length;
    const isDrawn = numComputed === tokens.length;
    step.tokenIds.set(chunk);
    step.queryStart.set([0, chunk.length]);
    step.contextLens[0] = numComputed;
    step.logitRows[0] = chunk.length - 1;
    step.logitSlots[0] = 0;
    Object.assign(step, { numTokens: chunk.length, numLogitRows: isDrawn ? 1 : 0 });
    const { samples } = await device.submit(program, step);
    step.numTableChanges = 0;
    if (!isDrawn) continue;

    tokens.push(samples[0]);
    if (model.config.eosTokenIds.includes(samples[0])) break;
  }
  program.free();
  kvCache.free();
  return tokens.slice(promptTokens.length);
}
