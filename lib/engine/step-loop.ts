import { strict as assert } from 'node:assert';
import { EngineError } from '../errors.js';
import type { BlockTable, PrefixCache } from '../kv/index.js';
import type { StepCostModel, StepWork } from './cost-model.js';
import type { Executor, StepBatch, StepOutcome } from './executor.js';
import type { Lifecycle } from './lifecycle.js';
import type { Outbox } from './outbox.js';
import type { Scheduler } from './scheduler.js';
import { StepPlan } from './step-plan.js';
import { StepWriter } from './step-writer.js';
import type { TraceRecorder } from './trace.js';

export interface StepLoopOptions {
  readonly cache: PrefixCache;
  readonly scheduler: Scheduler;
  readonly executor: Executor;
  readonly lifecycle: Lifecycle;
  readonly costs: StepCostModel;
  readonly outbox: Outbox;
  readonly clock: () => number;
  readonly trace: TraceRecorder | undefined;
}

interface StepInFlight {
  readonly plan: StepPlan;
  readonly work: StepWork;
}

/**
 * Plans, submits and completes steps, one after the other, while there is anything to run.
 *
 * Between two steps come, in this order: results, then events, then deferred messages, then the
 * next plan. So an abort from an event's listener frees its blocks before the next step.
 */
export class StepLoop {
  readonly #options: StepLoopOptions;
  readonly #step: StepBatch;
  readonly #writer: StepWriter;
  readonly #deferred: Array<() => void> = [];
  #inFlight: StepInFlight | undefined;
  #isScheduled = false;
  readonly #idleListeners: Array<() => void> = [];
  numSteps = 0;
  /** Why no step will run any more; undefined while the device works. */
  lost: EngineError | undefined;
  /** As the executor counted them, over steps that did not fail. */
  readonly counters = { tokensComputed: 0, kvSlotsWritten: 0, blocksCopied: 0 };

  constructor(options: StepLoopOptions) {
    this.#options = options;
    this.#step = options.executor.createStep();
    this.#writer = new StepWriter(options.executor.limits);
  }

  get isIdle(): boolean {
    const { scheduler } = this.#options;
    return (
      this.#inFlight === undefined && scheduler.running.length + scheduler.waiting.length === 0
    );
  }

  /** Runs `change` as soon as no step is in flight: now, or before the next one is planned. */
  betweenSteps(change: () => void): void {
    if (this.#inFlight === undefined) change();
    else this.#deferred.push(change);
    this.wake();
  }

  /** Plans a step soon, so that all messages of one task come into the same one. */
  wake(): void {
    if (this.#inFlight !== undefined || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#startStep();
    });
  }

  /** Calls `listener` once, when nothing is left to run. */
  onIdle(listener: () => void): void {
    this.#idleListeners.push(listener);
    this.wake();
  }

  /** Asserts that the device has each running sequence's block table. */
  checkInvariants(): void {
    for (const sequence of this.#options.scheduler.running) this.#writer.checkSent(sequence);
  }

  #startStep(): void {
    const { scheduler, cache, lifecycle, outbox } = this.#options;
    lifecycle.failBroken();
    while (this.#inFlight === undefined && !this.isIdle) {
      cache.expire();
      const plan = new StepPlan();
      const { budget, hopeless } = scheduler.plan(plan);
      if (hopeless !== undefined) lifecycle.fail(hopeless.sequence.request, hopeless.error);
      if (!plan.isEmpty) this.#submit(plan, budget.work);
      else if (hopeless === undefined) break;
    }
    this.#checkProgress();
    outbox.deliver();
    if (!this.isIdle) return;
    for (const listener of this.#idleListeners.splice(0)) listener();
  }

  /** Nothing in flight and something open: then masks are on their way, which wake the loop. */
  #checkProgress(): void {
    if (this.#inFlight !== undefined || this.isIdle) return;
    const { running, waiting } = this.#options.scheduler;
    const awaitsMask = [...running, ...waiting.toArray()].some(({ isDrawable }) => !isDrawable);
    assert(awaitsMask, 'a plan is empty, but something could run');
  }

  #submit(plan: StepPlan, work: StepWork): void {
    const { executor, trace, costs } = this.#options;
    this.#writer.write(plan, this.#step);
    trace?.submitted(plan, costs.estimateMs(work));
    this.#inFlight = { plan, work };
    for (const { sequence, drawRows } of plan.chunks) {
      if (drawRows.length === 0 || sequence.masks === undefined) continue;
      const mask = sequence.masks.take();
      for (const row of drawRows) executor.setSlotMask(row, mask);
    }
    let outcome: Promise<StepOutcome>;
    try {
      outcome = executor.submit(this.#step);
    } catch (error) {
      outcome = Promise.reject(error);
    }
    this.#noteSubmitted(plan);
    outcome.then(
      (result) => this.#complete(result),
      (error) => this.#fail(error),
    );
  }

  /** Steps run in order: what this one fills can be hit by later ones, what it copies from may go. */
  #noteSubmitted(plan: StepPlan): void {
    const { cache } = this.#options;
    const nowMs = this.#options.clock();
    for (const { sequence, end } of plan.chunks) {
      const table = sequence.table as BlockTable;
      sequence.meter.firstStepMs ??= nowMs;
      for (const copy of sequence.pendingCopies.splice(0)) cache.releaseCopySource(copy);
      cache.registerSubmitted(table, sequence.tokens.view(), end);
    }
  }

  #complete(outcome: StepOutcome): void {
    const { cache, lifecycle, costs, trace } = this.#options;
    const { plan, work } = this.#inFlight as StepInFlight;
    trace?.completed(plan, outcome.counters);
    this.#inFlight = undefined;
    this.numSteps++;
    costs.observe(work, outcome.counters.runMs);
    this.#count(outcome);
    for (const { sequence, start, end, drawRows } of plan.chunks) {
      const table = sequence.table as BlockTable;
      const isDecode = sequence.isDecoding && sequence.numOutputTokens > 0;
      sequence.numComputed = end;
      sequence.meter.addComputed(start, end);
      cache.commit(table, end);
      if (drawRows.length > 0 && !isDecode) cache.registerTail(table, sequence.tokens.view(), end);
    }
    let row = 0;
    for (const { sequence, drawRows } of plan.chunks) {
      if (drawRows.length > 0 && sequence.state === 'running')
        lifecycle.grow(sequence, outcome, row);
      row += drawRows.length;
    }
    this.#finishStep();
  }

  /** A failed step takes the requests that were part of it along, and only those. */
  #fail(error: unknown): void {
    const { lifecycle, trace } = this.#options;
    const { plan } = this.#inFlight as StepInFlight;
    trace?.failed(plan, error);
    this.#inFlight = undefined;
    for (const { sequence } of plan.chunks) {
      if (sequence.state !== 'ended') lifecycle.failStep(sequence.request, error);
    }
    if (error instanceof EngineError && error.code === 'ERR_DEVICE_LOST') this.#lose(error);
    this.#finishStep();
  }

  /** Nothing will run any more: whoever waits is told so. */
  #lose(error: EngineError): void {
    const { lifecycle } = this.#options;
    this.lost = error;
    for (const request of [...lifecycle.requests.values()]) lifecycle.failStep(request, error);
  }

  #finishStep(): void {
    this.#options.outbox.deliver();
    for (const change of this.#deferred.splice(0)) change();
    this.#startStep();
  }

  #count({ counters }: StepOutcome): void {
    this.counters.tokensComputed += counters.tokensComputed;
    this.counters.kvSlotsWritten += counters.kvSlotsWritten;
    this.counters.blocksCopied += counters.blocksCopied;
  }
}
