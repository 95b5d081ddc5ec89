// One real cache and its oracle side by side, over a simulated memory in which every slot knows the
// whole prefix whose K/V were written to it; and what an engine does with a sequence.
import { strict as assert } from 'node:assert';
import {
  BlockAllocator,
  type BlockCopy,
  type BlockTable,
  PrefixCache,
} from '../../lib/kv/index.js';
import { CacheOracle, type OracleSequence, textOf } from './cache-oracle.js';
import { EventReplay } from './event-replay.js';

export interface Sequence {
  readonly table: BlockTable;
  readonly model: OracleSequence;
  readonly tokens: number[];
  /** Tokens whose K/V are written (or cached). */
  numWritten: number;
  copies: BlockCopy[];
}

export class CacheHarness {
  readonly cache: PrefixCache;
  readonly oracle: CacheOracle;
  readonly counts: Record<string, number> = {};
  protected readonly allocator: BlockAllocator;
  protected readonly replay = new EventReplay();
  protected readonly memory: (string | undefined)[];
  protected readonly usage = { queryTokens: 0, hitTokens: 0, copiedTokens: 0 };
  protected readonly blockSize = 8;
  protected sequences: Sequence[] = [];
  protected rawBlocks: number[] = [];
  protected nowMs = 0;
  protected numOperations = 0;

  constructor(
    numBlocks: number,
    protected readonly scanResistance: boolean,
  ) {
    const { blockSize } = this;
    this.allocator = new BlockAllocator({ numBlocks, blockSize });
    this.cache = new PrefixCache({
      allocator: this.allocator,
      clock: () => this.nowMs,
      maxGhosts: 20,
      scanResistance,
      onEvent: (event) => this.replay.add(event),
    });
    this.oracle = new CacheOracle(numBlocks, blockSize, this.cache.maxPinnedBlocks);
    this.memory = new Array(numBlocks * blockSize).fill(undefined);
  }

  /** Does what a step does: copies, then writes all tokens not written yet, then registers. */
  protected submit(sequence: Sequence, isCommitted: boolean): void {
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
      assert.equal(this.countTables(block), 1, `tables over block ${block}, which is written`);
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
  protected makeRoom(sequence: Sequence): boolean {
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

  protected makeWritable({ table, model, copies }: Sequence, position: number): boolean {
    const index = Math.floor(position / this.blockSize);
    const offset = position % this.blockSize;
    const shared = model.blocks[index];
    const isFree = this.oracle.countCachedTokens(shared) <= offset;
    const isOwn = this.countTables(shared) === 1 && isFree;
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

  protected countTables(block: number): number {
    return this.sequences.filter(({ model }) => model.blocks.includes(block)).length;
  }

  protected count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  protected take(block: number): void {
    this.oracle.take(block, this.scanResistance);
  }

  /** Copies run first in a step: all are read before any is written. */
  protected doCopies({ copies, model }: Sequence): void {
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
  protected checkReadable(sequence: Sequence): void {
    for (let position = 0; position < sequence.numWritten; position++) {
      const block = sequence.table.blocks[Math.floor(position / this.blockSize)];
      const content = this.memory[block * this.blockSize + (position % this.blockSize)];
      assert.equal(content, this.nameOf(sequence, position), `content at position ${position}`);
    }
  }

  protected nameOf({ model, tokens }: Sequence, position: number): string {
    return textOf(model.keys, tokens.slice(0, position + 1));
  }

  protected registerTail({ table, model, tokens, numWritten }: Sequence): void {
    this.cache.registerTail(table, Int32Array.from(tokens), numWritten);
    this.oracle.registerTail(model, tokens, numWritten);
    if (model.tailBlock === -1) this.oracle.setTail(model, table.tailBlock);
    assert.equal(table.tailBlock, model.tailBlock, 'block of the tail');
  }

  protected free(sequence: Sequence, choice: number): void {
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
  protected release(sequence: Sequence): void {
    const path = this.oracle.findPath(sequence.model);
    this.cache.free(sequence.table);
    this.oracle.limitIdleness(path, undefined);
    this.releaseModel(sequence);
  }

  protected releaseModel(sequence: Sequence): void {
    const { model } = sequence;
    for (const source of model.sources) this.oracle.release(source);
    for (const block of [...model.blocks].reverse()) this.oracle.release(block);
    this.sequences = this.sequences.filter((other) => other !== sequence);
  }

  protected pick(which: number): Sequence | undefined {
    return this.sequences[which % Math.max(1, this.sequences.length)];
  }

  /** Whether the partial hit can be had too; `undefined` when not even the rest can. */
  protected isPartialAffordable(places: number[], source: number | undefined, length: number) {
    const numIdle = places.filter((block) => this.oracle.isIdle(block)).length;
    const numAvailable = this.oracle.numAvailable - numIdle;
    const numFresh = Math.ceil(length / this.blockSize) - places.length;
    if (source !== undefined) {
      const numSources = this.oracle.isIdle(source) ? 1 : 0;
      if (Math.max(1, numFresh) + numSources <= numAvailable) return true;
    }
    return numFresh <= numAvailable ? false : undefined;
  }

  protected compare(): void {
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
    if (this.numOperations % 10 === 0) this.replay.check(this.cache, this.oracle);
  }

  /** Blocks taken without a table, as a table, so that every reference has an owner. */
  protected rawTable(): BlockTable[] {
    const blocks = Int32Array.from(this.rawBlocks);
    const keys = { first: { id: 0 }, later: { id: 0 } };
    return [{ blocks, numBlocks: blocks.length, keys } as unknown as BlockTable];
  }
}
