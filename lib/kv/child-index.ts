import { strict as assert } from 'node:assert';
import { type NodeStore, rootNode } from './node-store.js';

/** What a walk among a node's children is looking for. */
export interface ChildQuery {
  readonly parent: number;
  readonly keysId: number;
  readonly tokens: Int32Array;
  readonly start: number;
  /** Leading tokens that count, at least 1. */
  readonly numTokens: number;
}

/**
 * The children of each node in order: by extra keys, then by tokens; a tail stands before what it
 * is the beginning of.
 *
 * One treap per parent, in the store's `childRoot`, `left` and `right`. In this order the child that
 * shares most tokens with a query is a neighbour of the query, and both neighbours lie on its search
 * path: so a partial hit is found exactly, in O(log children), however many prompts start alike.
 * Extra keys are part of the order, so a walk never meets another salt's children by tokens.
 *
 * @see Seidel and Aragon 1996, "Randomized search trees", sections 1 to 3
 */
export class ChildIndex {
  private splitLow = rootNode;
  private splitHigh = rootNode;

  constructor(private readonly store: NodeStore) {}

  insert(node: number): void {
    const parent = this.store.parent[node];
    this.store.left[node] = rootNode;
    this.store.right[node] = rootNode;
    this.store.childRoot[parent] = this.insertUnder(this.store.childRoot[parent], node);
  }

  remove(node: number): void {
    const { parent, childRoot, left, right } = this.store;
    const merged = this.merge(left[node], right[node]);
    let at = childRoot[parent[node]];
    if (at === node) {
      childRoot[parent[node]] = merged;
      return;
    }
    for (;;) {
      const side = this.isBefore(node, at) ? left : right;
      if (side[at] === node) {
        side[at] = merged;
        return;
      }
      at = side[at];
    }
  }

  /**
   * The child with the same extra keys that shares most leading tokens with the query.
   *
   * @returns the node and how many tokens it shares; `undefined` when none shares a token
   */
  findNearest(query: ChildQuery): { node: number; numShared: number } | undefined {
    let node = rootNode;
    let numShared = 0;
    this.walk(query, (at, shared) => {
      if (shared <= numShared) return;
      node = at;
      numShared = shared;
    });
    return node === rootNode ? undefined : { node, numShared };
  }

  /** The child that holds exactly the query's tokens. */
  findExact(query: ChildQuery): number | undefined {
    let exact = rootNode;
    const { numTokens } = this.store;
    this.walk(query, (at, shared) => {
      if (shared === query.numTokens && shared === numTokens[at]) exact = at;
    });
    return exact === rootNode ? undefined : exact;
  }

  /** A node's children in order. */
  *children(parent: number): Iterable<number> {
    const { childRoot, left, right } = this.store;
    const path: number[] = [];
    let at = childRoot[parent];
    while (at !== rootNode || path.length > 0) {
      for (; at !== rootNode; at = left[at]) path.push(at);
      const node = path.pop()!;
      at = right[node];
      yield node;
    }
  }

  checkInvariants(): void {
    let numLinked = 0;
    const parents = [rootNode, ...this.store.nodes()];
    for (const parent of parents) {
      let before: number | undefined;
      for (const node of this.children(parent)) {
        assert.equal(this.store.parent[node], parent, `parent of node ${node}`);
        if (before !== undefined) assert(this.isBefore(before, node), `${before} before ${node}`);
        before = node;
        numLinked++;
      }
    }
    assert.equal(numLinked, parents.length - 1, 'nodes that stand among their siblings');
  }

  /** Calls `visit` for each child with the query's keys on its search path. */
  private walk(query: ChildQuery, visit: (node: number, numShared: number) => void): void {
    const { childRoot, left, right, keysId, numTokens } = this.store;
    let at = childRoot[query.parent];
    while (at !== rootNode) {
      if (keysId[at] !== query.keysId) {
        at = keysId[at] < query.keysId ? right[at] : left[at];
        continue;
      }
      const shared = this.store.countShared(at, query.tokens, query.start, query.numTokens);
      visit(at, shared);
      if (shared === query.numTokens) {
        at = left[at];
        continue;
      }
      const isBeforeQuery =
        shared === numTokens[at] ||
        this.store.tokens[at * this.store.blockSize + shared] < query.tokens[query.start + shared];
      at = isBeforeQuery ? right[at] : left[at];
    }
  }

  private isBefore(a: number, b: number): boolean {
    const { keysId, numTokens, tokens, blockSize } = this.store;
    if (keysId[a] !== keysId[b]) return keysId[a] < keysId[b];
    const end = Math.min(numTokens[a], numTokens[b]);
    for (let i = 0; i < end; i++) {
      const difference = tokens[a * blockSize + i] - tokens[b * blockSize + i];
      if (difference !== 0) return difference < 0;
    }
    return numTokens[a] < numTokens[b];
  }

  private insertUnder(top: number, node: number): number {
    if (top === rootNode) return node;
    const { left, right } = this.store;
    if (priorityOf(node) > priorityOf(top)) {
      this.split(top, node);
      left[node] = this.splitLow;
      right[node] = this.splitHigh;
      return node;
    }
    const side = this.isBefore(node, top) ? left : right;
    side[top] = this.insertUnder(side[top], node);
    return top;
  }

  /** Parts the tree under `top` into what stands before `node` and what stands after. */
  private split(top: number, node: number): void {
    if (top === rootNode) {
      this.splitLow = rootNode;
      this.splitHigh = rootNode;
      return;
    }
    const { left, right } = this.store;
    if (this.isBefore(top, node)) {
      this.split(right[top], node);
      right[top] = this.splitLow;
      this.splitLow = top;
      return;
    }
    this.split(left[top], node);
    left[top] = this.splitHigh;
    this.splitHigh = top;
  }

  private merge(low: number, high: number): number {
    if (low === rootNode) return high;
    if (high === rootNode) return low;
    const { left, right } = this.store;
    if (priorityOf(low) > priorityOf(high)) {
      right[low] = this.merge(right[low], high);
      return low;
    }
    left[high] = this.merge(low, left[high]);
    return high;
  }
}

/** Scatters node numbers so that the treap's shape does not follow the order of arrival. */
function priorityOf(node: number): number {
  const mixed = Math.imul(node ^ 0x5bd1e995, 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b) >>> 0;
}
