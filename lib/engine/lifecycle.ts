import { EngineError } from '../errors.js';
import type { BlockTable, PrefixCache } from '../kv/index.js';
import type { Backlog } from './backlog.js';
import type { Executor, StepOutcome } from './executor.js';
import { failureOf } from './failure.js';
import type { MaskDesk } from './mask-desk.js';
import type { FinishedEvent, TokensEvent } from './messages.js';
import type { Outbox } from './outbox.js';
import type { PrefixHandles } from './prefix-handles.js';
import { type Kept, PrefixKeeper } from './prefix-keeper.js';
import type { SaltQuotas } from './salt-quota.js';
import { logprobsOf, slotParamsOf } from './sampling.js';
import type { Scheduler } from './scheduler.js';
import { Request, type RequestOptions, Sequence } from './sequence.js';
import type { PlannedChunk } from './step-plan.js';
import type { TraceRecorder } from './trace.js';
import { rankOf } from './waiting-queue.js';

export interface LifecycleOptions {
  readonly cache: PrefixCache;
  readonly scheduler: Scheduler;
  readonly executor: Executor;
  readonly handles: PrefixHandles;
  readonly outbox: Outbox;
  readonly clock: () => number;
  readonly trace: TraceRecorder | undefined;
  readonly masks: MaskDesk;
  readonly quotas: SaltQuotas;
  readonly backlog: Backlog;
  readonly priorityAgeingMs: number;
}

/**
 * What becomes of requests: they are opened, grow by a token per step and sample, and end well,
 * aborted or failed.
 *
 * Invariants: a request is open while one of its sequences is; a sequence that has ended holds
 * nothing, though a step in flight may still run a row of it.
 */
export class Lifecycle {
  readonly requests = new Map<number, Request>();
  readonly #cache: PrefixCache;
  readonly #scheduler: Scheduler;
  readonly #executor: Executor;
  readonly #keeper: PrefixKeeper;
  readonly #outbox: Outbox;
  readonly #clock: () => number;
  readonly #trace: TraceRecorder | undefined;
  readonly #masks: MaskDesk;
  readonly #quotas: SaltQuotas;
  readonly #backlog: Backlog;
  readonly #priorityAgeingMs: number;
  #numArrivals = 0;

  constructor(options: LifecycleOptions) {
    this.#cache = options.cache;
    this.#scheduler = options.scheduler;
    this.#executor = options.executor;
    this.#keeper = new PrefixKeeper(options);
    this.#outbox = options.outbox;
    this.#clock = options.clock;
    this.#trace = options.trace;
    this.#masks = options.masks;
    this.#quotas = options.quotas;
    this.#backlog = options.backlog;
    this.#priorityAgeingMs = options.priorityAgeingMs;
  }

  /** Queues a checked request; `parent` is the sequence that it was split from. */
  open(options: RequestOptions, parent?: Sequence): void {
    const request = this.#openRequest(options);
    const sequence = new Sequence(request, 0, options.promptTokens);
    request.sequences.add(sequence);
    sequence.masks = this.#masks.follow(options, parent);
    this.#trace?.opened(sequence);
    this.#scheduler.waiting.add(sequence);
  }

  /** When the next request is overdue, on the engine's clock; Infinity: never. */
  get nextDeadlineMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { deadlineMs } of this.requests.values()) nextMs = Math.min(nextMs, deadlineMs);
    return nextMs;
  }

  /** Ends requests whose time is over. */
  failOverdue(): void {
    const nowMs = this.#clock();
    for (const request of this.requests.values()) {
      if (request.deadlineMs > nowMs) continue;
      const message = `request ${request.id} had not ended after ${request.options.timeoutMs} ms`;
      this.fail(request, new EngineError('ERR_TIMEOUT', message));
    }
  }

  /** Ends requests whose grammar does not compile, or leaves no token that could follow. */
  failBroken(): void {
    for (const request of this.requests.values()) {
      if (request.options.grammar === undefined) continue;
      const error = [...request.sequences].find(({ masks }) => masks?.error)?.masks?.error;
      if (error !== undefined) this.fail(request, error);
    }
  }

  /**
   * Opens a request over the blocks of a running sequence; without a free row of its salt's, or while
   * that one's prompt is not done, it waits like any other and finds them in the cache.
   */
  openFork(options: RequestOptions, parent: Sequence): void {
    const canShare = parent.table !== undefined && parent.isDecoding && parent.numOutputTokens > 0;
    const { running, numFreeRows } = this.#scheduler;
    if (!canShare || numFreeRows === 0 || this.#quotas.count(running)?.isFull(options, 1)) {
      this.open(options, parent);
      return;
    }
    const request = this.#openRequest(options);
    const sequence = new Sequence(request, 0, options.promptTokens);
    request.sequences.add(sequence);
    sequence.masks = this.#masks.follow(options, parent);
    this.#trace?.opened(sequence);
    sequence.numComputed = parent.numComputed;
    sequence.numSubmitted = parent.numComputed;
    sequence.meter.addCached(parent.numComputed, 0);
    this.#scheduler.start(sequence, this.#cache.fork(parent.table as BlockTable));
    this.setSlots(sequence);
  }

  /** Sets the sampling slots of a sequence that got its rows. */
  setSlots(sequence: Sequence): void {
    sequence.rows.forEach((row, i) => {
      this.#executor.setSamplingSlot(row, slotParamsOf(sequence, sequence.sample + i));
    });
  }

  /** Takes what a step drew for one sequence, which may have been preempted since. */
  grow(chunk: PlannedChunk, outcome: StepOutcome, nowMs: number): void {
    const { sequence, table, firstLogitRow: row, drawRows } = chunk;
    for (let i = 0; i < drawRows.length; i++) {
      if (outcome.nonFinite[row + i] === 0) continue;
      this.#failNonFinite(sequence.request, table);
      return;
    }
    const { n } = sequence.request.options;
    if (n === 1 || !sequence.startsSiblings) {
      this.#accept(sequence, outcome, row, nowMs);
      return;
    }
    this.#startSiblings(sequence, n).forEach((sample, i) => {
      this.#accept(sample, outcome, row + i, nowMs);
    });
  }

  /** Ends all samples of a request; `abort` is their reason. */
  abort(request: Request): void {
    const { n } = request.options;
    const notStarted = [...request.sequences].some((sequence) => sequence.startsSiblings);
    for (const sequence of [...request.sequences]) this.#end(sequence, 'abort');
    for (let sample = 1; notStarted && sample < n; sample++) {
      const sequence = new Sequence(request, sample, request.options.promptTokens);
      this.#emitFinished(sequence, 'abort', {});
    }
  }

  /** Ends a request that cannot go on; the blocks that its completed steps filled stay cached. */
  fail(request: Request, error: unknown): void {
    this.#fail(request, error, 'blocks');
  }

  #fail(request: Request, error: unknown, keeps: Kept): void {
    const { code } = failureOf(request.id, error);
    for (const sequence of [...request.sequences]) {
      this.#trace?.ended(sequence, code);
      this.#release(sequence, keeps);
    }
    this.requests.delete(request.id);
    this.#outbox.add(failureOf(request.id, error));
  }

  /** Drops what steps that have not completed would have filled of a table, also when it was freed since. */
  dropUncommitted(table: BlockTable): void {
    this.#restartAll(this.#cache.dropUncommitted(table, this.#runningTables));
  }

  /** Ends a request with non-finite logits: all that it cached is dropped. */
  #failNonFinite(request: Request, preempted: BlockTable): void {
    const tables = new Set([preempted]);
    for (const { table } of request.sequences) if (table !== undefined) tables.add(table);
    for (const table of tables) {
      this.#restartAll(this.#cache.dropRegistered(table, this.#runningTables));
    }
    const message = `the model gave NaN or infinite logits for request ${request.id}`;
    this.#fail(request, new EngineError('ERR_NON_FINITE_LOGITS', message), 'nothing');
  }

  /** Sequences that hit what was dropped start again. */
  #restartAll(tables: readonly BlockTable[]): void {
    const affected = new Set(tables);
    for (const sequence of [...this.#scheduler.running]) {
      if (affected.has(sequence.table as BlockTable)) this.#scheduler.restart(sequence);
    }
  }

  get #runningTables(): BlockTable[] {
    return this.#scheduler.running.map(({ table }) => table as BlockTable);
  }

  #openRequest(options: RequestOptions): Request {
    const nowMs = this.#clock();
    const rank = rankOf(options.priority, nowMs, this.#priorityAgeingMs);
    const request = new Request(options, this.#numArrivals++, nowMs, rank);
    this.requests.set(request.id, request);
    return request;
  }

  /** The prompt is done: its other samples share all of its blocks from here on. */
  #startSiblings(first: Sequence, n: number): Sequence[] {
    const rows = first.rows.slice(1);
    first.rows = first.rows.slice(0, 1);
    const samples = [first];
    for (let sample = 1; sample < n; sample++) {
      const sibling = new Sequence(first.request, sample, first.tokens.view());
      first.request.sequences.add(sibling);
      sibling.masks = first.masks?.fork();
      this.#trace?.opened(sibling);
      sibling.numComputed = first.numComputed;
      sibling.numSubmitted = first.numComputed;
      sibling.sharedLen = first.sharedLen;
      sibling.meter.firstStepMs = first.meter.firstStepMs;
      const table = this.#cache.fork(first.table as BlockTable);
      this.#scheduler.start(sibling, table, rows[sample - 1]);
      samples.push(sibling);
    }
    return samples;
  }

  #accept(sequence: Sequence, outcome: StepOutcome, row: number, nowMs: number): void {
    const { id, maxTokens, stopTokenIds, wantDigests, sampling } = sequence.request.options;
    const token = outcome.samples[row];
    sequence.tokens.push(token);
    sequence.meter.addOutput(nowMs);
    if (stopTokenIds.has(token)) {
      this.#end(sequence, 'stop', token);
      return;
    }
    const { sample } = sequence;
    sequence.masks?.accept(token);
    const event: TokensEvent = { type: 'tokens', id, sample, tokenIds: [token] };
    if (sampling.logprobs !== undefined) event.logprobs = [logprobsOf(outcome, row, sampling)];
    if (wantDigests && outcome.digests !== undefined) event.digests = [outcome.digests[row]];
    this.#outbox.add(event);
    if (sequence.numOutputTokens >= maxTokens) this.#end(sequence, 'length');
    else if (sequence.table !== undefined) this.#noteAccepted(sequence, sequence.table);
  }

  /** What the step in flight writes for an accepted token can be hit; a sequence past `minTokens` may stop. */
  #noteAccepted(sequence: Sequence, table: BlockTable): void {
    const { numSubmitted, numTokens, numOutputTokens, rows, sample } = sequence;
    const numKnown = Math.min(numSubmitted, numTokens);
    this.#cache.registerSubmitted(table, sequence.tokens.memory, numKnown);
    if (numOutputTokens !== sequence.request.options.minTokens) return;
    this.#executor.setSamplingSlot(rows[0], slotParamsOf(sequence, sample));
  }

  #end(sequence: Sequence, reason: FinishedEvent['reason'], stopTokenId?: number): void {
    this.#trace?.ended(sequence, reason);
    const handle = reason === 'abort' ? undefined : this.#keeper.keepPrefix(sequence);
    if (reason !== 'abort') this.#backlog.observe(sequence.numOutputTokens);
    this.#release(sequence);
    this.#emitFinished(sequence, reason, { stopTokenId, handle });
    const { request } = sequence;
    if (request.sequences.size === 0) this.requests.delete(request.id);
  }

  #emitFinished(
    { request, sample, meter }: Sequence,
    reason: FinishedEvent['reason'],
    { stopTokenId, handle }: { stopTokenId?: number; handle?: number },
  ): void {
    this.#outbox.add({
      type: 'finished',
      id: request.id,
      sample,
      reason,
      ...(stopTokenId === undefined ? {} : { stopTokenId }),
      usage: meter.usage(this.#clock()),
      ...(handle === undefined ? {} : { handle }),
    });
  }

  /** Gives a sequence's blocks back to the cache, and takes it from where it stands. */
  #release(sequence: Sequence, keeps: Kept = 'tail'): void {
    sequence.request.sequences.delete(sequence);
    sequence.masks?.close();
    if (sequence.table === undefined) {
      this.#scheduler.waiting.remove(sequence);
      sequence.state = 'ended';
      return;
    }
    this.#keeper.giveBack(sequence, this.#scheduler.stop(sequence, 'ended'), keeps);
  }
}
