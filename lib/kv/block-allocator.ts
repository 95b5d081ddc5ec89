import { strict as assert } from 'node:assert';
import { EngineError, InvalidArgumentError, OutOfBlocksError } from '../errors.js';
import { BlockList, BlockLists } from './block-lists.js';

const minBlockSize = 8;
const maxBlockSize = 256;
const maxBlocks = 2 ** 31 - 16;

/** What `new BlockAllocator()` takes. */
export interface BlockAllocatorOptions {
  /** Blocks of the pool, the null block 0 included; at least 2. */
  readonly numBlocks: number;
  /** Tokens per block: a power of two from 8 to 256; default 16. */
  readonly blockSize?: number;
}

/**
 * Hands out physical blocks and counts who holds them; every operation is O(1) and allocates
 * nothing on the heap.
 *
 * Block 0 is the null block: never handed out, it fills the holes of block tables.
 *
 * Invariants: a block with holders is in no list; one without is in exactly one, and when nothing
 * keeps cached blocks ({@link PrefixCache}), that is the list of empty blocks.
 */
export class BlockAllocator {
  readonly numBlocks: number;
  readonly blockSize: number;
  /** Where blocks without holders stand; the prefix cache keeps its idle blocks here. */
  readonly lists: BlockLists;
  private readonly refCounts: Int32Array;

  /**
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when `numBlocks` is not an integer from 2
   *   or `blockSize` is not a power of two from 8 to 256
   */
  constructor({ numBlocks, blockSize = 16 }: BlockAllocatorOptions) {
    checkBlockSize(blockSize);
    if (!Number.isInteger(numBlocks) || numBlocks < 2 || numBlocks > maxBlocks) {
      throw new InvalidArgumentError('numBlocks', numBlocks, `an integer from 2 to ${maxBlocks}`);
    }
    this.numBlocks = numBlocks;
    this.blockSize = blockSize;
    this.lists = new BlockLists(numBlocks);
    this.refCounts = new Int32Array(numBlocks);
    for (let block = 1; block < numBlocks; block++) this.lists.pushBack(BlockList.empty, block);
  }

  /** Blocks that hold nothing. */
  get numFree(): number {
    return this.lists.lengths[BlockList.empty];
  }

  /** Bytes of bookkeeping. */
  get bytes(): number {
    return this.lists.bytes + this.refCounts.byteLength;
  }

  /**
   * Takes an empty block; the caller holds its only reference.
   *
   * @throws {OutOfBlocksError} `ERR_OUT_OF_BLOCKS` when none is empty
   */
  allocate(): number {
    const block = this.tryAllocate();
    if (block === undefined) throw new OutOfBlocksError(1, 0);
    return block;
  }

  /** Like {@link allocate}, but `undefined` when no block is empty. */
  tryAllocate(): number | undefined {
    const lists = this.lists;
    if (lists.lengths[BlockList.empty] === 0) return undefined;
    const block = lists.getFirst(BlockList.empty);
    lists.remove(block);
    this.refCounts[block] = 1;
    return block;
  }

  /**
   * Adds a reference to a block that is held, or cached and idle.
   *
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for an empty block or no block
   */
  retain(block: number): void {
    this.checkBlock(block);
    if (this.refCounts[block] === 0) {
      if (this.lists.isIn(BlockList.empty, block)) {
        throw new InvalidArgumentError('block', block, 'a block that is not empty');
      }
      this.lists.remove(block);
    }
    this.refCounts[block]++;
  }

  /**
   * Gives back one reference; with the last one the block is empty.
   *
   * @throws {EngineError} `ERR_DOUBLE_FREE` when nobody holds the block
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for the null block or no block
   */
  free(block: number): void {
    if (this.release(block) === 0) this.lists.pushFront(BlockList.empty, block);
  }

  /**
   * Gives back one reference but leaves a block without holders in no list: the caller puts it
   * into one at once.
   *
   * @returns references that are left
   * @throws as {@link free}
   */
  release(block: number): number {
    this.checkBlock(block);
    const numRefs = this.refCounts[block];
    if (numRefs === 0) {
      throw new EngineError('ERR_DOUBLE_FREE', `block ${block} is freed, but nobody holds it`);
    }
    this.refCounts[block] = numRefs - 1;
    return numRefs - 1;
  }

  /** Makes a block without holders empty, wherever it stands. */
  makeEmpty(block: number): void {
    if (this.lists.isInAny(block)) this.lists.remove(block);
    this.lists.pushFront(BlockList.empty, block);
  }

  /** References on a block. */
  getRefCount(block: number): number {
    return this.refCounts[block];
  }

  /**
   * Checks that each block is held or in exactly one list; takes time with the size of the pool.
   *
   * @throws {AssertionError} when one is not
   */
  checkInvariants(): void {
    this.lists.checkInvariants();
    assert.equal(this.refCounts[0], 0, 'references on the null block');
    assert(!this.lists.isInAny(0), 'the null block is in a list');
    for (let block = 1; block < this.numBlocks; block++) {
      const numRefs = this.refCounts[block];
      assert(numRefs >= 0, `block ${block} has ${numRefs} references`);
      const isListed = this.lists.isInAny(block);
      assert(isListed === (numRefs === 0), `block ${block}: ${numRefs} references, ${isListed}`);
    }
  }

  private checkBlock(block: number): void {
    if (block > 0 && block < this.numBlocks && Number.isInteger(block)) return;
    throw new InvalidArgumentError('block', block, `a block from 1 to ${this.numBlocks - 1}`);
  }
}

/** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` unless a power of two from 8 to 256 */
export function checkBlockSize(blockSize: number): void {
  const isInRange = blockSize >= minBlockSize && blockSize <= maxBlockSize;
  if (isInRange && Number.isInteger(Math.log2(blockSize))) return;
  const limit = `a power of two from ${minBlockSize} to ${maxBlockSize}`;
  throw new InvalidArgumentError('blockSize', blockSize, limit);
}
