import { BlockList, type BlockLists } from './block-lists.js';

/** Share of the pool that blocks seen once may keep at first, and the bounds it adapts within. */
const initialProbationFraction = 1 / 8;
const minProbationFraction = 1 / 16;
const maxProbationFraction = 7 / 8;

/** What an idle block holds, as far as eviction cares. */
export type IdleKind = 'tail' | 'probation' | 'protected';

/**
 * Cached blocks that nobody holds, in the order in which they will be evicted.
 *
 * Tails go first. Full blocks stand in two LRU lists: *probation* for what was used by one request
 * only, *protected* for what was hit. Probation is evicted first while it is larger than its target
 * share of the pool, so a flood of prompts seen once cannot flush prefixes that are hit. The target
 * adapts: a block that is missed soon after it left probation raises it, one that left the protected
 * list lowers it.
 *
 * @see Megiddo and Modha 2003, "ARC", for the adaptation; Johnson and Shasha 1994, "2Q"
 */
export class EvictionQueue {
  private probationTarget: number;
  private readonly minTarget: number;
  private readonly maxTarget: number;

  constructor(
    private readonly lists: BlockLists,
    numBlocks: number,
    private readonly scanResistance: boolean,
  ) {
    this.probationTarget = Math.max(1, Math.floor(numBlocks * initialProbationFraction));
    this.minTarget = Math.max(1, Math.floor(numBlocks * minProbationFraction));
    this.maxTarget = Math.max(1, Math.floor(numBlocks * maxProbationFraction));
  }

  /** Blocks that can be evicted. */
  get numIdle(): number {
    const { lengths } = this.lists;
    return lengths[BlockList.tails] + lengths[BlockList.probation] + lengths[BlockList.protected];
  }

  /** Adds a block as the last of its kind to be evicted. */
  push(block: number, kind: IdleKind): void {
    const list = kind === 'protected' && !this.scanResistance ? 'probation' : kind;
    this.lists.pushBack(list === 'tail' ? BlockList.tails : BlockList[list], block);
  }

  /** The block to evict next; there is one when `numIdle` is not 0. */
  getVictim(): number {
    const { lengths } = this.lists;
    if (lengths[BlockList.tails] > 0) return this.lists.getFirst(BlockList.tails);
    const numProbation = lengths[BlockList.probation];
    const isProbationDue =
      numProbation > this.probationTarget || lengths[BlockList.protected] === 0;
    const list = isProbationDue && numProbation > 0 ? BlockList.probation : BlockList.protected;
    return this.lists.getFirst(list);
  }

  /** Learns from a block that had to be computed again after it was evicted. */
  adapt(wasProtected: boolean): void {
    const target = this.probationTarget + (wasProtected ? -1 : 1);
    this.probationTarget = Math.min(this.maxTarget, Math.max(this.minTarget, target));
  }
}
