import { strict as assert } from 'node:assert';
import { NodeFlag, type NodeStore, rootNode } from './node-store.js';

/**
 * Finds a full node by (parent, 64-bit hash) in O(1), and then compares parent, extra keys and all
 * tokens: a collision is a miss.
 *
 * Invariant: each full node with a place is in the bucket of its hash; tails are in none.
 */
export class NodeIndex {
  private readonly buckets: Int32Array;
  private readonly mask: number;

  constructor(
    private readonly store: NodeStore,
    /** Holds the hash of what is looked for. */
    private readonly hash: { readonly lo: number; readonly hi: number },
  ) {
    const numBuckets = 2 ** Math.ceil(Math.log2(store.capacity));
    this.buckets = new Int32Array(numBuckets);
    this.mask = numBuckets - 1;
  }

  get bytes(): number {
    return this.buckets.byteLength;
  }

  /**
   * The child of `parent` with these keys, `tokens[start, start + blockSize)`, and the hash that the
   * hasher holds.
   *
   * @returns the root when there is none
   */
  find(parent: number, keysId: number, tokens: Int32Array, start: number): number {
    const store = this.store;
    const { lo, hi } = this.hash;
    let node = this.buckets[lo & this.mask];
    while (node !== rootNode) {
      const isCandidate =
        store.hashLo[node] === lo &&
        store.hashHi[node] === hi &&
        store.parent[node] === parent &&
        store.keysId[node] === keysId;
      if (isCandidate && this.hasTokens(node, tokens, start)) return node;
      node = store.hashNext[node];
    }
    return rootNode;
  }

  insert(node: number): void {
    const bucket = this.store.hashLo[node] & this.mask;
    this.store.hashNext[node] = this.buckets[bucket];
    this.buckets[bucket] = node;
  }

  remove(node: number): void {
    const { hashLo, hashNext } = this.store;
    const bucket = hashLo[node] & this.mask;
    if (this.buckets[bucket] === node) {
      this.buckets[bucket] = hashNext[node];
      return;
    }
    let before = this.buckets[bucket];
    while (hashNext[before] !== node) before = hashNext[before];
    hashNext[before] = hashNext[node];
  }

  checkInvariants(): void {
    let numIndexed = 0;
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      for (let at = this.buckets[bucket]; at !== rootNode; at = this.store.hashNext[at]) {
        assert.equal(this.store.hashLo[at] & this.mask, bucket, `bucket of node ${at}`);
        assert(!this.store.has(at, NodeFlag.tail), `tail ${at} is in the hash index`);
        numIndexed++;
        assert(numIndexed <= this.store.capacity, 'a hash bucket runs in a circle');
      }
    }
    let numFull = 0;
    for (const node of this.store.nodes()) numFull += this.store.has(node, NodeFlag.tail) ? 0 : 1;
    assert.equal(numIndexed, numFull, 'full nodes in the hash index');
  }

  private hasTokens(node: number, tokens: Int32Array, start: number): boolean {
    const mine = this.store.tokens;
    const blockSize = this.store.blockSize;
    const base = node * blockSize;
    for (let i = 0; i < blockSize; i++) {
      if (mine[base + i] !== tokens[start + i]) return false;
    }
    return true;
  }
}
