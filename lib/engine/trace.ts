import { EngineError } from '../errors.js';
import type { StepCounters } from './executor.js';
import type { Sequence } from './sequence.js';
import type { PlannedChunk, StepPlan } from './step-plan.js';
import { type ChromeTrace, requestsPid, stepsTrack, TraceRing } from './trace-ring.js';

/** What a sequence was doing since `sinceMs`. */
interface Track {
  readonly tid: number;
  readonly openedMs: number;
  phase: 'queued' | 'prefill' | 'decode' | 'preempted';
  sinceMs: number;
}

export interface TraceOptions {
  /** Events that are kept; each further one takes the place of the oldest. */
  readonly maxEvents: number;
  readonly clock: () => number;
}

/**
 * Records what the engine does, for `EngineCore.trace()`: a span per step with its work, and per sequence a span
 * with its time in the queue, its prompt chunks, its decoding and its time without blocks inside.
 *
 * Spans of one track nest: a step begins when it was submitted or, if that is later, when the one before it
 * was done, and a chunk lasts as long as its step.
 */
export class TraceRecorder {
  readonly #ring: TraceRing;
  readonly #clock: () => number;
  readonly #tracks = new Map<Sequence, Track>();
  readonly #submittedMs = new WeakMap<StepPlan, { ms: number; predictedMs: number }>();
  #lastStepEndMs = 0;
  #numTracks = 0;
  #numSteps = 0;

  constructor({ maxEvents, clock }: TraceOptions) {
    this.#ring = new TraceRing(maxEvents);
    this.#clock = clock;
  }

  /** A sequence waits from now on, or runs if it has its blocks already. */
  opened(sequence: Sequence): void {
    const nowMs = this.#clock();
    const tid = ++this.#numTracks;
    this.#tracks.set(sequence, { tid, openedMs: nowMs, phase: 'queued', sinceMs: nowMs });
  }

  /** A sequence waits for what `producer` computes. */
  coalesced(sequence: Sequence, producer: Sequence): void {
    const track = this.#tracks.get(sequence);
    if (track === undefined) return;
    const args = { for: producer.request.id };
    this.#ring.addInstant({ pid: requestsPid, tid: track.tid }, 'coalesced', this.#clock(), args);
  }

  /** A running sequence lost its blocks. */
  preempted(sequence: Sequence): void {
    this.#enter(sequence, 'preempted', this.#clock());
  }

  /** @param predictedMs what the cost model expected of the step */
  submitted(plan: StepPlan, predictedMs: number): void {
    this.#submittedMs.set(plan, { ms: this.#clock(), predictedMs });
  }

  /** A step is done; to be called before its sequences grow. */
  completed(plan: StepPlan, { runMs, tokensComputed, blocksCopied }: StepCounters): void {
    const endMs = this.#clock();
    const startMs = this.#addStep(plan, endMs, { runMs, tokensComputed, blocksCopied });
    for (const chunk of plan.chunks) this.#addChunk(chunk, startMs, endMs);
  }

  failed(plan: StepPlan, error: unknown): void {
    const code = error instanceof EngineError ? error.code : 'ERR_STEP_FAILED';
    this.#addStep(plan, this.#clock(), { failed: code });
  }

  /** @param reason why no more tokens follow: that of a `finished` event, or an error's code */
  ended(sequence: Sequence, reason: string): void {
    const track = this.#tracks.get(sequence);
    if (track === undefined) return;
    const nowMs = this.#clock();
    this.#closePhase(sequence, track, nowMs);
    this.#addRequest(sequence, track, nowMs, reason);
    this.#tracks.delete(sequence);
  }

  /** All that is kept, and the open spans as they stand. */
  toChromeTrace(): ChromeTrace {
    const nowMs = this.#clock();
    const open = new TraceRing(2 * this.#tracks.size);
    for (const [sequence, track] of this.#tracks) {
      this.#closePhase(sequence, track, nowMs, open);
      this.#addRequest(sequence, track, nowMs, 'open', open);
    }
    return this.#ring.toChromeTrace(open);
  }

  /** Adds a step's span; gives its start. */
  #addStep(plan: StepPlan, endMs: number, outcome: Record<string, unknown>): number {
    const { ms = endMs, predictedMs } = this.#submittedMs.get(plan) ?? {};
    const startMs = Math.max(ms, this.#lastStepEndMs);
    this.#lastStepEndMs = endMs;
    const chunks = plan.chunks.map(({ sequence, start, end }) => {
      return { request: sequence.request.id, sample: sequence.sample, start, end };
    });
    const numTokens = chunks.reduce((sum, { start, end }) => sum + end - start, 0);
    const numDecoding = plan.chunks.filter(isDecode).length;
    const kind =
      numDecoding === 0 ? 'prefill' : numDecoding === chunks.length ? 'decode' : 'mixed step';
    const args = { step: this.#numSteps++, numTokens, predictedMs, ...outcome, chunks };
    this.#ring.addSpan(stepsTrack, kind, startMs, endMs, args);
    return startMs;
  }

  #addChunk(chunk: PlannedChunk, startMs: number, endMs: number): void {
    const { sequence, start, end, drawRows } = chunk;
    const track = this.#tracks.get(sequence);
    if (track === undefined) return;
    // It lost its blocks while the step was in flight: that counts from the step's end on.
    const isPreempted = track.phase === 'preempted' && track.sinceMs > startMs;
    if (isDecode(chunk)) {
      if (isPreempted) track.sinceMs = Math.max(track.sinceMs, endMs);
      else this.#enter(sequence, 'decode', startMs);
      return;
    }
    if (!isPreempted) this.#enter(sequence, 'prefill', startMs);
    this.#ring.addSpan({ pid: requestsPid, tid: track.tid }, 'prefill', startMs, endMs, {
      start,
      end,
    });
    if (isPreempted) track.sinceMs = Math.max(track.sinceMs, endMs);
    else if (drawRows.length > 0) this.#enter(sequence, 'decode', endMs);
  }

  /** Ends what a sequence was doing, unless it goes on with the same. */
  #enter(sequence: Sequence, phase: Track['phase'], atMs: number): void {
    const track = this.#tracks.get(sequence);
    if (track === undefined || track.phase === phase) return;
    this.#closePhase(sequence, track, Math.max(atMs, track.sinceMs));
    track.phase = phase;
    track.sinceMs = Math.max(atMs, track.sinceMs);
  }

  /** Chunks of a prompt are spans of their own, so that the phase between them is none. */
  #closePhase(sequence: Sequence, track: Track, endMs: number, ring = this.#ring): void {
    if (track.phase === 'prefill') return;
    const args = track.phase === 'decode' ? { outputTokens: sequence.numOutputTokens } : {};
    ring.addSpan(
      { pid: requestsPid, tid: track.tid },
      track.phase,
      Math.min(track.sinceMs, endMs),
      endMs,
      args,
    );
  }

  #addRequest(
    sequence: Sequence,
    { tid, openedMs }: Track,
    endMs: number,
    reason: string,
    ring = this.#ring,
  ): void {
    const { request, sample, meter } = sequence;
    const { timings: _, ...usage } = meter.usage(endMs);
    const name = sample === 0 ? `request ${request.id}` : `request ${request.id}.${sample}`;
    ring.addSpan({ pid: requestsPid, tid }, name, openedMs, endMs, { reason, ...usage });
  }
}

function isDecode({ sequence, start, end }: PlannedChunk): boolean {
  return end - start === 1 && start >= sequence.promptLen;
}
