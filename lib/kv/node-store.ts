import { strict as assert } from 'node:assert';

/** The node that every prompt starts from; in links it also stands for "none". */
export const rootNode = 0;

/** Bits of a node's flags. */
export const NodeFlag = {
  /** Holds fewer tokens than a block: found by walking children only, used by copying only. */
  tail: 1,
  /** Hit, or missed soon after it was evicted: leaves the cache after what was seen once. */
  protected: 2,
  /** Somebody besides the sequence that filled it used it. */
  shared: 4,
  /** Its filling step completed. */
  committed: 8,
  /** A `stored` event names it. */
  emitted: 16,
  /** Waits for its `stored` event. */
  pending: 32,
  /** Its SHA-256 digest is known. */
  digested: 64,
} as const;

/** In `idleLimitMs`: never forgotten. */
export const neverForget = 0xffffffff;

/**
 * The nodes of the prefix trie, as columns of typed arrays: node `i` is entry `i` of each.
 *
 * A node is one block's worth of tokens after those of its parent. What it holds, whose child it is
 * and where its bytes lie (`firstPlace`) is here; how it is found stands in `NodeIndex` (by hash) and
 * `ChildIndex` (by order). Links are node numbers, 0 (the root) meaning none.
 */
export class NodeStore {
  /** Nodes there can be, the root included. */
  readonly capacity: number;
  readonly parent: Int32Array;
  /** Root of the search tree over a node's children; `left`, `right`: links inside that tree. */
  readonly childRoot: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** 64-bit hash of the whole prefix, and the next node in the same hash bucket. */
  readonly hashLo: Int32Array;
  readonly hashHi: Int32Array;
  readonly hashNext: Int32Array;
  /** Number of its extra keys in the registry. */
  readonly keysId: Int32Array;
  /** First physical block that holds it, 0 for none; more follow in `PrefixTrie`. */
  readonly firstPlace: Int32Array;
  /** Milliseconds idle after which it is forgotten; 0: nobody said yet. */
  readonly idleLimitMs: Uint32Array;
  readonly numTokens: Uint16Array;
  readonly flags: Uint8Array;
  /** `[capacity * blockSize]`, zero behind a tail's tokens. */
  readonly tokens: Int32Array;
  private numUsed = 1;
  private firstFree = 0;

  constructor(
    maxNodes: number,
    readonly blockSize: number,
  ) {
    this.capacity = maxNodes + 1;
    this.parent = new Int32Array(this.capacity);
    this.childRoot = new Int32Array(this.capacity);
    this.left = new Int32Array(this.capacity);
    this.right = new Int32Array(this.capacity);
    this.hashLo = new Int32Array(this.capacity);
    this.hashHi = new Int32Array(this.capacity);
    this.hashNext = new Int32Array(this.capacity);
    this.keysId = new Int32Array(this.capacity);
    this.firstPlace = new Int32Array(this.capacity);
    this.idleLimitMs = new Uint32Array(this.capacity);
    this.numTokens = new Uint16Array(this.capacity);
    this.flags = new Uint8Array(this.capacity);
    this.tokens = new Int32Array(this.capacity * blockSize);
  }

  get bytes(): number {
    const perNode = 10 * 4 + 2 + 1;
    return this.capacity * perNode + this.tokens.byteLength;
  }

  /**
   * Makes a node that nothing links to yet, with `tokens[start, start + numTokens)`.
   *
   * There are as many nodes as places, so one is always free.
   */
  create(parent: number, tokens: Int32Array, start: number, numTokens: number): number {
    const node = this.takeFree();
    this.parent[node] = parent;
    this.childRoot[node] = rootNode;
    this.firstPlace[node] = 0;
    this.idleLimitMs[node] = 0;
    this.numTokens[node] = numTokens;
    this.flags[node] = numTokens < this.blockSize ? NodeFlag.tail : 0;
    const base = node * this.blockSize;
    for (let i = 0; i < numTokens; i++) this.tokens[base + i] = tokens[start + i];
    return node;
  }

  /** Gives a node's number back; nothing may link to it any more. */
  destroy(node: number): void {
    this.numTokens[node] = 0;
    this.left[node] = this.firstFree;
    this.firstFree = node;
  }

  has(node: number, flag: number): boolean {
    return (this.flags[node] & flag) !== 0;
  }

  mark(node: number, flag: number): void {
    this.flags[node] |= flag;
  }

  unmark(node: number, flag: number): void {
    this.flags[node] &= ~flag;
  }

  /** Number of leading tokens that a node shares with `tokens[start, start + limit)`. */
  countShared(node: number, tokens: Int32Array, start: number, limit: number): number {
    const mine = this.tokens;
    const base = node * this.blockSize;
    const end = Math.min(limit, this.numTokens[node]);
    let i = 0;
    while (i < end && mine[base + i] === tokens[start + i]) i++;
    return i;
  }

  /** A node's tokens, as a view that is right until the node goes. */
  getTokens(node: number): Int32Array {
    const base = node * this.blockSize;
    return this.tokens.subarray(base, base + this.numTokens[node]);
  }

  /** Every node but the root. */
  *nodes(): Iterable<number> {
    for (let node = 1; node < this.numUsed; node++) {
      if (this.numTokens[node] > 0) yield node;
    }
  }

  private takeFree(): number {
    const node = this.firstFree;
    if (node !== 0) {
      this.firstFree = this.left[node];
      return node;
    }
    assert(this.numUsed < this.capacity, `all ${this.capacity} nodes are taken`);
    return this.numUsed++;
  }
}
