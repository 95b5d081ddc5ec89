import { InvalidArgumentError } from '../errors.js';
import type { BlockPool } from './block-pool.js';
import type { InvalidateTarget } from './cache-types.js';
import type { EventLog } from './event-log.js';
import { rootNode } from './node-store.js';
import type { Pins } from './pins.js';
import type { PrefixTrie } from './prefix-trie.js';

export interface InvalidationOptions {
  readonly trie: PrefixTrie;
  readonly pool: BlockPool;
  readonly pins: Pins;
  readonly events: EventLog;
}

/**
 * Drops what a tag, a salt, or everything names.
 *
 * @returns places dropped
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` unless exactly one target is named
 */
export function invalidate(target: InvalidateTarget, options: InvalidationOptions): number {
  if (typeof target !== 'object' || target === null) {
    throw new InvalidArgumentError('target', target, 'one of { tag }, { salt } and { all: true }');
  }
  const { pool, pins } = options;
  const numBefore = pool.removals.invalidated;
  const named = Object.entries(target).filter(([, value]) => value !== undefined);
  const [kind, value] = named[0] ?? [];
  if (named.length !== 1) {
    throw new InvalidArgumentError('target', Object.keys(target), 'one of tag, salt and all');
  }
  if (kind === 'all' && value === true) invalidateAll(options);
  else if (kind === 'salt' && typeof value === 'string') invalidateSalt(value, options);
  else if (kind === 'tag' && typeof value === 'string') invalidateTag(value, options);
  else throw new InvalidArgumentError(`target.${kind}`, value, 'a tag, a salt, or all: true');
  pins.removeVoid();
  return pool.removals.invalidated - numBefore;
}

function invalidateAll({ trie, pool, events }: InvalidationOptions): void {
  events.clear();
  const { childRoot } = trie.store;
  while (childRoot[rootNode] !== rootNode) pool.removeSubtree(childRoot[rootNode], 'invalidated');
}

function invalidateSalt(salt: string, { trie, pool }: InvalidationOptions): void {
  const firstNodes = [...trie.children.children(rootNode)];
  for (const node of firstNodes) {
    const keys = trie.keys.getKeys(trie.store.keysId[node]);
    const isSalted = keys?.some(([kind, value]) => kind === 'salt' && value === salt) ?? false;
    if (isSalted) pool.removeSubtree(node, 'invalidated');
  }
}

/**
 * Drops what the tagged pins end in with all that follows it, and upwards what led to nothing else:
 * a system prompt that others continue, or pin, stays.
 */
function invalidateTag(tag: string, { trie, pool, pins }: InvalidationOptions): void {
  const { store } = trie;
  const ends = new Set(pins.removeTagged(tag));
  for (const end of ends) {
    if (store.numTokens[end] === 0) continue; // it went with another end above it
    let above = store.parent[end];
    pool.removeSubtree(end, 'invalidated');
    pins.removeVoid(); // so that what was pinned below does not hold what is above
    while (above !== rootNode && store.childRoot[above] === rootNode) {
      if ([...trie.places(above)].some((place) => pins.getPinCount(place) > 0)) break;
      const parent = store.parent[above];
      pool.removeSubtree(above, 'invalidated');
      above = parent;
    }
  }
}
