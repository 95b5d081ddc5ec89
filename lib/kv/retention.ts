import { InvalidArgumentError, PinBudgetError } from '../errors.js';
import type { BlockPool } from './block-pool.js';
import type { BlockTable } from './block-table.js';
import type { FreeOptions } from './cache-types.js';
import { NodeFlag, neverForget, rootNode } from './node-store.js';
import type { Pins } from './pins.js';
import type { PrefixTrie } from './prefix-trie.js';
import type { Registration } from './registration.js';

export interface RetentionOptions {
  readonly trie: PrefixTrie;
  readonly pool: BlockPool;
  readonly pins: Pins;
  readonly registration: Registration;
  readonly clock: () => number;
  readonly defaultIdleLimitMs: number;
}

/** Decides what of a finished sequence stays cached, and for how long. */
export class Retention {
  constructor(private readonly options: RetentionOptions) {}

  /**
   * Carries out a sequence's wishes while its table still holds the blocks.
   *
   * @returns whether `retainMs` could be promised (false when it was not asked for)
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT`, with nothing changed
   */
  settle(table: BlockTable, { tail, keep = 'auto', retainMs, maxIdleMs }: FreeOptions): boolean {
    const maxKept = getMaxKept(keep);
    checkDuration('retainMs', retainMs);
    checkDuration('maxIdleMs', maxIdleMs);
    const { registration } = this.options;
    if (tail !== undefined) registration.checkWritten(table, tail.tokens, tail.numTokens);
    this.discard(table, maxKept);
    if (tail !== undefined) {
      const numTokens = Math.min(tail.numTokens, maxKept);
      registration.registerTail(table, tail.tokens, numTokens);
    }
    const path = this.findPath(table);
    this.limitIdleness(path, maxIdleMs);
    return retainMs !== undefined && this.retain(path, retainMs);
  }

  /** Blocks that hold a table's prefix in the cache, from the root on, its tail last. */
  findPath(table: BlockTable): Int32Array {
    const { trie } = this.options;
    let numBlocks = 0;
    while (numBlocks < table.numRegisteredBlocks) {
      if (trie.getFullNode(table.blocks[numBlocks]) === rootNode) break;
      numBlocks++;
    }
    const { tailBlock } = table;
    const tail = trie.nodeOfBlock[tailBlock];
    const isStillTail = trie.registeredAt[tailBlock] === table.tailRegisteredAt;
    const end = numBlocks === 0 ? rootNode : trie.nodeOfBlock[table.blocks[numBlocks - 1]];
    const hasTail = tail !== rootNode && isStillTail && trie.store.parent[tail] === end;
    const path = new Int32Array(hasTail ? numBlocks + 1 : numBlocks);
    for (let i = 0; i < numBlocks; i++) path[i] = table.blocks[i];
    if (hasTail) path[numBlocks] = tailBlock;
    return path;
  }

  /** How long a node may be idle, from what a caller asked for. */
  private limitIdleness(path: Int32Array, maxIdleMs: number | undefined): void {
    const { store, nodeOfBlock } = this.options.trie;
    const limitMs = toIdleLimit(maxIdleMs) ?? this.options.defaultIdleLimitMs;
    for (const block of path) {
      const node = nodeOfBlock[block];
      store.idleLimitMs[node] = Math.max(store.idleLimitMs[node], limitMs);
    }
  }

  /** Takes out what the table registered from token `maxKept` on, unless others use it. */
  private discard(table: BlockTable, maxKept: number): void {
    const { trie, pool } = this.options;
    const { store } = trie;
    const numKept = Math.max(table.numSharedBlocks, Math.floor(maxKept / store.blockSize));
    while (table.numRegisteredBlocks > numKept) {
      const block = table.blocks[table.numRegisteredBlocks - 1];
      const node = trie.getFullNode(block);
      if (node !== rootNode) {
        if (store.has(node, NodeFlag.shared) || pool.countHolders(block) > 1) return;
        pool.removePlace(block, 'discarded');
      }
      table.numRegisteredBlocks--;
    }
  }

  private retain(path: Int32Array, retainMs: number): boolean {
    try {
      this.options.pins.add(path, { ttlMs: retainMs }, this.options.clock());
      return true;
    } catch (error) {
      if (error instanceof PinBudgetError) return false;
      throw error;
    }
  }
}

/**
 * A duration as nodes keep it: whole milliseconds, `neverForget` for Infinity.
 *
 * @returns `undefined` when nothing was asked for
 */
export function toIdleLimit(maxIdleMs: number | undefined): number | undefined {
  if (maxIdleMs === undefined) return undefined;
  return Math.min(Math.ceil(maxIdleMs), neverForget);
}

/** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` unless left out or a number above 0 */
export function checkDuration(field: string, value: number | undefined): void {
  if (value === undefined || value > 0) return;
  throw new InvalidArgumentError(field, value, 'a number of milliseconds above 0');
}

function getMaxKept(keep: NonNullable<FreeOptions['keep']>): number {
  if (keep === 'auto') return Number.POSITIVE_INFINITY;
  if (keep === 'off') return 0;
  if (typeof keep === 'object' && Number.isInteger(keep.upTo) && keep.upTo >= 0) return keep.upTo;
  throw new InvalidArgumentError('keep', keep, "'auto', 'off' or { upTo: a number of tokens }");
}
