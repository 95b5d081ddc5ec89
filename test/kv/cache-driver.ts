// Random operations on a cache harness: each does to the oracle what it does to the cache, and
// compares what both say.
import { strict as assert } from 'node:assert';
import type { ExtraKeys, Lease } from '../../lib/kv/index.js';
import { CacheHarness, type Sequence } from './cache-harness.js';

/** One operation: what, on which of the things there are, and how. */
export interface Operation {
  readonly kind: keyof typeof operations;
  readonly which: number;
  readonly length: number;
  readonly choice: number;
}

const keyChoices: (ExtraKeys | null)[] = [
  null,
  null,
  [['salt', 'ann']],
  [['salt', 'ben']],
  [['lora', 'a1']],
  [
    ['salt', 'ann'],
    ['lora', 'a1'],
  ],
];

interface Prompt {
  readonly keys: string;
  readonly tokens: number[];
  readonly maxKeepTokens: number;
}

export class CacheDriver extends CacheHarness {
  run(operation: Operation): void {
    this.numOperations++;
    this.nowMs += 1;
    this.oracle.nowMs = this.nowMs;
    operations[operation.kind](this, operation);
    this.count(operation.kind);
    this.compare();
  }

  /** Ends everything and checks that nothing is left over. */
  finish(): void {
    for (const sequence of [...this.sequences]) this.free(sequence, 0);
    this.cache.freeBlocks(Int32Array.from(this.rawBlocks));
    for (const id of [...this.oracle.pins.keys()]) this.cache.unpin(id);
    this.cache.checkInvariants([]);
    this.replay.check(this.cache, this.oracle);
    this.cache.invalidate({ all: true });
    assert.equal(this.allocator.numFree, this.allocator.numBlocks - 1, 'empty blocks at the end');
    this.replay.check(this.cache, this.oracle);
    assert.equal(this.replay.size, 0, 'blocks announced at the end');
  }

  start({ which, length, choice }: Operation): void {
    const tokens = makePrompt(which, length, choice);
    const extraKeys = keyChoices[choice % keyChoices.length];
    const keys = JSON.stringify([...(extraKeys ?? [])].sort());
    const maxKeepTokens = choice % 11 === 0 ? length >> 1 : Number.POSITIVE_INFINITY;
    const array = Int32Array.from(tokens);
    this.oracle.expire();
    const match = this.cache.matchPrompt(array, { extraKeys });
    const endsWithBlock = length % this.blockSize === 0;
    const expected = this.oracle.match(keys, tokens, endsWithBlock ? length : length - 1);
    assert.deepEqual([...match.fullBlocks], expected.places, 'places of full hits');
    assert.equal(match.partial?.numTokens ?? 0, expected.numShared, 'tokens of the partial hit');
    if (match.partial !== undefined) assert(expected.sources.includes(match.partial.block));

    const isPartial = this.isPartialAffordable(expected.places, match.partial?.block, length);
    const lease = this.cache.acquire(match, { numTokens: length, maxKeepTokens });
    if (isPartial === undefined) {
      this.count('leases refused');
      assert.equal(lease, undefined, 'a lease without enough blocks');
      return;
    }
    assert(lease !== undefined, 'no lease although there are enough blocks');
    assert.equal(lease.copy !== undefined, isPartial, 'a copy for the partial hit');
    const numFull = expected.places.length * this.blockSize;
    const numFound = numFull + (isPartial ? expected.numShared : 0);
    assert.equal(lease.numCachedTokens, Math.min(numFound, length - 1), 'cached tokens');
    this.count(isPartial ? 'partial hits' : 'leases without a partial hit');
    if (!isPartial && match.partial !== undefined) this.count('partial hits given up');
    this.usage.queryTokens += length;
    this.usage.hitTokens += lease.numCachedTokens;
    this.usage.copiedTokens += lease.numCopiedTokens;

    const sequence = this.admit(lease, expected.places, { keys, tokens, maxKeepTokens });
    sequence.numWritten = numFound;
    if (choice % 7 === 0) return; // planned, not submitted: later operations find it so
    this.submit(sequence, choice % 5 !== 0);
  }

  /** Tells the oracle of a lease, and makes a sequence of it. */
  private admit(lease: Lease, places: readonly number[], prompt: Prompt): Sequence {
    const { table, copy } = lease;
    for (const block of places) this.oracle.hold(block);
    if (copy !== undefined) this.oracle.hold(copy.source);
    const blocks = [...table.blocks.subarray(0, table.numBlocks)];
    for (const block of blocks.slice(places.length)) this.take(block);
    if (places.length > 0) this.oracle.markShared(places[places.length - 1]);
    if (copy !== undefined) this.oracle.markShared(copy.source);
    const model = {
      keys: prompt.keys,
      blocks,
      numShared: places.length,
      numRegistered: places.length,
      maxKeep: prompt.maxKeepTokens,
      tailBlock: 0,
      tailEntry: undefined,
      sources: copy === undefined ? [] : [copy.source],
    };
    const copies = copy === undefined ? [] : [copy];
    const sequence: Sequence = { table, model, tokens: prompt.tokens, numWritten: 0, copies };
    this.sequences.push(sequence);
    return sequence;
  }

  append({ which, length, choice }: Operation): void {
    const sequence = this.pick(which);
    if (sequence === undefined) return;
    const numNew = 1 + (length % 12);
    for (let i = 0; i < numNew; i++) sequence.tokens.push(5000 + (choice % 3) + i);
    this.submit(sequence, choice % 4 !== 0);
  }

  fork({ which, choice }: Operation): void {
    const sequence = this.pick(which);
    if (sequence === undefined) return;
    if (choice % 2 === 0) this.submit(sequence, true);
    if (!this.sequences.includes(sequence)) return;
    if (sequence.copies.length > 0) {
      assert.throws(() => this.cache.fork(sequence.table), { code: 'ERR_INVALID_ARGUMENT' });
      return;
    }
    const table = this.cache.fork(sequence.table);
    for (const block of sequence.model.blocks) this.oracle.hold(block);
    this.sequences.push({
      table,
      model: {
        ...sequence.model,
        blocks: [...sequence.model.blocks],
        numShared: sequence.model.blocks.length,
        tailBlock: 0,
        tailEntry: undefined,
        sources: [],
      },
      tokens: [...sequence.tokens],
      numWritten: sequence.numWritten,
      copies: [],
    });
  }

  freeOne({ which, choice }: Operation): void {
    const sequence = this.pick(which);
    if (sequence !== undefined) this.free(sequence, choice);
  }

  pinOne({ which, choice, length }: Operation): void {
    const sequence = this.pick(which);
    if (sequence === undefined) return;
    this.oracle.expire();
    const isTailKnown = choice % 2 === 0 && sequence.numWritten === sequence.tokens.length;
    if (isTailKnown && sequence.copies.length === 0) this.registerTail(sequence);
    const path = this.oracle.findPath(sequence.model);
    const tag = ['doc', 'other', undefined][choice % 3];
    const ttlMs = choice % 4 === 0 ? undefined : 5 + length + this.numOperations * 1e-5;
    if (!this.oracle.canPin(path)) {
      assert.throws(() => this.cache.pin(sequence.table), { code: 'ERR_PIN_BUDGET' });
      return;
    }
    const pin = this.cache.pin(sequence.table, { tag, ttlMs });
    assert.equal(pin.numBlocks, path.length, 'blocks of the pin');
    this.oracle.pin(pin.id, { blocks: path, tag, expiresAtMs: pin.expiresAtMs });
  }

  unpinOne({ which }: Operation): void {
    const ids = [...this.oracle.pins.keys()].filter((id) => id > 0);
    if (ids.length === 0) return;
    const id = ids[which % ids.length];
    assert(this.cache.unpin(id), 'a pin that is held');
    assert(!this.cache.unpin(id), 'a pin that was let go');
    this.oracle.unpin(id);
  }

  expire({ length }: Operation): void {
    this.nowMs += length;
    this.oracle.nowMs = this.nowMs;
    this.cache.expire();
    this.oracle.expire();
  }

  invalidate({ choice, which }: Operation): void {
    if (choice % 6 === 0) {
      this.cache.invalidate({ all: true });
      this.oracle.invalidateWhere(() => true);
    } else if (choice % 2 === 0) {
      const salt = ['ann', 'ben', 'nobody'][which % 3];
      this.cache.invalidate({ salt });
      this.oracle.invalidateWhere((text) => text.includes(`["salt","${salt}"]`));
    } else {
      const tag = ['doc', 'other', 'none'][which % 3];
      this.cache.invalidate({ tag });
      this.oracle.invalidateTag(tag);
    }
    this.oracle.removeVoidPins();
  }

  /** A step of a sequence failed: it and those built on it are dropped, then aborted. */
  drop({ which, choice }: Operation): void {
    const sequence = this.pick(which);
    if (sequence === undefined) return;
    const { table, model } = sequence;
    const isAll = choice % 2 === 0;
    const from = isAll
      ? table.numSharedBlocks
      : Math.max(table.numSharedBlocks, table.numCommittedBlocks);
    const lost = new Set(model.blocks.slice(from, model.numRegistered));
    const tables = this.sequences.map((other) => other.table);
    const affected = isAll
      ? this.cache.dropRegistered(table, tables)
      : this.cache.dropUncommitted(table, tables);
    this.oracle.drop(model, from);
    for (const other of this.sequences) {
      if (other === sequence) continue;
      const isBuiltOn = other.model.blocks.slice(0, other.model.numShared).some((b) => lost.has(b));
      const isAffected = affected.includes(other.table);
      assert(isAffected || !isBuiltOn, 'a table over dropped blocks is not reported');
    }
    const toAbort = affected.map((table) => this.sequences.find((other) => other.table === table)!);
    for (const other of toAbort) this.oracle.drop(other.model, other.model.numShared);
    this.oracle.removeVoidPins();
    for (const other of [sequence, ...toAbort]) this.release(other);
  }

  allocateRaw({ length, choice }: Operation): void {
    if (this.rawBlocks.length > 0 && choice % 3 !== 0) {
      this.cache.freeBlocks(Int32Array.from(this.rawBlocks));
      for (const block of this.rawBlocks.reverse()) this.oracle.release(block);
      this.rawBlocks = [];
      return;
    }
    const count = 1 + (length % 8);
    const blocks = this.cache.tryAllocate(count);
    assert.equal(blocks === undefined, count > this.oracle.numAvailable, 'all or nothing');
    for (const block of blocks ?? []) this.take(block);
    this.rawBlocks.push(...(blocks ?? []));
  }

  /** Looks up and explains without changing anything. */
  probe({ which, length, choice }: Operation): void {
    this.oracle.expire();
    const tokens = makePrompt(which, length, choice);
    const extraKeys = keyChoices[choice % keyChoices.length];
    const keys = JSON.stringify([...(extraKeys ?? [])].sort());
    const maxTokens = choice % (length + 1);
    const expected = this.oracle.match(keys, tokens, maxTokens);
    const match = this.cache.match(Int32Array.from(tokens), { extraKeys, maxTokens });
    const numFound = expected.places.length * this.blockSize + expected.numShared;
    assert.equal(match.numCachedTokens, numFound, 'cached tokens of a probe');
    const { cause, numCachedTokens } = this.cache.explain(Int32Array.from(tokens), { extraKeys });
    assert.equal(cause === undefined, numCachedTokens === length, 'a cause for each miss');
  }
}

const operations = {
  start: (driver: CacheDriver, operation: Operation) => driver.start(operation),
  append: (driver: CacheDriver, operation: Operation) => driver.append(operation),
  fork: (driver: CacheDriver, operation: Operation) => driver.fork(operation),
  free: (driver: CacheDriver, operation: Operation) => driver.freeOne(operation),
  pin: (driver: CacheDriver, operation: Operation) => driver.pinOne(operation),
  unpin: (driver: CacheDriver, operation: Operation) => driver.unpinOne(operation),
  expire: (driver: CacheDriver, operation: Operation) => driver.expire(operation),
  invalidate: (driver: CacheDriver, operation: Operation) => driver.invalidate(operation),
  drop: (driver: CacheDriver, operation: Operation) => driver.drop(operation),
  allocate: (driver: CacheDriver, operation: Operation) => driver.allocateRaw(operation),
  probe: (driver: CacheDriver, operation: Operation) => driver.probe(operation),
};

/** A prompt of one of a few families; two of a family agree up to a point inside a block or between. */
function makePrompt(which: number, length: number, choice: number): number[] {
  const family = which % 3;
  const divergence = (which * 7 + choice) % 60;
  const variant = 1 + (choice % 2);
  return Array.from({ length }, (_, i) => family * 100 + i + (i < divergence ? 0 : variant * 1000));
}
