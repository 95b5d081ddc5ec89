// Drives a real cache and its oracle through the same operations, as an engine would, over a
// simulated memory in which every slot knows the whole prefix whose K/V were written to it.
import { strict as assert } from 'node:assert';
import {
  BlockAllocator,
  type BlockCopy,
  type BlockTable,
  type ExtraKeys,
  type KvEvent,
  PrefixCache,
} from '../../lib/kv/index.js';
import { CacheOracle, type OracleSequence, textOf } from './cache-oracle.js';

interface Sequence {
  readonly table: BlockTable;
  readonly model: OracleSequence;
  readonly tokens: number[];
  /** Tokens whose K/V are written (or cached). */
  numWritten: number;
  copies: BlockCopy[];
}

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

export class CacheDriver {
  readonly cache: PrefixCache;
  readonly oracle: CacheOracle;
  readonly counts: Record<string, number> = {};
  private readonly allocator: BlockAllocator;
  private readonly memory: (string | undefined)[];
  private readonly replayed = new Map<string, string>();
  private readonly usage = { queryTokens: 0, hitTokens: 0, copiedTokens: 0 };
  private readonly blockSize = 8;
  private sequences: Sequence[] = [];
  private rawBlocks: number[] = [];
  private nowMs = 0;
  private numOperations = 0;
  private lastSequenceNumber = 0;

  constructor(
    numBlocks: number,
    private readonly scanResistance: boolean,
  ) {
    const { blockSize } = this;
    this.allocator = new BlockAllocator({ numBlocks, blockSize });
    this.cache = new PrefixCache({
      allocator: this.allocator,
      clock: () => this.nowMs,
      maxGhosts: 20,
      scanResistance,
      onEvent: (event) => this.replay(event),
    });
    this.oracle = new CacheOracle(numBlocks, blockSize, this.cache.maxPinnedBlocks);
    this.memory = new Array(numBlocks * blockSize).fill(undefined);
  }

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
    this.checkEvents();
    this.cache.invalidate({ all: true });
    assert.equal(this.allocator.numFree, this.allocator.numBlocks - 1, 'empty blocks at the end');
    this.checkEvents();
    assert.equal(this.replayed.size, 0, 'blocks announced at the end');
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

    for (const block of expected.places) this.oracle.hold(block);
    if (lease.copy !== undefined) this.oracle.hold(lease.copy.source);
    const blocks = [...lease.table.blocks.subarray(0, lease.table.numBlocks)];
    for (const block of blocks.slice(expected.places.length)) this.take(block);
    const numShared = expected.places.length;
    if (numShared > 0) this.oracle.markShared(expected.places[numShared - 1]);
    if (lease.copy !== undefined) this.oracle.markShared(lease.copy.source);
    const model = { keys, blocks, numShared, numRegistered: numShared, maxKeep: maxKeepTokens };
    const sequence: Sequence = {
      table: lease.table,
      model: {
        ...model,
        tailBlock: 0,
        tailEntry: undefined,
        sources: lease.copy ? [lease.copy.source] : [],
      },
      tokens,
      numWritten: numFound,
      copies: lease.copy === undefined ? [] : [lease.copy],
    };
    this.sequences.push(sequence);
    if (choice % 7 === 0) return; // planned, not submitted: later operations find it so
    this.submit(sequence, choice % 5 !== 0);
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

  /** Does what a step does: copies, then writes all tokens not written yet, then registers. */
  private submit(sequence: Sequence, isCommitted: boolean): void {
    const { table, model, tokens } = sequence;
    if (!this.makeRoom(sequence)) {
      this.release(sequence);
      return;
    }
    this.doCopies(sequence);
    this.checkReadable(sequence);
    for (let position = sequence.numWritten; position < tokens.length; position++) {
      const block = model.blocks[Math.floor(position / this.blockSize)];
      const offset = position % this.blockSize;
      assert.equal(this.oracle.refs[block], 1, `holders of block ${block}, which is written`);
      assert(
        this.oracle.countCachedTokens(block) <= offset,
        `cached tokens of ${block} are written`,
      );
      this.memory[block * this.blockSize + offset] = this.nameOf(sequence, position);
    }
    sequence.numWritten = Math.max(sequence.numWritten, tokens.length);
    this.checkReadable(sequence);
    this.cache.registerSubmitted(table, Int32Array.from(tokens), tokens.length);
    this.oracle.register(model, tokens, tokens.length);
    assert.equal(table.numRegisteredBlocks, model.numRegistered, 'registered blocks');
    if (isCommitted) this.cache.commit(table, tokens.length);
  }

  /** Grows the table and makes each block that will be written the sequence's own. */
  private makeRoom(sequence: Sequence): boolean {
    const { table, model, tokens } = sequence;
    const numBlocks = Math.ceil(tokens.length / this.blockSize);
    const canGrow = numBlocks - table.numBlocks <= this.oracle.numAvailable;
    assert.equal(this.cache.tryGrow(table, tokens.length), canGrow, 'growth');
    if (!canGrow) return false;
    for (let i = model.blocks.length; i < table.numBlocks; i++) {
      this.take(table.blocks[i]);
      model.blocks.push(table.blocks[i]);
    }
    for (let position = sequence.numWritten; position < tokens.length; ) {
      if (!this.makeWritable(sequence, position)) return false;
      position = (Math.floor(position / this.blockSize) + 1) * this.blockSize;
    }
    return true;
  }

  private makeWritable({ table, model, copies }: Sequence, position: number): boolean {
    const index = Math.floor(position / this.blockSize);
    const offset = position % this.blockSize;
    const shared = model.blocks[index];
    const isOwn = this.oracle.refs[shared] === 1 && this.oracle.countCachedTokens(shared) <= offset;
    if (!isOwn && this.oracle.numAvailable === 0) {
      const write = () => this.cache.ensureWritable(table, position);
      assert.throws(write, { code: 'ERR_OUT_OF_BLOCKS' });
      return false;
    }
    const copy = this.cache.ensureWritable(table, position);
    model.numShared = Math.min(model.numShared, index);
    if (isOwn) {
      assert.equal(copy, undefined, 'a copy of a block that is the sequence’s own');
      return true;
    }
    const destination = table.blocks[index];
    this.take(destination);
    model.blocks[index] = destination;
    model.numRegistered = Math.min(model.numRegistered, index);
    if (copy === undefined) {
      assert.equal(offset, 0, 'tokens that should have been copied');
      this.oracle.release(shared);
      return true;
    }
    this.count('copies on write');
    const { source, numTokens } = copy;
    assert.deepEqual([source, copy.destination, numTokens], [shared, destination, offset]);
    model.sources.push(source);
    copies.push(copy);
    return true;
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  private take(block: number): void {
    this.oracle.take(block, this.scanResistance);
  }

  /** Copies run first in a step: all are read before any is written. */
  private doCopies({ copies, model }: Sequence): void {
    const destinations = new Set(copies.map((copy) => copy.destination));
    for (const { source, destination, numTokens } of copies) {
      assert(!destinations.has(source), `block ${source} is source and destination in one step`);
      for (let i = 0; i < numTokens; i++) {
        const slot = source * this.blockSize + i;
        this.memory[destination * this.blockSize + i] = this.memory[slot];
      }
    }
    for (const copy of copies.splice(0)) this.cache.releaseCopySource(copy);
    for (const source of model.sources.splice(0)) this.oracle.release(source);
  }

  /** Every cached or written token is where the table says, computed from the same prefix and keys. */
  private checkReadable(sequence: Sequence): void {
    for (let position = 0; position < sequence.numWritten; position++) {
      const block = sequence.table.blocks[Math.floor(position / this.blockSize)];
      const content = this.memory[block * this.blockSize + (position % this.blockSize)];
      assert.equal(content, this.nameOf(sequence, position), `content at position ${position}`);
    }
  }

  private nameOf({ model, tokens }: Sequence, position: number): string {
    return textOf(model.keys, tokens.slice(0, position + 1));
  }

  private registerTail({ table, model, tokens, numWritten }: Sequence): void {
    this.cache.registerTail(table, Int32Array.from(tokens), numWritten);
    this.oracle.registerTail(model, tokens, numWritten);
    if (model.tailBlock === -1) this.oracle.setTail(model, table.tailBlock);
    assert.equal(table.tailBlock, model.tailBlock, 'block of the tail');
  }

  private free(sequence: Sequence, choice: number): void {
    const { table, model, tokens, numWritten } = sequence;
    const isWhole = numWritten === tokens.length && sequence.copies.length === 0;
    const hasTail = isWhole && choice % 2 === 0;
    const upTo = tokens.length >> 1;
    const keep = choice % 9 === 3 ? 'off' : choice % 9 === 5 ? { upTo } : 'auto';
    const maxKept = keep === 'off' ? 0 : keep === 'auto' ? Number.POSITIVE_INFINITY : upTo;
    const maxIdleMs = choice % 8 === 1 ? 15 : undefined;
    const retainMs = choice % 8 === 2 ? 25 + this.numOperations * 1e-5 : undefined;
    this.oracle.discard(model, maxKept);
    if (hasTail) this.oracle.registerTail(model, tokens, Math.min(tokens.length, maxKept));
    const tail = hasTail
      ? { tokens: Int32Array.from(tokens), numTokens: tokens.length }
      : undefined;
    const { isRetained } = this.cache.free(table, { tail, keep, maxIdleMs, retainMs });
    if (model.tailBlock === -1) this.oracle.setTail(model, table.tailBlock);
    const path = this.oracle.findPath(model);
    this.oracle.limitIdleness(path, maxIdleMs);
    const canRetain = retainMs !== undefined && this.oracle.canPin(path);
    assert.equal(isRetained, canRetain, 'retained');
    if (canRetain) {
      const pin = { blocks: path, tag: undefined, expiresAtMs: this.nowMs + retainMs };
      this.count('retained');
      this.oracle.pin(-this.numOperations, pin); // its number is the cache's secret
    }
    this.releaseModel(sequence);
    assert.throws(() => this.cache.free(table), { code: 'ERR_DOUBLE_FREE' });
  }

  /** An abort: nothing is registered, no wishes. */
  private release(sequence: Sequence): void {
    const path = this.oracle.findPath(sequence.model);
    this.cache.free(sequence.table);
    this.oracle.limitIdleness(path, undefined);
    this.releaseModel(sequence);
  }

  private releaseModel(sequence: Sequence): void {
    const { model } = sequence;
    for (const source of model.sources) this.oracle.release(source);
    for (const block of [...model.blocks].reverse()) this.oracle.release(block);
    this.sequences = this.sequences.filter((other) => other !== sequence);
  }

  private pick(which: number): Sequence | undefined {
    return this.sequences[which % Math.max(1, this.sequences.length)];
  }

  /** Whether the partial hit can be had too; `undefined` when not even the rest can. */
  private isPartialAffordable(places: number[], source: number | undefined, length: number) {
    const numIdle = places.filter((block) => this.oracle.isIdle(block)).length;
    const numAvailable = this.oracle.numAvailable - numIdle;
    const numFresh = Math.ceil(length / this.blockSize) - places.length;
    if (source !== undefined) {
      const numSources = this.oracle.isIdle(source) ? 1 : 0;
      if (Math.max(1, numFresh) + numSources <= numAvailable) return true;
    }
    return numFresh <= numAvailable ? false : undefined;
  }

  private compare(): void {
    const { oracle, cache, allocator } = this;
    cache.checkInvariants(this.sequences.map((sequence) => sequence.table).concat(this.rawTable()));
    for (let block = 1; block < allocator.numBlocks; block++) {
      assert.equal(allocator.getRefCount(block), oracle.refs[block], `references on ${block}`);
    }
    const stats = cache.stats();
    const numPinned = oracle.countPinnedOnly();
    const numLive = oracle.refs.filter((count) => count > 0).length - numPinned;
    const expected = { numFree: oracle.empty.size, numCachedIdle: oracle.numIdle };
    const removals = oracle.removals;
    const { usage } = this;
    assert.deepEqual(
      {
        numFree: stats.numFree,
        numCachedIdle: stats.numCachedIdle,
        numPinned: stats.numPinned,
        numLive: stats.numLive,
        removals: stats.removals,
        usage: {
          queryTokens: stats.queryTokens,
          hitTokens: stats.hitTokens,
          copiedTokens: stats.copiedTokens,
        },
      },
      { ...expected, numPinned, numLive, removals, usage },
    );
    assert(stats.numGhosts <= 20, 'bounded ghosts');
    if (this.numOperations % 10 === 0) this.checkEvents();
  }

  /** What replaying the events gives is what the snapshot says, and is cached. */
  private checkEvents(): void {
    this.cache.flushEvents();
    const { stored, sequence } = this.cache.snapshot();
    assert.equal(sequence, this.lastSequenceNumber, 'number of the snapshot');
    const known = new Map<string, string>();
    for (const event of stored) addStored(known, event);
    assert.deepEqual(sorted(known), sorted(this.replayed), 'snapshot and replay');
    const cached = new Set(
      [...this.oracle.entries.values()].map((entry) => entry.tokens.join(',')),
    );
    for (const tokens of known.values()) assert(cached.has(tokens), `${tokens} is announced only`);
  }

  private replay(event: KvEvent): void {
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

  /** Blocks taken without a table, as a table, so that every reference has an owner. */
  private rawTable(): BlockTable[] {
    const blocks = Int32Array.from(this.rawBlocks);
    const keys = { first: { id: 0 }, later: { id: 0 } };
    return [{ blocks, numBlocks: blocks.length, keys } as unknown as BlockTable];
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
