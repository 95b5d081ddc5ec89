import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { ChildIndex } from './child-index.js';
import { type BlockKeys, ExtraKeysRegistry } from './extra-keys.js';
import { NodeIndex } from './node-index.js';
import { NodeFlag, NodeStore, rootNode } from './node-store.js';
import { TokenHasher } from './token-hash.js';

/** A node to be: its tokens are `tokens[start, start + numTokens)`. */
export interface NewNode {
  readonly parent: number;
  readonly keysId: number;
  readonly hash: { readonly lo: number; readonly hi: number };
  readonly tokens: Int32Array;
  readonly start: number;
  readonly numTokens: number;
}

/**
 * The trie of nodes and the places (physical blocks) that hold them.
 *
 * Invariants: a node has at least one place, and so has its parent; a place belongs to one node. Who
 * takes a node's last place removes its children first.
 */
export class PrefixTrie {
  readonly store: NodeStore;
  readonly index: NodeIndex;
  readonly children: ChildIndex;
  readonly keys = new ExtraKeysRegistry();
  readonly hasher = new TokenHasher();
  /** Node that a block holds; 0: none. */
  readonly nodeOfBlock: Int32Array;
  /** Next place of the same node; 0: none. */
  private readonly nextPlace: Int32Array;
  /** Number of the registration that made a block a place; goes up with each. */
  readonly registeredAt: Float64Array;
  /** Number of the latest registration. */
  numRegistrations = 0;
  /** Slots without a token in places of nodes that are not full. */
  numSlotsBehindTails = 0;
  /** Goes up whenever a place goes: what a lookup found before may be gone. */
  epoch = 0;

  constructor(numBlocks: number, blockSize: number) {
    this.store = new NodeStore(numBlocks - 1, blockSize);
    this.index = new NodeIndex(this.store, this.hasher);
    this.children = new ChildIndex(this.store);
    this.nodeOfBlock = new Int32Array(numBlocks);
    this.nextPlace = new Int32Array(numBlocks);
    this.registeredAt = new Float64Array(numBlocks);
    // A random start: nobody outside can prepare prompts whose hashes collide.
    const seed = randomBytes(8);
    this.store.hashLo[rootNode] = seed.readInt32LE(0);
    this.store.hashHi[rootNode] = seed.readInt32LE(4);
  }

  get bytes(): number {
    const places = this.nodeOfBlock.byteLength + this.nextPlace.byteLength;
    return this.store.bytes + this.index.bytes + places + this.registeredAt.byteLength;
  }

  /** Puts the hash of a child to be of `parent` into `hasher`. */
  hashChild(parent: number, tokens: Int32Array, start: number, keys: BlockKeys): void {
    const { hashLo, hashHi, blockSize } = this.store;
    this.hasher.startAt(hashLo[parent], hashHi[parent]);
    this.hasher.mixBlock(tokens, start, start + blockSize, keys);
  }

  /** Makes a node whose only place is `block`. */
  addNode({ parent, keysId, hash, tokens, start, numTokens }: NewNode, block: number): number {
    const node = this.store.create(parent, tokens, start, numTokens);
    this.store.keysId[node] = keysId;
    this.store.hashLo[node] = hash.lo;
    this.store.hashHi[node] = hash.hi;
    this.keys.retainId(keysId);
    this.children.insert(node);
    if (!this.store.has(node, NodeFlag.tail)) this.index.insert(node);
    this.addPlace(node, block);
    return node;
  }

  /** Adds a place behind those that a node has. */
  addPlace(node: number, block: number): void {
    this.nodeOfBlock[block] = node;
    this.nextPlace[block] = 0;
    this.numSlotsBehindTails += this.numSlotsBehind(node);
    this.numRegistrations++;
    this.registeredAt[block] = this.numRegistrations;
    const first = this.store.firstPlace[node];
    if (first === 0) {
      this.store.firstPlace[node] = block;
      return;
    }
    let last = first;
    while (this.nextPlace[last] !== 0) last = this.nextPlace[last];
    this.nextPlace[last] = block;
  }

  /** Takes a place from its node, which may be left without any. */
  removePlace(block: number): void {
    const node = this.nodeOfBlock[block];
    const next = this.nextPlace[block];
    this.nodeOfBlock[block] = rootNode;
    this.numSlotsBehindTails -= this.numSlotsBehind(node);
    this.nextPlace[block] = 0;
    this.epoch++;
    if (this.store.firstPlace[node] === block) {
      this.store.firstPlace[node] = next;
      return;
    }
    let before = this.store.firstPlace[node];
    while (this.nextPlace[before] !== block) before = this.nextPlace[before];
    this.nextPlace[before] = next;
  }

  /** Removes a node that has neither places nor children. */
  removeNode(node: number): void {
    if (!this.store.has(node, NodeFlag.tail)) this.index.remove(node);
    this.children.remove(node);
    this.keys.releaseId(this.store.keysId[node]);
    this.store.destroy(node);
  }

  hasOtherPlace(block: number): boolean {
    return this.nextPlace[block] !== 0 || this.store.firstPlace[this.nodeOfBlock[block]] !== block;
  }

  /** Whether a block has held the same node since registration number `stamp` or before. */
  isPlaceSince(block: number, stamp: number): boolean {
    return this.nodeOfBlock[block] !== rootNode && this.registeredAt[block] <= stamp;
  }

  /** The full node that a block holds; the root when it holds a tail or nothing. */
  getFullNode(block: number): number {
    const node = this.nodeOfBlock[block];
    return this.store.has(node, NodeFlag.tail) ? rootNode : node;
  }

  /** The place of the same node behind one of its places; 0 behind the last. */
  getNextPlace(block: number): number {
    return this.nextPlace[block];
  }

  /** A node's places, first to last. */
  *places(node: number): Iterable<number> {
    for (let at = this.store.firstPlace[node]; at !== 0; at = this.nextPlace[at]) yield at;
  }

  /** @param numTableUsersOfKeys how many tables use which extra keys; unchecked when left out */
  checkInvariants(numTableUsersOfKeys?: ReadonlyMap<number, number>): void {
    this.index.checkInvariants();
    this.children.checkInvariants();
    const numUsersOfKeys = new Map(numTableUsersOfKeys);
    let numPlaces = 0;
    let numSlotsBehindTails = 0;
    for (const node of this.store.nodes()) {
      const { parent, firstPlace, keysId } = this.store;
      assert(firstPlace[node] !== 0, `node ${node} has no place`);
      const isUnderPlaced = parent[node] === rootNode || firstPlace[parent[node]] !== 0;
      assert(isUnderPlaced, `node ${node} has a place but its parent ${parent[node]} has none`);
      for (const block of this.places(node)) {
        assert.equal(this.nodeOfBlock[block], node, `node of block ${block}`);
        numPlaces++;
        numSlotsBehindTails += this.numSlotsBehind(node);
      }
      numUsersOfKeys.set(keysId[node], (numUsersOfKeys.get(keysId[node]) ?? 0) + 1);
    }
    const numOwned = this.nodeOfBlock.reduce((sum, node) => sum + (node === rootNode ? 0 : 1), 0);
    assert.equal(numPlaces, numOwned, 'blocks that are places');
    assert.equal(this.numSlotsBehindTails, numSlotsBehindTails, 'slots behind tails');
    if (numTableUsersOfKeys !== undefined) this.keys.checkInvariants(numUsersOfKeys);
  }

  private numSlotsBehind(node: number): number {
    return this.store.blockSize - this.store.numTokens[node];
  }
}
