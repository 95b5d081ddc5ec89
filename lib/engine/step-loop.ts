import { strict as assert } from 'node:assert';
import { EngineError } from '../errors.js';
import type { PrefixCache } from '../kv/index.js';
import type { StepCostModel, StepWork } from './cost-model.js';
import { DeadlineTimer } from './deadline-timer.js';
import type { Executor, StepBatch, StepOutcome } from './executor.js';
import type { Lifecycle } from './lifecycle.js';
import type { Outbox } from './outbox.js';
import { canPlanAhead } from './run-ahead.js';
import type { Scheduler } from './scheduler.js';
import type { Sequence } from './sequence.js';
import { type PlannedChunk, StepPlan } from './step-plan.js';
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
  /** Steps that may be in flight, 1 or 2: with 2, one is planned while the other runs. */
  readonly maxInFlight: number;
  readonly trace: TraceRecorder | undefined;
}

/** A step that was submitted; what came of it is `undefined` while it runs. */
interface StepInFlight {
  readonly plan: StepPlan;
  readonly work: StepWork;
  settled: { readonly outcome: StepOutcome } | { readonly error: unknown } | undefined;
}

/**
 * Plans, submits and completes steps while there is anything to run.
 *
 * Of two steps in flight the second was planned before the first was done: its rows may stand for tokens that
 * the first one draws, and may turn out to belong to a sequence that has ended. Steps complete in the order
 * in which they were submitted. When one has, these follow: its results, their events, then the next
 * plan. So an abort from an event's listener frees its blocks before the next step is planned.
 */
export class StepLoop {
  readonly #options: StepLoopOptions;
  readonly #step: StepBatch;
  readonly #writer: StepWriter;
  readonly #deadline: DeadlineTimer;
  /** Oldest first. */
  readonly #inFlight: StepInFlight[] = [];
  #isScheduled = false;
  /**
   * A step failed, and the one behind it may be refused for that. A step planned now could need a token of the
   * refused one and be refused in turn, and so on for ever: no step is planned until that one is over.
   */
  #awaitsRefusal = false;
  readonly #idleListeners: Array<() => void> = [];
  numSteps = 0;
  /** Steps that were submitted while another one was in flight. */
  numStepsAhead = 0;
  /** Why no step will run any more; undefined while the device works. */
  lost: EngineError | undefined;
  /** As the executor counted them, over steps that did not fail; `tokensWasted` are those that nobody wanted. */
  readonly counters = { tokensComputed: 0, kvSlotsWritten: 0, blocksCopied: 0, tokensWasted: 0 };

  constructor(options: StepLoopOptions) {
    this.#options = options;
    this.#step = options.executor.createStep();
    this.#writer = new StepWriter(options.executor.limits);
    this.#deadline = new DeadlineTimer(options.clock, () => this.wake());
  }

  get isIdle(): boolean {
    return this.#inFlight.length === 0 && !this.#hasWork;
  }

  get #hasWork(): boolean {
    const { running, waiting } = this.#options.scheduler;
    return running.length + waiting.length > 0;
  }

  /** Plans a step soon, so that all messages of one task come into the same one. */
  wake(): void {
    if (this.#inFlight.length >= this.#options.maxInFlight || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#startSteps();
    });
  }

  /** Calls `listener` once, when nothing is left to run. */
  onIdle(listener: () => void): void {
    this.#idleListeners.push(listener);
    this.wake();
  }

  /** Asserts that the device has each running sequence's block table, and who is in flight. */
  checkInvariants(): void {
    const { running } = this.#options.scheduler;
    const planned = new Set(this.#inFlight.flatMap(({ plan }) => plan.chunks));
    for (const sequence of running) {
      this.#writer.checkSent(sequence);
      assert(
        sequence.inFlight.every((chunk) => planned.has(chunk)),
        'a chunk of no step',
      );
    }
  }

  #startSteps(): void {
    const { scheduler, cache, lifecycle, outbox } = this.#options;
    lifecycle.failBroken();
    lifecycle.failOverdue();
    while (this.#hasWork && this.#mayPlan()) {
      cache.expire();
      const plan = new StepPlan();
      const { budget, hopeless } = scheduler.plan(plan, this.#inFlight.length > 0);
      if (hopeless !== undefined) lifecycle.fail(hopeless.sequence.request, hopeless.error);
      if (!plan.isEmpty) this.#submit(plan, budget.work);
      else if (hopeless === undefined) break;
    }
    this.#checkProgress();
    // While a step runs, its end is soon enough; while masks are awaited, nothing else may come.
    const isHalted = this.#inFlight.length === 0 && !this.isIdle;
    this.#deadline.set(isHalted ? lifecycle.nextDeadlineMs : Number.POSITIVE_INFINITY);
    outbox.deliver();
    if (!this.isIdle) return;
    for (const listener of this.#idleListeners.splice(0)) listener();
  }

  #mayPlan(): boolean {
    const { maxInFlight, scheduler } = this.#options;
    if (this.#inFlight.length === 0) return true;
    if (this.#awaitsRefusal) return false;
    return this.#inFlight.length < maxInFlight && canPlanAhead(scheduler.running);
  }

  /** Nothing in flight and something open: then masks are on their way, which wake the loop. */
  #checkProgress(): void {
    if (this.#inFlight.length > 0 || this.isIdle) return;
    const { running, waiting } = this.#options.scheduler;
    const awaitsMask = [...running, ...waiting.toArray()].some(({ isDrawable }) => !isDrawable);
    assert(awaitsMask, 'a plan is empty, but something could run');
  }

  #submit(plan: StepPlan, work: StepWork): void {
    const { executor, trace, costs } = this.#options;
    this.#writer.write(plan, this.#step);
    trace?.submitted(plan, costs.estimateMs(work));
    const step: StepInFlight = { plan, work, settled: undefined };
    if (this.#inFlight.length > 0) this.numStepsAhead++;
    this.#inFlight.push(step);
    this.#sendMasks(plan);
    let outcome: Promise<StepOutcome>;
    try {
      outcome = executor.submit(this.#step);
    } catch (error) {
      outcome = Promise.reject(error);
    }
    this.#noteSubmitted(plan);
    outcome.then(
      (result) => this.#settle(step, { outcome: result }),
      (error) => this.#settle(step, { error }),
    );
  }

  #sendMasks(plan: StepPlan): void {
    for (const { sequence, drawRows } of plan.chunks) {
      if (drawRows.length === 0 || sequence.masks === undefined) continue;
      const mask = sequence.masks.take();
      for (const row of drawRows) this.#options.executor.setSlotMask(row, mask);
    }
  }

  /** Steps run in order: what this one fills can be hit by later ones, what it copies from may go. */
  #noteSubmitted(plan: StepPlan): void {
    const { cache } = this.#options;
    const nowMs = this.#options.clock();
    for (const chunk of plan.chunks) {
      const { sequence, table, end } = chunk;
      sequence.meter.firstStepMs ??= nowMs;
      sequence.inFlight.push(chunk);
      sequence.numSubmitted = end;
      this.#releaseSources(sequence);
      const numKnown = Math.min(end, sequence.numTokens);
      cache.registerSubmitted(table, sequence.tokens.memory, numKnown);
    }
  }

  #releaseSources(sequence: Sequence): void {
    if (sequence.pendingCopies.length === 0) return;
    for (const copy of sequence.pendingCopies) this.#options.cache.releaseCopySource(copy);
    sequence.pendingCopies = [];
  }

  /** A step that was refused at once waits for the one before it. */
  #settle(step: StepInFlight, settled: StepInFlight['settled']): void {
    step.settled = settled;
    while (this.#inFlight[0]?.settled !== undefined) {
      const done = this.#inFlight.shift() as StepInFlight;
      const { plan, work, settled } = done;
      if (settled === undefined) continue;
      // An error's stack holds on to the step that it comes from: a run of failures would be one chain.
      done.settled = undefined;
      this.#awaitsRefusal = 'error' in settled && this.#inFlight.length > 0;
      if ('outcome' in settled) this.#complete(plan, work, settled.outcome);
      else this.#fail(plan, settled.error);
      this.#options.outbox.deliver();
      this.#startSteps();
    }
  }

  #complete(plan: StepPlan, work: StepWork, outcome: StepOutcome): void {
    const { lifecycle, costs, trace, clock } = this.#options;
    trace?.completed(plan, outcome.counters);
    this.numSteps++;
    costs.observe(work, outcome.counters.runMs);
    this.#count(outcome);
    for (const chunk of plan.chunks) this.#noteComputed(chunk);
    const nowMs = clock();
    for (const chunk of plan.chunks) {
      leaveFlight(chunk);
      if (chunk.drawRows.length === 0 || chunk.isVoid) continue;
      if (chunk.sequence.state !== 'ended') lifecycle.grow(chunk, outcome, nowMs);
    }
  }

  #noteComputed({ sequence, table, start, end, drawRows, isVoid }: PlannedChunk): void {
    const { cache } = this.#options;
    cache.commit(table, end);
    if (sequence.state === 'ended' || isVoid) {
      this.counters.tokensWasted += end - start;
      return;
    }
    sequence.meter.addComputed(start, end);
    if (sequence.table !== table) return;
    sequence.numComputed = end;
    const isDecode = end - start === 1 && sequence.numOutputTokens > 0;
    if (drawRows.length > 0 && !isDecode) cache.registerTail(table, sequence.tokens.memory, end);
  }

  /**
   * A failed step takes the requests that were part of it along, and only those. The step behind it is
   * refused when it needs a token of it: whoever is left in that one had no part in the failure and starts again.
   */
  #fail(plan: StepPlan, error: unknown): void {
    const { lifecycle, scheduler, trace } = this.#options;
    trace?.failed(plan, error);
    const code = error instanceof EngineError ? error.code : undefined;
    const concerned = plan.chunks.filter(({ isVoid }) => !isVoid);
    for (const chunk of plan.chunks) lifecycle.dropUncommitted(chunk.table);
    for (const chunk of concerned) {
      const { sequence } = chunk;
      leaveFlight(chunk);
      if (sequence.state === 'ended') continue;
      if (code !== 'ERR_PREVIOUS_STEP_FAILED') lifecycle.fail(sequence.request, error);
      else if (sequence.state === 'running') scheduler.restart(sequence);
    }
    if (code === 'ERR_DEVICE_LOST') this.#lose(error as EngineError);
  }

  /** Nothing will run any more: whoever waits is told so. */
  #lose(error: EngineError): void {
    const { lifecycle } = this.#options;
    this.lost = error;
    for (const request of [...lifecycle.requests.values()]) lifecycle.fail(request, error);
  }

  #count({ counters }: StepOutcome): void {
    this.counters.tokensComputed += counters.tokensComputed;
    this.counters.kvSlotsWritten += counters.kvSlotsWritten;
    this.counters.blocksCopied += counters.blocksCopied;
  }
}

/** A chunk's step is over. */
function leaveFlight(chunk: PlannedChunk): void {
  const { inFlight } = chunk.sequence;
  if (inFlight[0] === chunk) inFlight.shift();
}
