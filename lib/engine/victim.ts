import type { BlockAllocator, BlockTable } from '../kv/index.js';
import type { Sequence } from './sequence.js';
import { compareOrder } from './waiting-queue.js';

/** Levels of priority by which a sequence may stand further back in line and still be spared for what it would lose. */
const maxLevelsSpared = 0.5;

/**
 * Chooses the running sequence to preempt: of those that stand last in line, within half a level of priority, the
 * one that loses least computed work, which is what lies in blocks that only it holds. A sequence without such a
 * block would free nothing and is passed over.
 *
 * The line is the one that waiting sequences stand in: whoever was admitted since it had waited for long is not
 * preempted for those that it was admitted before, which would go on for ever.
 *
 * @param needy the sequence that needs a block; it is chosen itself when it is the one
 */
export function findVictim(
  running: readonly Sequence[],
  needy: Sequence,
  allocator: BlockAllocator,
): Sequence {
  const leastFirst = running
    .map((sequence) => ({ sequence, numLost: numTokensLost(sequence, allocator) }))
    .filter((candidate): candidate is Candidate => candidate.numLost !== undefined)
    .sort((a, b) => a.numLost - b.numLost || compareOrder(b.sequence, a.sequence));
  const lastRank = Math.max(...leastFirst.map(({ sequence }) => sequence.request.rank));
  const isLast = ({ sequence }: Candidate) => lastRank - sequence.request.rank <= maxLevelsSpared;
  return leastFirst.find(isLast)?.sequence ?? needy;
}

interface Candidate {
  readonly sequence: Sequence;
  /** Computed tokens. */
  readonly numLost: number;
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
