import { strict as assert } from 'node:assert';
import type { RemovalReason } from './cache-types.js';
import type { KvEvent, KvSnapshot, StoredEvent } from './events.js';
import { NodeDigests } from './node-digests.js';
import { NodeFlag, rootNode } from './node-store.js';
import type { PrefixTrie } from './prefix-trie.js';

/** Blocks hashed before the event loop gets its turn: well under 1 ms (`node bench/kv.mjs`). */
const blocksPerSlice = 256;

/**
 * Turns what happens to nodes into numbered events.
 *
 * A node whose step completed waits in a queue until its digest is computed: a slice of the queue per
 * turn of the event loop. A node that goes while it waits is never mentioned. Events are delivered
 * from the event loop, never from inside a change of the cache, so a listener may use the cache.
 *
 * Invariants: a node is announced after its parent and removed before it; `pending` nodes are exactly
 * those in the queue.
 */
export class EventLog {
  readonly digests: NodeDigests;
  private sequence = 0;
  private outbox: KvEvent[] = [];
  /** The last event of the outbox, while more blocks may join it. */
  private openRemoval:
    | { readonly reason: RemovalReason; readonly digests: Uint8Array[] }
    | undefined;
  /** Links of the queue of pending nodes, with the root as sentinel; allocated with a listener. */
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private turn: NodeJS.Immediate | undefined;

  constructor(
    private readonly trie: PrefixTrie,
    private readonly medium: string,
    private readonly onEvent: ((event: KvEvent) => void) | undefined,
  ) {
    this.digests = new NodeDigests(trie);
    const capacity = onEvent === undefined ? 1 : trie.store.capacity;
    this.next = new Int32Array(capacity);
    this.previous = new Int32Array(capacity);
  }

  get bytes(): number {
    return this.next.byteLength + this.previous.byteLength + this.digests.bytes;
  }

  /** A node's step completed; its ancestors' steps did before. */
  commit(node: number): void {
    if (this.isCommitted(node)) return;
    const { parent } = this.trie.store;
    if (!this.isCommitted(parent[node])) {
      const chain: number[] = [];
      for (let at = parent[node]; !this.isCommitted(at); at = parent[at]) chain.push(at);
      for (let at = chain.pop(); at !== undefined; at = chain.pop()) this.noteCommitted(at);
    }
    this.noteCommitted(node);
  }

  /** A node loses its last place; it is still whole. */
  remove(node: number, reason: RemovalReason): void {
    const { store } = this.trie;
    if (store.has(node, NodeFlag.pending)) this.dequeue(node);
    if (!store.has(node, NodeFlag.emitted)) return;
    const digest = this.digests.getDigest(node).slice();
    if (this.openRemoval?.reason === reason) {
      this.openRemoval.digests.push(digest);
      return;
    }
    const event = { type: 'removed' as const, ...this.nextBase(), digests: [digest], reason };
    this.emit(event);
    this.openRemoval = event;
  }

  /** All nodes are about to go: one event instead of one each. */
  clear(): void {
    if (this.onEvent === undefined) return;
    const { store } = this.trie;
    for (const node of store.nodes()) {
      if (store.has(node, NodeFlag.pending)) this.dequeue(node);
      store.unmark(node, NodeFlag.emitted);
    }
    this.emit({ type: 'cleared', ...this.nextBase() });
  }

  /** Hashes all that waits and delivers every event, now. */
  flush(): void {
    while (this.hashSlice()) {}
    this.deliver();
  }

  /**
   * What listeners know once they have all events so far. With a listener it names the nodes already
   * announced; without one it names all whose steps completed, and hashes them now.
   */
  snapshot(): KvSnapshot {
    const known = this.onEvent === undefined ? NodeFlag.committed : NodeFlag.emitted;
    this.openRemoval = undefined; // its number is part of the snapshot: it must not grow any more
    const stored: StoredEvent[] = [];
    const { store, children } = this.trie;
    const waiting = [rootNode];
    for (let parent = waiting.pop(); parent !== undefined; parent = waiting.pop()) {
      for (const first of children.children(parent)) {
        if (!store.has(first, known)) continue;
        const run = [first];
        for (let only = this.findOnlyChild(first, known); only !== undefined; ) {
          run.push(only);
          only = this.findOnlyChild(only, known);
        }
        stored.push(this.describe(run, this.sequence));
        waiting.push(run[run.length - 1]);
      }
    }
    return { sequence: this.sequence, stored };
  }

  checkInvariants(): void {
    const { store } = this.trie;
    let numPending = 0;
    for (const node of store.nodes()) {
      const parent = store.parent[node];
      if (store.has(node, NodeFlag.pending)) numPending++;
      if (!store.has(node, NodeFlag.emitted)) continue;
      assert(!store.has(node, NodeFlag.pending), `node ${node} is announced and pending`);
      const isParentKnown = parent === rootNode || store.has(parent, NodeFlag.emitted);
      assert(isParentKnown, `node ${node} is announced before its parent ${parent}`);
    }
    let numQueued = 0;
    for (let at = this.next[rootNode]; at !== rootNode; at = this.next[at]) {
      assert(store.has(at, NodeFlag.pending), `node ${at} is queued but not pending`);
      numQueued++;
    }
    assert.equal(numQueued, numPending, 'nodes that wait for their event');
  }

  private isCommitted(node: number): boolean {
    return node === rootNode || this.trie.store.has(node, NodeFlag.committed);
  }

  private noteCommitted(node: number): void {
    this.trie.store.mark(node, NodeFlag.committed);
    if (this.onEvent !== undefined) this.enqueue(node);
  }

  private findOnlyChild(parent: number, known: number): number | undefined {
    let only: number | undefined;
    for (const node of this.trie.children.children(parent)) {
      if (!this.trie.store.has(node, known)) continue;
      if (only !== undefined) return undefined;
      only = node;
    }
    return only;
  }

  private enqueue(node: number): void {
    const last = this.previous[rootNode];
    this.next[last] = node;
    this.previous[node] = last;
    this.next[node] = rootNode;
    this.previous[rootNode] = node;
    this.trie.store.mark(node, NodeFlag.pending);
    this.schedule();
  }

  private dequeue(node: number): void {
    this.next[this.previous[node]] = this.next[node];
    this.previous[this.next[node]] = this.previous[node];
    this.trie.store.unmark(node, NodeFlag.pending);
  }

  /** Announces up to `blocksPerSlice` pending nodes; false when none is left. */
  private hashSlice(): boolean {
    const { store } = this.trie;
    let run: number[] = [];
    for (let i = 0; i < blocksPerSlice; i++) {
      const node = this.next[rootNode];
      if (node === rootNode) break;
      if (run.length > 0 && store.parent[node] !== run[run.length - 1]) {
        this.emit(this.describe(run, this.nextBase().sequence));
        run = [];
      }
      this.dequeue(node);
      store.mark(node, NodeFlag.emitted);
      run.push(node);
    }
    if (run.length > 0) this.emit(this.describe(run, this.nextBase().sequence));
    return this.next[rootNode] !== rootNode;
  }

  /** The event that makes a run of nodes, each the child of the one before, known. */
  private describe(run: readonly number[], sequence: number): StoredEvent {
    const { store, keys } = this.trie;
    const { blockSize } = store;
    const parent = store.parent[run[0]];
    const tokens = new Int32Array(run.length * blockSize);
    for (let i = 0; i < run.length; i++) {
      const start = run[i] * blockSize;
      for (let j = 0; j < blockSize; j++) tokens[i * blockSize + j] = store.tokens[start + j];
    }
    return {
      type: 'stored',
      ...this.base(sequence),
      digests: this.digests.copyDigests(run),
      parentDigest: parent === rootNode ? null : this.digests.getDigest(parent).slice(),
      tokens,
      extraKeys: run.map((node) => keys.getKeys(store.keysId[node])),
      blockSize,
    };
  }

  private nextBase() {
    this.sequence++;
    return this.base(this.sequence);
  }

  private base(sequence: number) {
    return { sequence, group: 0 as const, medium: this.medium };
  }

  private emit(event: KvEvent): void {
    this.outbox.push(event);
    this.openRemoval = undefined;
    this.schedule();
  }

  private schedule(): void {
    this.turn ??= setImmediate(() => {
      this.turn = undefined;
      if (this.hashSlice()) this.schedule();
      this.deliver();
    });
  }

  /** A listener that throws keeps its event: what comes after it is delivered by the next turn. */
  private deliver(): void {
    while (this.outbox.length > 0) {
      const events = this.outbox;
      this.outbox = [];
      this.openRemoval = undefined;
      for (let i = 0; i < events.length; i++) {
        try {
          this.onEvent?.(events[i]);
        } catch (error) {
          this.outbox = [...events.slice(i + 1), ...this.outbox];
          this.schedule();
          throw error;
        }
      }
    }
  }
}
