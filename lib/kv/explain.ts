import type { Explanation, PrefixMatch } from './cache-types.js';
import type { ExtraKeys } from './extra-keys.js';
import type { Ghost, Ghosts } from './ghosts.js';
import { rootNode } from './node-store.js';
import type { PrefixTrie } from './prefix-trie.js';

/** Says why the tokens behind a match, of those that it was allowed to find, are not cached. */
export function explainMatch(match: PrefixMatch, trie: PrefixTrie, ghosts: Ghosts): Explanation {
  const { tokens, numCachedTokens, maxCachedTokens, partial } = match;
  if (numCachedTokens >= Math.min(tokens.length, maxCachedTokens)) {
    return {
      numCachedTokens,
      firstDivergentToken: undefined,
      cause: undefined,
      removedAtMs: undefined,
      nearest: undefined,
    };
  }
  const ghost = findGhost(match, trie, ghosts);
  const nearestNode = partial === undefined ? rootNode : trie.nodeOfBlock[partial.block];
  const nearest =
    partial === undefined
      ? undefined
      : { numTokens: partial.numTokens, tokens: trie.store.getTokens(nearestNode).slice() };
  return {
    numCachedTokens,
    firstDivergentToken: numCachedTokens,
    cause: ghost?.reason ?? findCauseOfNew(match, trie),
    removedAtMs: ghost?.removedAtMs,
    nearest,
  };
}

/** What is remembered of the first full block behind the match. */
function findGhost(match: PrefixMatch, trie: PrefixTrie, ghosts: Ghosts): Ghost | undefined {
  const { tokens, numFullBlocks, fullBlocks, extraKeys } = match;
  const start = numFullBlocks * trie.store.blockSize;
  if (start + trie.store.blockSize > tokens.length) return undefined;
  const keys = trie.keys.resolve(extraKeys);
  const parent = numFullBlocks === 0 ? rootNode : trie.nodeOfBlock[fullBlocks[numFullBlocks - 1]];
  trie.hashChild(parent, tokens, start, numFullBlocks === 0 ? keys.first : keys.later);
  return ghosts.find(trie.hasher.lo, trie.hasher.hi);
}

function findCauseOfNew(match: PrefixMatch, trie: PrefixTrie): 'cold' | 'diverged' | 'salt' {
  if (match.numCachedTokens === 0 && isUnderOtherSalt(match, trie)) return 'salt';
  if (match.partial !== undefined || hasOtherContinuation(match, trie)) return 'diverged';
  return 'cold';
}

/** Whether the cached prefix goes on, in another request, with other tokens. */
function hasOtherContinuation({ numFullBlocks, fullBlocks }: PrefixMatch, trie: PrefixTrie) {
  if (numFullBlocks === 0) return false;
  const end = trie.nodeOfBlock[fullBlocks[numFullBlocks - 1]];
  return trie.store.childRoot[end] !== rootNode;
}

/** Whether the prompt's first block is cached with all keys equal but for the salt. */
function isUnderOtherSalt({ tokens, extraKeys }: PrefixMatch, trie: PrefixTrie): boolean {
  const numTokens = Math.min(tokens.length, trie.store.blockSize);
  if (numTokens === 0) return false;
  const wanted = withoutSalt(extraKeys);
  const own = trie.keys.resolve(extraKeys).first.id;
  const ids: number[] = wanted === '[]' ? [0] : [];
  for (const [id, keys] of trie.keys.entries()) {
    if (withoutSalt(keys) === wanted) ids.push(id);
  }
  return ids.some((keysId) => {
    if (keysId === own) return false;
    const query = { parent: rootNode, keysId, tokens, start: 0, numTokens };
    return trie.children.findNearest(query)?.numShared === numTokens;
  });
}

function withoutSalt(extraKeys: ExtraKeys | null): string {
  return JSON.stringify((extraKeys ?? []).filter(([kind]) => kind !== 'salt'));
}
