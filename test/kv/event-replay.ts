// Rebuilds what is cached from events alone, and compares it with the snapshot and the oracle.
import { strict as assert } from 'node:assert';
import type { KvEvent, PrefixCache } from '../../lib/kv/index.js';
import type { CacheOracle } from './cache-oracle.js';

export class EventReplay {
  private readonly replayed = new Map<string, string>();
  private lastSequenceNumber = 0;

  get size(): number {
    return this.replayed.size;
  }

  /** What replaying the events gives is what the snapshot says, and is cached. */
  check(cache: PrefixCache, oracle: CacheOracle): void {
    cache.flushEvents();
    const { stored, sequence } = cache.snapshot();
    assert.equal(sequence, this.lastSequenceNumber, 'number of the snapshot');
    const known = new Map<string, string>();
    for (const event of stored) addStored(known, event);
    assert.deepEqual(sorted(known), sorted(this.replayed), 'snapshot and replay');
    const cached = new Set([...oracle.entries.values()].map((entry) => entry.tokens.join(',')));
    for (const tokens of known.values()) assert(cached.has(tokens), `${tokens} is announced only`);
  }

  add(event: KvEvent): void {
    assert.equal(event.sequence, this.lastSequenceNumber + 1, 'number of the event');
    this.lastSequenceNumber = event.sequence;
    if (event.type === 'cleared') this.replayed.clear();
    else if (event.type === 'stored') addStored(this.replayed, event);
    else {
      for (const digest of event.digests) {
        assert(this.replayed.delete(hex(digest)), 'an unknown block is removed');
      }
    }
  }
}

function addStored(known: Map<string, string>, event: KvEvent): void {
  assert.equal(event.type, 'stored');
  if (event.type !== 'stored') return;
  const { digests, parentDigest, tokens, blockSize } = event;
  if (parentDigest !== null) assert(known.has(hex(parentDigest)), 'a block before its parent');
  digests.forEach((digest, i) => {
    const text = tokens.subarray(i * blockSize, (i + 1) * blockSize).join(',');
    known.set(hex(digest), text);
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function sorted(map: ReadonlyMap<string, string>): string[] {
  return [...map].map(([digest, tokens]) => `${digest} ${tokens}`).sort();
}
