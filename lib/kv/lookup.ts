import { InvalidArgumentError } from '../errors.js';
import type { MatchOptions, PrefixMatch } from './cache-types.js';
import { checkTokens } from './digests.js';
import { canonicalExtraKeys, type ExtraKeys, type RequestKeys } from './extra-keys.js';
import { rootNode } from './node-store.js';
import type { PrefixTrie } from './prefix-trie.js';

/** What is looked up, with all defaults filled in. */
interface Query {
  readonly tokens: Int32Array;
  readonly extraKeys: ExtraKeys | null;
  readonly maxTokens: number;
  readonly maxCachedTokens: number;
}

/** Finds how much of a prompt is cached; changes nothing. */
export class Lookup {
  /** Places of the full blocks found last, reused. */
  private places = new Int32Array(64);
  /** Deepest node found last. */
  private node = rootNode;

  constructor(private readonly trie: PrefixTrie) {}

  /** The longest cached prefix of the first `maxTokens` tokens. */
  match(tokens: Int32Array, { extraKeys, maxTokens }: MatchOptions): PrefixMatch {
    checkTokens(tokens);
    const limit = maxTokens ?? tokens.length;
    if (!Number.isInteger(limit) || limit < 0 || limit > tokens.length) {
      throw new InvalidArgumentError('maxTokens', limit, `an integer from 0 to ${tokens.length}`);
    }
    const keys = canonicalExtraKeys(extraKeys);
    return this.find({ tokens, extraKeys: keys, maxTokens: limit, maxCachedTokens: limit });
  }

  /**
   * The longest cached prefix of a prompt whose last token must be computed in any case: a full block
   * may hold that token, a copy is not made for its sake.
   */
  matchPrompt(tokens: Int32Array, extraKeys: ExtraKeys | null | undefined): PrefixMatch {
    checkTokens(tokens);
    const numBefore = Math.max(0, tokens.length - 1);
    const endsWithBlock = tokens.length % this.trie.store.blockSize === 0;
    return this.find({
      tokens,
      extraKeys: canonicalExtraKeys(extraKeys),
      maxTokens: endsWithBlock ? tokens.length : numBefore,
      maxCachedTokens: numBefore,
    });
  }

  /** A match as it would be found now. */
  refresh(match: PrefixMatch): PrefixMatch {
    return match.epoch === this.trie.epoch ? match : this.find(match);
  }

  /** Nodes of the full blocks found last, from the deepest up. */
  *matchedNodes(match: PrefixMatch): Iterable<number> {
    const { store, nodeOfBlock } = this.trie;
    if (match.numFullBlocks === 0) return;
    let at = nodeOfBlock[match.fullBlocks[match.numFullBlocks - 1]];
    for (; at !== rootNode; at = store.parent[at]) yield at;
  }

  private find(query: Query): PrefixMatch {
    const { tokens, extraKeys, maxTokens, maxCachedTokens } = query;
    const { blockSize } = this.trie.store;
    const keys = this.trie.keys.resolve(extraKeys);
    const numFullBlocks = this.findFull(query, keys);
    const numFullTokens = numFullBlocks * blockSize;
    const partial = this.findPartial(tokens, numFullTokens, maxTokens, keys);
    const numFound = numFullTokens + (partial?.numTokens ?? 0);
    return {
      tokens,
      extraKeys,
      maxTokens,
      maxCachedTokens,
      numCachedTokens: Math.min(numFound, maxCachedTokens),
      numFullBlocks,
      fullBlocks: this.places.slice(0, numFullBlocks),
      partial,
      epoch: this.trie.epoch,
    };
  }

  /** Follows full blocks from the root; their places go into `places`. */
  private findFull({ tokens, maxTokens }: Query, keys: RequestKeys): number {
    const { store, index, hasher } = this.trie;
    const { blockSize } = store;
    const maxFull = Math.floor(maxTokens / blockSize);
    this.reserve(maxFull);
    this.node = rootNode;
    hasher.startAt(store.hashLo[rootNode], store.hashHi[rootNode]);
    for (let i = 0; i < maxFull; i++) {
      const blockKeys = i === 0 ? keys.first : keys.later;
      if (blockKeys.id === undefined) return i;
      const start = i * blockSize;
      hasher.mixBlock(tokens, start, start + blockSize, blockKeys);
      const node = index.find(this.node, blockKeys.id, tokens, start);
      if (node === rootNode) return i;
      this.places[i] = store.firstPlace[node];
      this.node = node;
    }
    return maxFull;
  }

  /** The child of the deepest node that shares most of the tokens behind it. */
  private findPartial(tokens: Int32Array, start: number, maxTokens: number, keys: RequestKeys) {
    const { store, children } = this.trie;
    const keysId = (start === 0 ? keys.first : keys.later).id;
    const numTokens = Math.min(maxTokens - start, store.blockSize - 1);
    if (numTokens <= 0 || keysId === undefined) return undefined;
    const nearest = children.findNearest({ parent: this.node, keysId, tokens, start, numTokens });
    if (nearest === undefined) return undefined;
    return { block: store.firstPlace[nearest.node], numTokens: nearest.numShared };
  }

  private reserve(numPlaces: number): void {
    if (numPlaces <= this.places.length) return;
    this.places = new Int32Array(2 ** Math.ceil(Math.log2(numPlaces)));
  }
}
