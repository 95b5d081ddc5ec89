import { createHmac, randomBytes } from 'node:crypto';
import { InvalidArgumentError } from '../errors.js';
import type { BlockTable } from './block-table.js';
import type { CacheParts } from './cache-parts.js';
import { NodeFlag, rootNode } from './node-store.js';

/** A sequence's table, and how many of its tokens have their K/V in the table's blocks. */
export interface BlockUser {
  readonly table: BlockTable;
  readonly numTokens: number;
}

/** One block as a tool may show it; plain data. */
export interface BlockInfo {
  readonly block: number;
  /** `live`: a sequence holds it; `pinned`: only pins do; `cached`: nobody does, but it can be hit; `free`: empty. */
  readonly state: 'live' | 'pinned' | 'cached' | 'free';
  /** References of sequences, pins and copies that wait for their step. */
  readonly numRefs: number;
  /** The part of `numRefs` that are pins. */
  readonly numPins: number;
  /** What a lookup finds in it: a whole block, a tail (used by copying), or nothing. */
  readonly holds: 'full' | 'tail' | undefined;
  /** Slots that hold a token. */
  readonly numTokens: number;
  /** The block with the tokens before; `undefined` for the first of a prompt, and for a free one. */
  readonly parent: number | undefined;
  /** Hit before: it is evicted after blocks that were seen once. */
  readonly isProtected: boolean;
  /** Equal for equal salts in one process, and no way back to them; `undefined` without a salt. */
  readonly saltHash: string | undefined;
  /** Of the pins that hold it. */
  readonly tags: readonly string[];
}

/** Which blocks to look at. */
export interface BlockMapRange {
  /** First block; default 1, the one after the null block. */
  readonly start?: number;
  /** Default 4,096. */
  readonly maxBlocks?: number;
}

/** A stretch of the pool, in the order of the blocks. */
export interface BlockMap {
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly blocks: readonly BlockInfo[];
  /** Where the next stretch starts; `undefined` after the last one. */
  readonly next: number | undefined;
}

const defaultMaxBlocks = 4096;
/** So that nobody outside this process can try salts against a hash. */
const saltHashKey = randomBytes(32);

/** What a table says of a block that no lookup finds. */
interface PrivateBlock {
  numTokens: number;
  readonly parent: number | undefined;
  readonly keysId: number;
}

/**
 * Describes a stretch of blocks. Takes time with `maxBlocks`, the blocks that tagged pins hold, and the blocks that
 * running sequences have not yet shared; with the depth of prefixes once per node.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for a range that is none
 */
export function describeBlocks(
  parts: CacheParts,
  users: Iterable<BlockUser>,
  { start = 1, maxBlocks = defaultMaxBlocks }: BlockMapRange = {},
): BlockMap {
  const { numBlocks, blockSize } = parts.allocator;
  checkAtLeastOne('start', start);
  checkAtLeastOne('maxBlocks', maxBlocks);
  const end = Math.min(start + maxBlocks, numBlocks);
  const describe = describer(parts, findPrivateBlocks(users, blockSize), start, end);
  const blocks: BlockInfo[] = [];
  for (let block = start; block < end; block++) blocks.push(describe(block));
  return { numBlocks, blockSize, blocks, next: end < numBlocks ? end : undefined };
}

/** Counts the slots without a token in blocks that hold some. Takes time with the number of users, not of blocks. */
export function countWastedSlots({ trie }: CacheParts, users: Iterable<BlockUser>): number {
  const { store, nodeOfBlock } = trie;
  const { blockSize } = store;
  const partlyFilled = new Map<number, number>();
  for (const { table, numTokens } of users) {
    const inLast = numTokens % blockSize;
    const last = table.blocks[Math.floor(numTokens / blockSize)];
    if (inLast > 0) partlyFilled.set(last, Math.max(inLast, partlyFilled.get(last) ?? 0));
  }
  let wastedSlots = trie.numSlotsBehindTails;
  for (const [block, numFilled] of partlyFilled) {
    const isHittable = nodeOfBlock[block] !== rootNode;
    const numHittable = isHittable ? store.numTokens[nodeOfBlock[block]] : 0;
    wastedSlots += blockSize - Math.max(numFilled, numHittable);
    if (isHittable) wastedSlots -= blockSize - numHittable;
  }
  return wastedSlots;
}

function describer(
  { allocator, trie, pins }: CacheParts,
  privateBlocks: ReadonlyMap<number, PrivateBlock>,
  start: number,
  end: number,
): (block: number) => BlockInfo {
  const { store, nodeOfBlock } = trie;
  const tags = pins.findTags(start, end);
  const saltHashOf = saltHasher({ trie });
  return (block) => {
    const node = nodeOfBlock[block];
    const own = privateBlocks.get(block);
    const numRefs = allocator.getRefCount(block);
    const numPins = pins.getPinCount(block);
    const isHittable = node !== rootNode;
    const idle = isHittable ? 'cached' : 'free';
    const above = isHittable ? store.firstPlace[store.parent[node]] : own?.parent;
    return {
      block,
      state: numRefs === 0 ? idle : numRefs === numPins ? 'pinned' : 'live',
      numRefs,
      numPins,
      holds: isHittable ? (store.has(node, NodeFlag.tail) ? 'tail' : 'full') : undefined,
      numTokens: Math.max(isHittable ? store.numTokens[node] : 0, own?.numTokens ?? 0),
      parent: above === 0 ? undefined : above,
      isProtected: isHittable && store.has(node, NodeFlag.protected),
      saltHash: saltHashOf(isHittable ? node : rootNode, own?.keysId ?? 0),
      tags: tags.get(block) ?? [],
    };
  };
}

/** Gives the salt's hash of a node's prompt, or that of extra keys; each node's way up is walked once. */
function saltHasher({ trie }: Pick<CacheParts, 'trie'>) {
  const { store, keys } = trie;
  const keysOfNode = new Map<number, number>();
  const hashOfKeys = new Map<number, string | undefined>();
  const findKeys = (node: number): number => {
    const path: number[] = [];
    let at = node;
    while (!keysOfNode.has(at) && store.parent[at] !== rootNode) {
      path.push(at);
      at = store.parent[at];
    }
    const id = keysOfNode.get(at) ?? store.keysId[at];
    for (const below of [...path, at]) keysOfNode.set(below, id);
    return id;
  };
  return (node: number, keysId: number): string | undefined => {
    const id = node === rootNode ? keysId : findKeys(node);
    if (!hashOfKeys.has(id)) {
      const salt = keys.getKeys(id)?.find(([kind]) => kind === 'salt')?.[1];
      hashOfKeys.set(id, salt === undefined ? undefined : hashSalt(salt));
    }
    return hashOfKeys.get(id);
  };
}

function hashSalt(salt: string): string {
  return createHmac('sha256', saltHashKey).update(salt).digest('hex').slice(0, 16);
}

/** Blocks of tables behind what is registered: the trie does not know them. */
function findPrivateBlocks(
  users: Iterable<BlockUser>,
  blockSize: number,
): Map<number, PrivateBlock> {
  const found = new Map<number, PrivateBlock>();
  for (const { table, numTokens } of users) {
    for (let i = table.numRegisteredBlocks; i < table.numBlocks; i++) {
      const filled = Math.min(Math.max(numTokens - i * blockSize, 0), blockSize);
      const block = table.blocks[i];
      const known = found.get(block);
      if (known !== undefined) {
        known.numTokens = Math.max(known.numTokens, filled);
        continue;
      }
      const parent = i === 0 ? undefined : table.blocks[i - 1];
      found.set(block, { numTokens: filled, parent, keysId: table.keys.first.id ?? 0 });
    }
  }
  return found;
}

function checkAtLeastOne(field: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new InvalidArgumentError(field, value, 'an integer from 1');
}
