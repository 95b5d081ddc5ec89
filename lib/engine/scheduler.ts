import { strict as assert } from 'node:assert';
import { OutOfBlocksError } from '../errors.js';
import type { BlockTable, Lease, PrefixCache, PrefixMatch } from '../kv/index.js';
import { countReservedBlocks } from './block-reserve.js';
import { findProducer, isStillWaiting } from './coalescing.js';
import type { StepCostModel } from './cost-model.js';
import { PromptRoom, sharePrompts } from './prompt-shares.js';
import type { SaltQuotas } from './salt-quota.js';
import type { Sequence } from './sequence.js';
import { StepBudget } from './step-budget.js';
import type { StepPlan } from './step-plan.js';
import type { TraceRecorder } from './trace.js';
import { findVictim } from './victim.js';
import { compareOrder, WaitingQueue } from './waiting-queue.js';

export interface SchedulerOptions {
  readonly cache: PrefixCache;
  readonly costs: StepCostModel;
  readonly maxSeqs: number;
  readonly quotas: SaltQuotas;
  readonly maxTokensPerStep: number;
  readonly maxChunkTokens: number;
  readonly maxStepMs: number;
  readonly maxPrefillStepMs: number;
  /** Blocks that stay free for each running sequence when another one starts. */
  readonly admissionReserve: number;
  /** A sequence got rows and blocks: its sampling slots are set before the step. */
  readonly onStart: (sequence: Sequence) => void;
  readonly trace: TraceRecorder | undefined;
}

/** A sequence that can never run as things stand. */
export interface Hopeless {
  readonly sequence: Sequence;
  readonly error: OutOfBlocksError;
}

/** Waiting sequences that others may pass in one plan: each of them is looked up in the cache. */
const maxPassed = 16;

/**
 * Decides who runs in a step and holds the blocks and rows for it.
 *
 * Invariants: `running` holds each sequence with a block table once, `waiting` each without that has not
 * ended; each table row belongs to one running sequence or is free.
 */
export class Scheduler {
  readonly running: Sequence[] = [];
  readonly waiting = new WaitingQueue();
  readonly #options: SchedulerOptions;
  readonly #cache: PrefixCache;
  readonly #freeRows: number[];
  numPreemptions = 0;
  /** Sequences that waited for another to compute what both need. */
  numCoalesced = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#cache = options.cache;
    this.#freeRows = Array.from({ length: options.maxSeqs }, (_, i) => options.maxSeqs - 1 - i);
  }

  get numFreeRows(): number {
    return this.#freeRows.length;
  }

  /**
   * Fills `plan`: sequences that decode, then shares of the prompts that are being prefilled or may start.
   *
   * @param isAhead a step is in flight: when it is done there may be more room
   * @returns the step's budget after it, and the sequence that would wait forever, if there is one
   */
  plan(plan: StepPlan, isAhead: boolean): { budget: StepBudget; hopeless: Hopeless | undefined } {
    const { costs, maxStepMs, maxPrefillStepMs, maxTokensPerStep, maxChunkTokens } = this.#options;
    const decodes = this.running.some(({ numOutputTokens }) => numOutputTokens > 0);
    const budget = new StepBudget({
      costs,
      maxMs: decodes ? maxStepMs : maxPrefillStepMs,
      maxTokens: maxTokensPerStep,
      maxChunkTokens,
    });
    this.#planDecoding(plan, budget);
    const prompts = this.running.filter(
      (sequence) => sequence.numRowsToDraw > 1 && canRun(sequence),
    );
    const blocked = this.#startWaiting(prompts.sort(compareOrder), budget);
    this.#planPrompts(prompts, plan, budget);
    const isStuck = blocked !== undefined && plan.isEmpty && this.running.length === 0 && !isAhead;
    const hopeless = isStuck ? { sequence: blocked, error: this.#outOfBlocks(blocked) } : undefined;
    return { budget, hopeless };
  }

  /** Starts a sequence that has its blocks already: a sample of a finished prompt, or a fork. */
  start(sequence: Sequence, table: BlockTable, row = this.#freeRows.pop()): void {
    assert(row !== undefined, 'a sequence starts without a free row');
    sequence.table = table;
    sequence.rows = [row];
    sequence.state = 'running';
    this.running.push(sequence);
  }

  /** Takes a running sequence's rows and its table away; the caller frees the table. */
  stop(sequence: Sequence, state: 'waiting' | 'ended'): BlockTable {
    const table = sequence.table as BlockTable;
    this.running.splice(this.running.indexOf(sequence), 1);
    this.#freeRows.push(...sequence.rows);
    sequence.rows = [];
    sequence.table = undefined;
    sequence.pendingCopies = [];
    sequence.waitsFor = undefined;
    sequence.state = state;
    return table;
  }

  /** Queues a running sequence again, to compute everything anew: its blocks are not to be trusted. */
  restart(sequence: Sequence): void {
    const table = this.stop(sequence, 'waiting');
    for (const chunk of sequence.inFlight.splice(0)) chunk.isVoid = true;
    this.#cache.free(table, { keep: 'off' });
    this.#requeue(sequence);
  }

  /**
   * Takes a running sequence's blocks for another one and queues it again. What its chunk in flight draws
   * still counts: later steps write those blocks later.
   */
  #preempt(sequence: Sequence): void {
    const { maxIdleMs } = sequence.request.options;
    const tail = { tokens: sequence.tokens.memory, numTokens: this.#numValid(sequence) };
    const table = this.stop(sequence, 'waiting');
    this.#cache.free(table, { tail, maxIdleMs });
    sequence.meter.preemptions++;
    this.numPreemptions++;
    this.#options.trace?.preempted(sequence);
    this.#requeue(sequence);
  }

  #requeue(sequence: Sequence): void {
    sequence.numComputed = 0;
    sequence.numSubmitted = 0;
    sequence.sharedLen = 0;
    sequence.isResumed = true;
    this.waiting.add(sequence);
  }

  #planDecoding(plan: StepPlan, budget: StepBudget): void {
    for (const sequence of this.running.filter(({ numRowsToDraw }) => numRowsToDraw === 1)) {
      if (sequence.state !== 'running' || !canRun(sequence)) continue;
      const { numSubmitted } = sequence;
      if (budget.tokensFor(numSubmitted, 1) === 0) continue;
      if (!this.#reserve(sequence, numSubmitted + 1, plan, budget)) continue;
      budget.take(numSubmitted, numSubmitted + 1);
      plan.add(sequence, 1);
    }
  }

  #planPrompts(prompts: Sequence[], plan: StepPlan, budget: StepBudget): void {
    for (const [sequence, { start, end }] of sharePrompts(prompts, budget)) {
      if (start === end) continue;
      const isRunning = sequence.state === 'running';
      if (isRunning && this.#reserve(sequence, end, plan, budget)) plan.add(sequence, end - start);
      else budget.giveBack(start, end);
    }
  }

  /** Makes the blocks of a sequence's next rows its own, preempting others; false when it was preempted itself. */
  #reserve(sequence: Sequence, end: number, plan: StepPlan, budget: StepBudget): boolean {
    while (!this.#tryReserve(sequence, end)) {
      const victim = findVictim(this.running, sequence, this.#cache.allocator);
      const planned = plan.remove(victim);
      if (planned !== undefined) budget.giveBack(planned.start, planned.end);
      this.#preempt(victim);
      if (victim === sequence) return false;
    }
    return true;
  }

  #tryReserve(sequence: Sequence, end: number): boolean {
    const table = sequence.table as BlockTable;
    const { blockSize } = this.#cache.allocator;
    const start = Math.max(sequence.numSubmitted, sequence.sharedLen);
    try {
      const coveredEnd = Math.min(end, table.numBlocks * blockSize);
      for (let position = start; position < coveredEnd; ) {
        const copy = this.#cache.ensureWritable(table, position);
        if (copy !== undefined) sequence.pendingCopies.push(copy);
        position = (Math.floor(position / blockSize) + 1) * blockSize;
      }
      return this.#cache.tryGrow(table, end);
    } catch (error) {
      if (error instanceof OutOfBlocksError) return false;
      throw error;
    }
  }

  /** Known tokens whose K/V a sequence's blocks hold or will: copies that were planned did not happen. */
  #numValid({ pendingCopies, numSubmitted, numTokens }: Sequence): number {
    const { blockSize } = this.#cache.allocator;
    if (pendingCopies.length === 0) return Math.min(numSubmitted, numTokens);
    return Math.floor(numSubmitted / blockSize) * blockSize;
  }

  /** Starts waiting sequences while there is room, and adds them to `prompts`; gives the one that blocks came short for. */
  #startWaiting(prompts: Sequence[], budget: StepBudget): Sequence | undefined {
    if (this.waiting.length === 0) return undefined;
    const room = new PromptRoom(prompts, budget);
    let numPassed = 0;
    const saltRows = this.#options.quotas.count(this.running);
    for (const sequence of this.waiting.toArray()) {
      if (saltRows?.holdsBack(sequence)) continue;
      if (this.#freeRows.length < sequence.numRowsNeeded) return undefined;
      if (sequence.inFlight.length > 0 || isStillWaiting(sequence) || !sequence.isDrawable)
        continue;
      const match = this.#match(sequence);
      if (this.#coalesces(sequence, match.numCachedTokens)) continue;
      if (!room.has(match.numCachedTokens, sequence.numTokens - match.numCachedTokens)) {
        numPassed++;
        if (numPassed === maxPassed) return undefined;
        continue;
      }
      const lease = this.#acquire(sequence, match);
      if (lease === undefined) return sequence;
      this.#admit(sequence, lease);
      saltRows?.add(sequence);
      room.add(sequence.numSubmitted, sequence.numRowsToDraw);
      prompts.push(sequence);
    }
    return undefined;
  }

  #match(sequence: Sequence): PrefixMatch {
    const { usesCache, extraKeys } = sequence.request.options;
    const tokens = sequence.tokens.view();
    if (!usesCache) return this.#cache.match(tokens, { extraKeys, maxTokens: 0 });
    return this.#cache.matchPrompt(tokens, { extraKeys });
  }

  /** Notes whether a running sequence will compute more of this one than the cache has now. */
  #coalesces(sequence: Sequence, numCached: number): boolean {
    if (!sequence.request.options.usesCache) return false;
    const wasWaiting = sequence.waitsFor !== undefined;
    const { blockSize } = this.#cache.allocator;
    sequence.waitsFor = findProducer(sequence, numCached, this.running, blockSize);
    if (sequence.waitsFor !== undefined && !wasWaiting) {
      this.numCoalesced++;
      this.#options.trace?.coalesced(sequence, sequence.waitsFor.producer);
    }
    return sequence.waitsFor !== undefined;
  }

  /** Takes what was found, and blocks for all other tokens; `undefined` when there are too few. */
  #acquire(sequence: Sequence, match: PrefixMatch): Lease | undefined {
    const { usesCache, maxKeepTokens } = sequence.request.options;
    const { isResumed, numTokens, meter } = sequence;
    // Before blocks are taken, which may evict what the match names.
    if (usesCache && !isResumed) meter.missReason = this.#cache.explain(match).cause;
    const { admissionReserve } = this.#options;
    const { blockSize } = this.#cache.allocator;
    const numReservedBlocks = countReservedBlocks(
      sequence,
      this.running,
      admissionReserve,
      blockSize,
    );
    return this.#cache.acquire(match, { numTokens, numReservedBlocks, maxKeepTokens, isResumed });
  }

  #admit(sequence: Sequence, lease: Lease): void {
    this.waiting.remove(sequence);
    const { numRowsNeeded } = sequence;
    this.start(sequence, lease.table);
    const others = Array.from({ length: numRowsNeeded - 1 }, () => this.#freeRows.pop() as number);
    if (others.length > 0) sequence.rows = [...sequence.rows, ...others];
    sequence.numComputed = lease.numCachedTokens;
    sequence.numSubmitted = lease.numCachedTokens;
    sequence.sharedLen = lease.table.numSharedBlocks * this.#cache.allocator.blockSize;
    sequence.meter.addCached(lease.numCachedTokens, lease.numCopiedTokens);
    if (lease.copy !== undefined) sequence.pendingCopies.push(lease.copy);
    this.#options.onStart(sequence);
  }

  #outOfBlocks({ numTokens }: Sequence): OutOfBlocksError {
    const numNeeded = Math.ceil(numTokens / this.#cache.allocator.blockSize);
    return new OutOfBlocksError(numNeeded, this.#cache.numAvailableBlocks);
  }
}

/** Whether a running sequence has something to run that can be drawn from. */
function canRun(sequence: Sequence): boolean {
  return !sequence.isDrawingLast && sequence.isDrawable;
}
