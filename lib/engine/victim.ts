import type { BlockAllocator, BlockTable } from '../kv/index.js';
import type { Sequence } from './sequence.js';
import { compareOrder } from './waiting-queue.js';

/**
 * Chooses the running sequence to preempt: of the lowest priority, the one that loses least computed
 * work, which is what lies in blocks that only it holds. A sequence without such a block would free
 * nothing and is passed over.
 *
 * @param needy the sequence that needs a block; it is chosen itself when no other of its priority
 *   or a lower one loses less
 */
export function findVictim(
  running: readonly Sequence[],
  needy: Sequence,
  allocator: BlockAllocator,
): Sequence {
  let victim = needy;
  let leastTokens = numTokensLost(needy, allocator) ?? Number.POSITIVE_INFINITY;
  for (const candidate of running) {
    const numLost = numTokensLost(candidate, allocator);
    if (candidate === needy || numLost === undefined) continue;
    const isLower = candidate.request.options.priority - victim.request.options.priority;
    const isBetter =
      isLower === 0
        ? numLost < leastTokens || (numLost === leastTokens && compareOrder(candidate, victim) > 0)
        : isLower < 0;
    if (!isBetter) continue;
    victim = candidate;
    leastTokens = numLost;
  }
  return victim;
}

/** Computed tokens in blocks that only this sequence holds; `undefined` when it holds none alone. */
function numTokensLost(sequence: Sequence, allocator: BlockAllocator): number | undefined {
  const { blocks, numBlocks } = sequence.table as BlockTable;
  let numTokens = 0;
  let numOwnBlocks = 0;
  for (let i = 0; i < numBlocks; i++) {
    if (allocator.getRefCount(blocks[i]) > 1) continue;
    numOwnBlocks++;
    const start = i * allocator.blockSize;
    numTokens += Math.max(0, Math.min(allocator.blockSize, sequence.numSubmitted - start));
  }
  return numOwnBlocks === 0 ? undefined : numTokens;
}
