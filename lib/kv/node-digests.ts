import { digestBytes, rootDigest, writeBlockDigest } from './digests.js';
import { NodeFlag, rootNode } from './node-store.js';
import type { PrefixTrie } from './prefix-trie.js';

/** SHA-256 digests of full nodes, each computed when it is first asked for. */
export class NodeDigests {
  /** `[capacity * digestBytes]`, allocated with the first digest. */
  private digests: Buffer | undefined;

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
    if (this.isKnown(node)) return this.view(node);
    const missing: number[] = [];
    for (let at = node; !this.isKnown(at); at = store.parent[at]) missing.push(at);
    for (let at = missing.pop(); at !== undefined; at = missing.pop()) this.compute(at);
    return this.view(node);
  }

  /**
   * Copies of the digests of several nodes, ancestors before descendants.
   *
   * @returns one view of `[digestBytes]` per node, over memory of their own
   */
  copyDigests(nodes: readonly number[]): Uint8Array[] {
    const bytes = new Uint8Array(nodes.length * digestBytes);
    return nodes.map((node, i) => {
      const copy = new Uint8Array(bytes.buffer, i * digestBytes, digestBytes);
      copy.set(this.getDigest(node));
      return copy;
    });
  }

  private isKnown(node: number): boolean {
    return node === rootNode || this.trie.store.has(node, NodeFlag.digested);
  }

  private compute(node: number): void {
    const { store, keys } = this.trie;
    const start = node * store.blockSize;
    this.digests ??= Buffer.alloc(store.capacity * digestBytes);
    writeBlockDigest(this.digests, node * digestBytes, this.view(store.parent[node]), {
      tokens: store.tokens,
      start,
      end: start + store.blockSize,
      extraKeys: keys.getKeys(store.keysId[node]),
    });
    store.mark(node, NodeFlag.digested);
  }

  private view(node: number): Uint8Array {
    if (node === rootNode || this.digests === undefined) return rootDigest;
    return new Uint8Array(
      this.digests.buffer,
      this.digests.byteOffset + node * digestBytes,
      digestBytes,
    );
  }
}
