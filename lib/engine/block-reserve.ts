import type { BlockTable } from '../kv/index.js';
import type { Sequence } from './sequence.js';

/**
 * Counts the blocks that are to stay free when a waiting sequence starts beside running ones: without them the
 * next block that a running one needs would be taken from the newcomer, which would start again, and so on.
 *
 * @param running sequences with blocks; none of them: nothing is reserved
 * @param perSequence blocks for each that may still grow so far
 * @returns as many blocks as these sequences and the newcomer may still need, at most `perSequence` each
 */
export function countReservedBlocks(
  newcomer: Sequence,
  running: readonly Sequence[],
  perSequence: number,
  blockSize: number,
): number {
  if (running.length === 0) return 0;
  let numBlocks = 0;
  for (const sequence of running) {
    const numHeld = (sequence.table as BlockTable).numBlocks;
    const numToCome = countMostBlocks(sequence, blockSize) - numHeld;
    numBlocks += Math.max(0, Math.min(perSequence, numToCome)) * sequence.numRowsNeeded;
  }
  const numAtStart = Math.ceil(newcomer.numTokens / blockSize);
  const numToCome = countMostBlocks(newcomer, blockSize) - numAtStart;
  return numBlocks + Math.min(perSequence, numToCome) * newcomer.numRowsNeeded;
}

/** Blocks of a sequence that ends by its `maxTokens`: the last token that it draws is never run. */
function countMostBlocks({ promptLen, request }: Sequence, blockSize: number): number {
  return Math.ceil((promptLen + request.options.maxTokens - 1) / blockSize);
}
