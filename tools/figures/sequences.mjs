// Sequences over a real PrefixCache, as the figures show them: what each holds is asked of the cache, not typed in.

import { BlockAllocator, PrefixCache } from '../../dist/kv/index.js';

export const blockSize = 8;

/** Tokens `first`, `first + 1`, …: numbers stand for words. */
export const range = (first, count) => Array.from({ length: count }, (_, i) => first + i);

/** An empty cache; time stands still, so that the same calls give the same figure. */
export function openCache(numBlocks) {
  let now = 0;
  const allocator = new BlockAllocator({ numBlocks, blockSize });
  return new PrefixCache({ allocator, clock: () => now++ });
}

/** Starts a sequence and registers what it computed, as an engine does after a step. */
export function start(cache, name, tokens) {
  const ids = Int32Array.from(tokens);
  const lease = cache.acquire(cache.matchPrompt(ids), { numTokens: tokens.length });
  const sequence = { name, tokens, ids, ...lease };
  advance(cache, sequence);
  return sequence;
}

function advance(cache, { table, ids, copy }) {
  if (copy?.isSourceHeld) cache.releaseCopySource(copy);
  cache.registerSubmitted(table, ids, ids.length);
  cache.commit(table, ids.length);
}

/** Lets a sequence compute more tokens. */
export function grow(cache, sequence, tokens) {
  sequence.tokens = [...sequence.tokens, ...tokens];
  sequence.ids = Int32Array.from(sequence.tokens);
  cache.grow(sequence.table, sequence.tokens.length);
  advance(cache, sequence);
}

/** Ends a sequence; its blocks stay cached, the partly filled last one as a tail. */
export function end(cache, { table, ids }) {
  cache.free(table, { tail: { tokens: ids, numTokens: ids.length } });
}

/** The blocks of a sequence's table, in order. */
export const tableOf = ({ table }) => [...table.blocks.subarray(0, table.numBlocks)];

/** What stands in the slots of each physical block: `Map` of block to tokens. */
export function contentsOf(sequences) {
  const contents = new Map();
  for (const sequence of sequences) {
    for (const [i, block] of tableOf(sequence).entries()) {
      const tokens = sequence.tokens.slice(i * blockSize, (i + 1) * blockSize);
      if ((contents.get(block)?.length ?? 0) < tokens.length) contents.set(block, tokens);
    }
  }
  return contents;
}
