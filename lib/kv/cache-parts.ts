import { InvalidArgumentError } from '../errors.js';
import type { BlockAllocator } from './block-allocator.js';
import { BlockPool } from './block-pool.js';
import type { PrefixCacheOptions } from './cache-types.js';
import { EventLog } from './event-log.js';
import { Ghosts } from './ghosts.js';
import { Leases } from './leases.js';
import { Lookup } from './lookup.js';
import { neverForget } from './node-store.js';
import { Pins } from './pins.js';
import { PrefixTrie } from './prefix-trie.js';
import { Registration } from './registration.js';
import { checkDuration, Retention, toIdleLimit } from './retention.js';

const defaultMaxPinnedFraction = 0.5;

/** The parts of a prefix cache, from the blocks up. */
export interface CacheParts {
  readonly clock: () => number;
  readonly allocator: BlockAllocator;
  readonly trie: PrefixTrie;
  readonly ghosts: Ghosts;
  readonly events: EventLog;
  readonly pool: BlockPool;
  readonly pins: Pins;
  readonly lookup: Lookup;
  readonly leases: Leases;
  readonly registration: Registration;
  readonly retention: Retention;
}

/**
 * Builds the parts and gives each those that it stands on.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for an option outside its range
 */
export function makeParts(options: PrefixCacheOptions): CacheParts {
  checkOptions(options);
  const { allocator, clock = () => performance.now(), scanResistance = true } = options;
  const { numBlocks, blockSize } = allocator;
  const { maxPinnedFraction = defaultMaxPinnedFraction, maxGhosts = numBlocks } = options;
  const defaultIdleLimitMs = toIdleLimit(options.maxIdleMs) ?? neverForget;
  const maxPinned = Math.floor((numBlocks - 1) * maxPinnedFraction);

  const trie = new PrefixTrie(numBlocks, blockSize);
  const ghosts = new Ghosts(maxGhosts);
  const events = new EventLog(trie, options.medium ?? 'cpu', options.onEvent);
  const aging = { clock, scanResistance, defaultIdleLimitMs };
  const pool = new BlockPool({ allocator, trie, ghosts, events, ...aging });
  const pins = new Pins({ trie, pool, maxPinned });
  const lookup = new Lookup(trie);
  const leases = new Leases({ trie, pool, lookup });
  const registration = new Registration({ trie, pool, queue: pool.queue, ghosts, events });
  const retention = new Retention({ trie, pool, pins, registration, clock, defaultIdleLimitMs });
  const base = { clock, allocator, trie, ghosts, events, pool };
  return { ...base, pins, lookup, leases, registration, retention };
}

function checkOptions({
  maxPinnedFraction = 0,
  maxGhosts = 0,
  maxIdleMs,
}: PrefixCacheOptions): void {
  if (!(maxPinnedFraction >= 0 && maxPinnedFraction <= 1)) {
    throw new InvalidArgumentError('maxPinnedFraction', maxPinnedFraction, 'a number from 0 to 1');
  }
  if (!Number.isInteger(maxGhosts) || maxGhosts < 0) {
    throw new InvalidArgumentError('maxGhosts', maxGhosts, 'an integer from 0');
  }
  checkDuration('maxIdleMs', maxIdleMs);
}
