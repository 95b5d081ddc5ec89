import { digestBytes, hashBlock, rootDigest } from './digests.js';
import { NodeFlag, rootNode } from './node-store.js';
import type { PrefixTrie } from './prefix-trie.js';

/** SHA-256 digests of full nodes, each computed when it is first asked for. */
export class NodeDigests {
  /** `[capacity * digestBytes]`, allocated with the first digest. */
  private digests: Uint8Array | undefined;

  constructor(private readonly trie: PrefixTrie) {}

  get bytes(): number {
    return this.digests?.byteLength ?? 0;
  }

  /**
   * A node's digest; computes its ancestors' digests too where they are missing, so ask for
   * ancestors first to keep each call short.
   *
   * @returns `[digestBytes]`, a view that is right until the node goes
   */
  getDigest(node: number): Uint8Array {
    const { store } = this.trie;
    const missing: number[] = [];
    for (let at = node; !this.isKnown(at); at = store.parent[at]) missing.push(at);
    for (let at = missing.pop(); at !== undefined; at = missing.pop()) this.compute(at);
    return this.view(node);
  }

  private isKnown(node: number): boolean {
    return node === rootNode || this.trie.store.has(node, NodeFlag.digested);
  }

  private compute(node: number): void {
    const { store, keys } = this.trie;
    const start = node * store.blockSize;
    const digest = hashBlock(this.view(store.parent[node]), {
      tokens: store.tokens,
      start,
      end: start + store.blockSize,
      extraKeys: keys.getKeys(store.keysId[node]),
    });
    this.digests ??= new Uint8Array(store.capacity * digestBytes);
    this.digests.set(digest, node * digestBytes);
    store.mark(node, NodeFlag.digested);
  }

  private view(node: number): Uint8Array {
    if (node === rootNode || this.digests === undefined) return rootDigest;
    return this.digests.subarray(node * digestBytes, (node + 1) * digestBytes);
  }
}
