// Small helpers over a real prefix cache: requests without an engine.
import {
  BlockAllocator,
  type BlockTable,
  type ExtraKeys,
  type FreeOptions,
  PrefixCache,
  type PrefixCacheOptions,
} from '../../lib/kv/index.js';

export const blockSize = 8;

export interface Fixture {
  readonly cache: PrefixCache;
  readonly allocator: BlockAllocator;
  /** The cache's clock; tests move it. */
  readonly time: { nowMs: number };
}

/** A cache of `numBlocks` usable blocks of 8 tokens. */
export function makeCache(
  numBlocks: number,
  options: Omit<PrefixCacheOptions, 'allocator' | 'clock'> = {},
): Fixture {
  const allocator = new BlockAllocator({ numBlocks: numBlocks + 1, blockSize });
  const time = { nowMs: 1000 };
  const cache = new PrefixCache({ allocator, clock: () => time.nowMs, ...options });
  return { cache, allocator, time };
}

/** Token ids `first, first + 1, …`. */
export function countFrom(first: number, length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => first + i);
}

export function join(...parts: readonly Int32Array[]): Int32Array {
  return Int32Array.from(parts.flatMap((part) => [...part]));
}

export interface OpenSequence {
  readonly table: BlockTable;
  readonly tokens: Int32Array;
  readonly numCachedTokens: number;
  readonly numCopiedTokens: number;
}

/** Takes blocks for a prompt and does all its steps; the sequence stays open. */
export function open(
  { cache }: Fixture,
  tokens: Int32Array,
  extraKeys: ExtraKeys | null = null,
): OpenSequence {
  const match = cache.matchPrompt(tokens, { extraKeys });
  const lease = cache.acquire(match, { numTokens: tokens.length });
  if (lease === undefined) throw new Error('out of blocks');
  if (lease.copy !== undefined) cache.releaseCopySource(lease.copy);
  cache.registerSubmitted(lease.table, tokens, tokens.length);
  cache.commit(lease.table, tokens.length);
  const { table, numCachedTokens, numCopiedTokens } = lease;
  return { table, tokens, numCachedTokens, numCopiedTokens };
}

/** Ends a sequence, its last block kept as a tail. */
export function close(
  { cache }: Fixture,
  { table, tokens }: OpenSequence,
  options: FreeOptions = {},
): { isRetained: boolean } {
  return cache.free(table, { tail: { tokens, numTokens: tokens.length }, ...options });
}

/** A whole request. Returns how many of its tokens were cached. */
export function request(
  fixture: Fixture,
  tokens: Int32Array,
  extraKeys: ExtraKeys | null = null,
  options: FreeOptions = {},
): number {
  const sequence = open(fixture, tokens, extraKeys);
  close(fixture, sequence, options);
  fixture.cache.checkInvariants();
  return sequence.numCachedTokens;
}

/** Cached tokens of a prompt, counting all of them. */
export function countCached(
  { cache }: Fixture,
  tokens: Int32Array,
  extraKeys: ExtraKeys | null = null,
): number {
  return cache.match(tokens, { extraKeys }).numCachedTokens;
}
