// The slow, obvious version of how the prefix cache (without scan resistance) keeps blocks: strings
// for prefixes, arrays for queues, linear searches everywhere. It is told which block the real cache
// took and fails when that is not the one that it must take.
import { strict as assert } from 'node:assert';

/** A cached prefix: `text` is the canonical keys and all tokens from position 0. */
export interface Entry {
  readonly text: string;
  readonly parent: string;
  readonly tokens: readonly number[];
  readonly isTail: boolean;
  places: number[];
  idleLimitMs: number;
  isShared: boolean;
}

export class OracleBlocks {
  readonly entries = new Map<string, Entry>();
  readonly empty = new Set<number>();
  readonly removals: Record<string, number> = {
    evicted: 0,
    expired: 0,
    invalidated: 0,
    dropped: 0,
    discarded: 0,
    superseded: 0,
  };
  readonly refs: number[];
  nowMs = 0;
  protected readonly holder: (Entry | undefined)[];
  protected tails: number[] = [];
  protected fulls: number[] = [];
  protected readonly deadlines = new Map<number, number>();

  constructor(
    numBlocks: number,
    readonly blockSize: number,
  ) {
    this.refs = new Array(numBlocks).fill(0);
    this.holder = new Array(numBlocks).fill(undefined);
    for (let block = 1; block < numBlocks; block++) this.empty.add(block);
  }

  get numIdle(): number {
    return this.tails.length + this.fulls.length;
  }

  get numAvailable(): number {
    return this.empty.size + this.numIdle;
  }

  isIdle(block: number): boolean {
    return this.refs[block] === 0 && !this.empty.has(block);
  }

  /**
   * The real cache took `block` as a fresh one.
   *
   * @param isOrderFree whether full blocks may go in another order than LRU; even then tails go
   *   first, and a block after those that follow it
   */
  take(block: number, isOrderFree = false): void {
    if (this.empty.size === 0) {
      const isTailDue = this.tails.length > 0;
      const victim = isOrderFree && !isTailDue ? block : (this.tails[0] ?? this.fulls[0]);
      assert(this.isIdle(victim), `block ${victim} is evicted, but it is held`);
      const entry = this.holder[victim]!;
      const isCut = entry.places.length === 1 && this.childrenOf(entry.text).length > 0;
      assert(!isCut, `${entry.text} is evicted before what follows it`);
      this.removePlace(victim, 'evicted');
    }
    assert(this.empty.delete(block), `block ${block} was taken, but it is not empty`);
    this.refs[block] = 1;
  }

  hold(block: number): void {
    assert(!this.empty.has(block), `block ${block} is held, but it is empty`);
    this.leaveQueues(block);
    this.refs[block]++;
  }

  release(block: number): void {
    this.refs[block]--;
    assert(this.refs[block] >= 0, `block ${block} is released once too often`);
    if (this.refs[block] > 0) return;
    const entry = this.holder[block];
    if (entry === undefined) {
      this.empty.add(block);
      return;
    }
    const twin = entry.places.find((place) => place !== block);
    if (twin !== undefined) {
      const spare = this.isIdle(twin) ? twin : block;
      this.detach(spare, 'superseded');
      if (spare === block) return;
    }
    (entry.isTail ? this.tails : this.fulls).push(block);
    const limitMs = entry.idleLimitMs || Number.POSITIVE_INFINITY;
    this.deadlines.set(block, this.nowMs + limitMs);
  }

  isHolding(block: number): boolean {
    return this.holder[block] !== undefined;
  }

  /** Leading tokens of a block that the cache may give to others. */
  countCachedTokens(block: number): number {
    return this.holder[block]?.tokens.length ?? 0;
  }

  markShared(block: number): void {
    for (let entry = this.holder[block]; entry !== undefined; ) {
      entry.isShared = true;
      entry = this.entries.get(entry.parent);
    }
  }

  protected childrenOf(text: string): Entry[] {
    return [...this.entries.values()].filter((entry) => entry.parent === text);
  }

  protected isFull(block: number): boolean {
    return this.holder[block]?.isTail === false;
  }

  protected removePlace(block: number, reason: string): void {
    const entry = this.holder[block]!;
    if (entry.places.length > 1) this.detach(block, reason);
    else this.removeSubtree(entry, reason);
  }

  protected removeSubtree(entry: Entry, reason: string): void {
    for (const child of this.childrenOf(entry.text)) this.removeSubtree(child, reason);
    for (const block of [...entry.places]) this.detach(block, reason);
    this.entries.delete(entry.text);
  }

  protected detach(block: number, reason: string): void {
    this.removals[reason]++;
    const entry = this.holder[block]!;
    entry.places = entry.places.filter((place) => place !== block);
    this.holder[block] = undefined;
    if (this.refs[block] > 0) return;
    this.leaveQueues(block);
    this.empty.add(block);
  }

  protected leaveQueues(block: number): void {
    this.tails = this.tails.filter((at) => at !== block);
    this.fulls = this.fulls.filter((at) => at !== block);
    this.deadlines.delete(block);
  }
}
