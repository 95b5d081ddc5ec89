import { noRequestKeys, type RequestKeys } from './extra-keys.js';

const initialCapacity = 16;

/** A block copy that a step does before its tokens run; made by `PrefixCache` only. */
export interface BlockCopy {
  /** Physical block that is read; it stays referenced until `releaseCopySource`. */
  readonly source: number;
  /** Physical block that is written; it belongs to the table. */
  readonly destination: number;
  /** Leading tokens of the source that matter, in `[1, blockSize)`. */
  readonly numTokens: number;
  /** Whether the reference on `source` is still held. */
  isSourceHeld: boolean;
}

/**
 * One sequence's physical block ids, in order.
 *
 * `blocks` is reused memory: only `[0, numBlocks)` is the table, what lies behind is 0 (the null
 * block). The array is replaced when the table outgrows it, so read it again after each change.
 */
export class BlockTable {
  /** KV group; for now the only one. */
  readonly group = 0;
  blocks: Int32Array = new Int32Array(initialCapacity);
  numBlocks = 0;
  /** Goes up with each change of an entry. */
  version = 0;
  /** First entry changed since {@link markSent}; `numBlocks` when none was. */
  dirtyFrom = 0;
  /** Leading blocks that came from the cache or another table: not filled by this sequence. */
  numSharedBlocks = 0;
  /** Leading blocks that stand in the cache's trie (hits included). */
  numRegisteredBlocks = 0;
  /** Leading blocks whose filling steps completed (hits included). */
  numCommittedBlocks = 0;
  /** Tokens from which on nothing of this sequence is registered; Infinity: no bound. */
  maxKeepTokens = Number.POSITIVE_INFINITY;
  /** Canonical keys of the sequence, resolved while the table lives. */
  keys: RequestKeys = noRequestKeys;
  /** Block that holds the sequence's tail in the cache, and the registration it had; 0: none. */
  tailBlock = 0;
  tailRegisteredAt = 0;
  /** Block that a partial hit was copied from, and the registration it had; 0: none. */
  copySource = 0;
  copySourceRegisteredAt = 0;
  isFreed = false;
  /** The cache's latest registration when the table was freed. */
  freedAtRegistration = Number.POSITIVE_INFINITY;

  /** Adds a block at the end; amortized O(1). */
  append(block: number): void {
    if (this.numBlocks === this.blocks.length) {
      const grown = new Int32Array(this.blocks.length * 2);
      grown.set(this.blocks);
      this.blocks = grown;
    }
    this.blocks[this.numBlocks] = block;
    this.touch(this.numBlocks);
    this.numBlocks++;
  }

  /** Puts another physical block at `index`. */
  replace(index: number, block: number): void {
    this.blocks[index] = block;
    this.touch(index);
  }

  /** Forgets which entries changed: call once they have been sent to the device. */
  markSent(): void {
    this.dirtyFrom = this.numBlocks;
  }

  /**
   * The entries that changed since they were last sent, for the step that sends them: from column `firstColumn` on.
   *
   * @returns `blocks` is a view: copy it before the table changes again
   */
  takeChanges(): { readonly firstColumn: number; readonly blocks: Int32Array } {
    const firstColumn = this.dirtyFrom;
    this.markSent();
    return { firstColumn, blocks: this.blocks.subarray(firstColumn, this.numBlocks) };
  }

  private touch(index: number): void {
    if (index < this.dirtyFrom) this.dirtyFrom = index;
    this.version++;
  }
}
