import { strict as assert } from 'node:assert';
import type { RemovalReason } from './cache-types.js';

/** Removals that are remembered; a superseded tail lives on in what replaced it. */
export type GhostReason = Exclude<RemovalReason, 'superseded'>;

const reasons: readonly GhostReason[] = [
  'evicted',
  'expired',
  'invalidated',
  'dropped',
  'discarded',
];

/** What is remembered of a node whose bytes are gone. */
export interface Ghost {
  readonly reason: GhostReason;
  readonly removedAtMs: number;
  /** It was among what had been hit when it was removed. */
  readonly wasProtected: boolean;
}

/**
 * Remembers the full nodes that were removed last: the hash of the prefix, when and why.
 *
 * A ghost has no tokens to compare, so two prefixes can be confused once in 2^64; it therefore only
 * explains misses and advises admission, and never makes a hit.
 *
 * A ring of `maxGhosts` entries, the oldest overwritten, with a hash table over it.
 */
export class Ghosts {
  private readonly hashLo: Int32Array;
  private readonly hashHi: Int32Array;
  private readonly removedAtMs: Float64Array;
  /** Index of the reason plus one, and {@link protectedBit}; 0: empty. */
  private readonly state: Uint8Array;
  /** Next entry of the same bucket plus one; 0: none. */
  private readonly bucketNext: Int32Array;
  private readonly buckets: Int32Array;
  private readonly mask: number;
  private cursor = 0;
  private numGhosts = 0;

  constructor(readonly maxGhosts: number) {
    this.hashLo = new Int32Array(maxGhosts);
    this.hashHi = new Int32Array(maxGhosts);
    this.removedAtMs = new Float64Array(maxGhosts);
    this.state = new Uint8Array(maxGhosts);
    this.bucketNext = new Int32Array(maxGhosts);
    const numBuckets = 2 ** Math.ceil(Math.log2(Math.max(1, maxGhosts)));
    this.buckets = new Int32Array(numBuckets);
    this.mask = numBuckets - 1;
  }

  get size(): number {
    return this.numGhosts;
  }

  get bytes(): number {
    return this.maxGhosts * (4 + 4 + 8 + 1 + 4) + this.buckets.byteLength;
  }

  add(lo: number, hi: number, ghost: Ghost): void {
    if (this.maxGhosts === 0) return;
    this.remove(lo, hi);
    const entry = this.cursor;
    this.cursor = (entry + 1) % this.maxGhosts;
    if (this.state[entry] !== 0) this.remove(this.hashLo[entry], this.hashHi[entry]);
    this.hashLo[entry] = lo;
    this.hashHi[entry] = hi;
    this.removedAtMs[entry] = ghost.removedAtMs;
    const reason = reasons.indexOf(ghost.reason) + 1;
    this.state[entry] = ghost.wasProtected ? reason | protectedBit : reason;
    this.bucketNext[entry] = this.buckets[lo & this.mask];
    this.buckets[lo & this.mask] = entry + 1;
    this.numGhosts++;
  }

  find(lo: number, hi: number): Ghost | undefined {
    const entry = this.findEntry(lo, hi);
    if (entry === undefined) return undefined;
    return {
      reason: reasons[(this.state[entry] & ~protectedBit) - 1],
      removedAtMs: this.removedAtMs[entry],
      wasProtected: (this.state[entry] & protectedBit) !== 0,
    };
  }

  /** Forgets a ghost, if there is one. */
  remove(lo: number, hi: number): void {
    const entry = this.findEntry(lo, hi);
    if (entry === undefined) return;
    const next = this.bucketNext[entry];
    let at = this.buckets[lo & this.mask];
    if (at === entry + 1) {
      this.buckets[lo & this.mask] = next;
    } else {
      while (this.bucketNext[at - 1] !== entry + 1) at = this.bucketNext[at - 1];
      this.bucketNext[at - 1] = next;
    }
    this.state[entry] = 0;
    this.numGhosts--;
  }

  checkInvariants(): void {
    let numLinked = 0;
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      for (let at = this.buckets[bucket]; at !== 0; at = this.bucketNext[at - 1]) {
        assert.equal(this.hashLo[at - 1] & this.mask, bucket, `bucket of ghost ${at - 1}`);
        assert(this.state[at - 1] !== 0, `ghost ${at - 1} is empty but linked`);
        numLinked++;
        assert(numLinked <= this.maxGhosts, 'a ghost bucket runs in a circle');
      }
    }
    assert.equal(numLinked, this.numGhosts, 'linked ghosts');
    assert(this.numGhosts <= this.maxGhosts, `${this.numGhosts} ghosts; ${this.maxGhosts} allowed`);
  }

  private findEntry(lo: number, hi: number): number | undefined {
    let at = this.buckets[lo & this.mask];
    while (at !== 0) {
      if (this.hashLo[at - 1] === lo && this.hashHi[at - 1] === hi) return at - 1;
      at = this.bucketNext[at - 1];
    }
    return undefined;
  }
}

const protectedBit = 0x80;
