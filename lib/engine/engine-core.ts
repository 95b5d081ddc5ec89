import { strict as assert } from 'node:assert';
import { EngineError, InvalidArgumentError } from '../errors.js';
import {
  BlockAllocator,
  type BlockMap,
  type BlockMapRange,
  type BlockTable,
  type BlockUser,
  type Explanation,
  type InvalidateTarget,
  type Pin,
  PrefixCache,
} from '../kv/index.js';
import { Admission } from './admission.js';
import { Backlog } from './backlog.js';
import { StepCostModel } from './cost-model.js';
import {
  type EngineCoreOptions,
  type EngineStats,
  fillOptions,
  type PrefixTarget,
} from './engine-options.js';
import { failureOf } from './failure.js';
import { checkInvariants } from './invariants.js';
import { Lifecycle } from './lifecycle.js';
import { MaskDesk } from './mask-desk.js';
import type { ForkMessage, StepOutput, SubmitMessage } from './messages.js';
import { Outbox } from './outbox.js';
import { PrefixHandles } from './prefix-handles.js';
import { SaltQuotas } from './salt-quota.js';
import { Scheduler } from './scheduler.js';
import type { Sequence } from './sequence.js';
import { StepLoop } from './step-loop.js';
import { TraceRecorder } from './trace.js';
import type { ChromeTrace } from './trace-ring.js';
import { checkFork, checkRequest, extraKeysOf, saltOf } from './validation.js';

/**
 * The engine: turns requests into steps and steps into tokens.
 *
 * Spoken to by plain data only (messages in, events out), so that it can live in a Worker. What is
 * wrong with a message comes back as a `failed` event; nothing that it takes is left behind.
 *
 * @see docs/architecture.md
 */
export class EngineCore {
  readonly #options: EngineCoreOptions;
  readonly #cache: PrefixCache;
  readonly #scheduler: Scheduler;
  readonly #handles: PrefixHandles;
  readonly #lifecycle: Lifecycle;
  readonly #loop: StepLoop;
  readonly #outbox = new Outbox();
  readonly #maxSeqs: number;
  readonly #quotas: SaltQuotas;
  readonly #admission: Admission;
  readonly #trace: TraceRecorder | undefined;
  #closing: Promise<void> | undefined;

  /** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for an option outside its range */
  constructor(options: EngineCoreOptions) {
    const { executor, kv, maxQueue, maxQueuePerSalt } = options;
    const filled = fillOptions(options);
    const { clock, maxSeqs, maxTokensPerStep, maxStepMs, maxTraceEvents } = filled;
    this.#options = options;
    this.#maxSeqs = maxSeqs;
    if (maxTraceEvents > 0) this.#trace = new TraceRecorder({ maxEvents: maxTraceEvents, clock });
    const trace = this.#trace;
    const allocator = new BlockAllocator(kv);
    this.#cache = new PrefixCache({ ...kv, allocator, clock });
    const costs = new StepCostModel();
    const quotas = new SaltQuotas(options.maxSeqsPerSalt, maxSeqs);
    this.#quotas = quotas;
    this.#scheduler = new Scheduler({
      ...filled,
      cache: this.#cache,
      costs,
      quotas,
      onStart: (sequence) => this.#lifecycle.setSlots(sequence),
      trace,
    });
    this.#handles = new PrefixHandles(this.#cache, clock);
    const floor = { executor, clock, cache: this.#cache, scheduler: this.#scheduler, trace };
    const outbox = this.#outbox;
    const masks = new MaskDesk(options.masks, () => this.#loop.wake());
    const backlog = new Backlog({ costs, maxTokensPerStep, maxStepMs });
    const scheduler = this.#scheduler;
    const room = { scheduler, backlog, quotas, maxSeqs, maxQueue, maxQueuePerSalt };
    this.#admission = new Admission(room);
    const handles = this.#handles;
    const desk = { outbox, handles, masks, quotas, backlog };
    this.#lifecycle = new Lifecycle({ ...floor, ...desk, ...filled });
    this.#loop = new StepLoop({
      ...floor,
      outbox,
      costs,
      lifecycle: this.#lifecycle,
      maxInFlight: filled.overlapSteps ? 2 : 1,
    });
  }

  /** Calls `listener` with what happened, after each step and before the next one is planned. */
  onStep(listener: (output: StepOutput) => void): void {
    this.#outbox.addListener(listener);
  }

  /** Queues a request. */
  submit(message: SubmitMessage): void {
    this.#refusing(message.id, () => {
      this.#handles.expire();
      const handle =
        message.continueFrom === undefined ? undefined : this.#handles.get(message.continueFrom);
      const options = checkRequest(message, handle, this.#requestLimits);
      this.#checkId(message.id);
      this.#admission.check(saltOf(options.extraKeys));
      this.#lifecycle.open(options);
      this.#loop.wake();
    });
  }

  /** Splits a running sample: the new request has all of its tokens so far and shares the blocks that hold them. */
  fork(message: ForkMessage): void {
    this.#refusing(message.id, () => {
      this.#checkId(message.id);
      this.#fork(message);
      this.#loop.wake();
    });
  }

  /** Ends a request; its blocks are free before the next step is planned. An id that has ended is ignored. */
  abort(id: number): void {
    const request = this.#lifecycle.requests.get(id);
    if (request === undefined) return;
    this.#lifecycle.abort(request);
    this.#loop.wake();
  }

  /** Lets go of a prefix handle; false when it is gone already. */
  releaseHandle(handle: number): boolean {
    return this.#handles.release(handle);
  }

  /**
   * Holds what is cached of a prompt against eviction.
   *
   * @throws {EngineError} `ERR_PIN_BUDGET`, `ERR_CLOSED`
   */
  pin({ tokens, salt, ...options }: PrefixTarget & { tag?: string; ttlMs?: number }): Pin {
    this.#requireOpen();
    return this.#cache.pin(this.#cache.match(tokens, { extraKeys: extraKeysOf(salt) }), options);
  }

  /** False when the pin is gone already. */
  unpin(id: number): boolean {
    return this.#cache.unpin(id);
  }

  /** Makes cached tokens unhittable at once; gives the number of dropped blocks. */
  invalidate(target: InvalidateTarget): number {
    return this.#cache.invalidate(target);
  }

  /** Says why a prompt is not, or not fully, cached. */
  explain({ tokens, salt }: PrefixTarget): Explanation {
    return this.#cache.explain(tokens, { extraKeys: extraKeysOf(salt) });
  }

  /** Requests, steps and cache as they are now. */
  stats(): EngineStats {
    this.#handles.expire();
    this.#cache.expire();
    return {
      numRunning: this.#scheduler.running.length,
      numWaiting: this.#scheduler.waiting.length,
      numSteps: this.#loop.numSteps,
      numStepsAhead: this.#loop.numStepsAhead,
      numPreemptions: this.#scheduler.numPreemptions,
      numCoalesced: this.#scheduler.numCoalesced,
      numHeldBack: this.#quotas.numHeldBack,
      numRefused: this.#admission.numRefused,
      numHandles: this.#handles.size,
      ...this.#loop.counters,
      cache: this.#cache.stats(this.#blockUsers),
    };
  }

  /**
   * What each block of a stretch of the pool holds, and who holds it: for tools. A snapshot between two steps;
   * stretches asked for one after the other may differ in time.
   *
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for a range that is none
   */
  blockMap(range?: BlockMapRange): BlockMap {
    return this.#cache.blockMap(this.#blockUsers, range);
  }

  /**
   * What the engine did, as spans: its newest `maxTraceEvents` events, and requests that are open.
   *
   * @throws {EngineError} `ERR_TRACE_OFF` when `maxTraceEvents` is 0
   */
  trace(): ChromeTrace {
    if (this.#trace !== undefined) return this.#trace.toChromeTrace();
    throw new EngineError('ERR_TRACE_OFF', 'maxTraceEvents is 0: nothing was recorded', {
      hint: 'Load with maxTraceEvents: 100_000.',
    });
  }

  /**
   * Takes no more requests; ends when those there are done (`drain`) or aborted, and the executor is
   * closed. A second call waits for the first; `abort` hurries a drain.
   */
  close(mode: 'drain' | 'abort' = 'drain'): Promise<void> {
    this.#closing ??= this.#close();
    if (mode === 'abort') {
      for (const id of [...this.#lifecycle.requests.keys()]) this.abort(id);
    }
    return this.#closing;
  }

  /** Asserts that each block, row and count is accounted for, whatever is in flight. */
  checkInvariants(): void {
    checkInvariants({
      cache: this.#cache,
      scheduler: this.#scheduler,
      requests: this.#lifecycle.requests.values(),
      maxSeqs: this.#maxSeqs,
      quotas: this.#quotas,
    });
    this.#loop.checkInvariants();
  }

  get #requestLimits() {
    const { numBlocks, blockSize } = this.#options.kv;
    const { model } = this.#options;
    const hasGrammars = this.#options.masks !== undefined;
    const numUsableBlocks = numBlocks - 1;
    const maxSeqs = this.#quotas.maxSeqsPerSalt;
    return { model, blockSize, numUsableBlocks, maxSeqs, hasGrammars };
  }

  get #blockUsers(): BlockUser[] {
    return this.#scheduler.running.map(({ table, numComputed }) => {
      return { table: table as BlockTable, numTokens: numComputed };
    });
  }

  /** Turns what `act` throws into a `failed` event; a broken invariant is thrown on. */
  #refusing(id: number, act: () => void): void {
    try {
      this.#requireOpen();
      act();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#outbox.add(failureOf(id, error));
    }
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new EngineError('ERR_CLOSED', 'the engine is closed');
    if (this.#loop.lost !== undefined) throw this.#loop.lost;
  }

  #checkId(id: number): void {
    if (!this.#lifecycle.requests.has(id)) return;
    throw new InvalidArgumentError('id', id, 'an id that no open request has');
  }

  #fork(message: ForkMessage): void {
    const { id, from, sample = 0 } = message;
    const parent = this.#findSequence(from, sample);
    if (parent === undefined) {
      const text = `sample ${sample} of request ${from} is not open`;
      throw new EngineError('ERR_REQUEST_NOT_FOUND', text);
    }
    const { options } = parent.request;
    this.#admission.check(saltOf(options.extraKeys));
    const sofar = { options, tokens: parent.tokens.view() };
    const { numOutputTokens } = parent;
    this.#lifecycle.openFork(checkFork(message, sofar, this.#requestLimits), parent);
    this.#outbox.add({ type: 'forked', id, numOutputTokens });
  }

  #findSequence(id: number, sample: number): Sequence | undefined {
    const request = this.#lifecycle.requests.get(id);
    return [...(request?.sequences ?? [])].find((sequence) => sequence.sample === sample);
  }

  async #close(): Promise<void> {
    while (!this.#loop.isIdle) {
      await new Promise<void>((resolve) => {
        this.#loop.onIdle(resolve);
      });
    }
    this.#handles.releaseAll();
    await this.#options.executor.close();
    assert.equal(this.#scheduler.running.length, 0, 'sequences that run after close');
  }
}
