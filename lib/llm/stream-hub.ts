import { type EngineEvent, errorOf, type FinishedEvent, type StepOutput } from '../engine/index.js';
import { EngineError } from '../errors.js';
import { type DecodeBatch, StreamDecoder } from '../text/index.js';
import type { ChoiceBuilder } from './choice-builder.js';
import type { RequestState } from './request-state.js';

/** What waits to be decoded for one choice. */
interface PendingText {
  readonly state: RequestState;
  readonly tokenIds: number[];
  isLast: boolean;
}

/**
 * Carries the engine's events to the requests they belong to, and their tokens through the tokenizer:
 * one batch for all streams per step, or for several steps when decoding takes longer than one.
 */
export class StreamHub {
  readonly #requests = new Map<number, RequestState>();
  readonly #decodeBatch: DecodeBatch;
  readonly #releaseHandle: (handle: number) => void;
  #pending = new Map<ChoiceBuilder, PendingText>();
  #isDecoding = false;
  #onEmpty: (() => void)[] = [];
  readonly #afterTokens = new Map<number, (() => void)[]>();

  /** @param releaseHandle lets a prefix handle go that nobody will get */
  constructor(decodeBatch: DecodeBatch, releaseHandle: (handle: number) => void) {
    this.#decodeBatch = decodeBatch;
    this.#releaseHandle = releaseHandle;
  }

  add(id: number, state: RequestState): void {
    this.#requests.set(id, state);
  }

  /** Events of a request that was removed are dropped. */
  remove(id: number): void {
    this.#requests.delete(id);
    this.#runAfterTokens(id);
    if (this.#requests.size > 0) return;
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  /** Resolves when no request is left. */
  whenEmpty(): Promise<void> {
    if (this.#requests.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onEmpty.push(resolve));
  }

  /** Rejects every request. */
  failAll(reason: unknown): void {
    for (const state of [...this.#requests.values()]) state.fail(reason);
  }

  /** Calls `act` once, when a request has got its next tokens or has ended. */
  afterNextTokens(id: number, act: () => void): void {
    if (!this.#requests.has(id)) {
      act();
      return;
    }
    this.#afterTokens.set(id, [...(this.#afterTokens.get(id) ?? []), act]);
  }

  /** To be called with each output of the engine. */
  receive({ events }: StepOutput): void {
    for (const event of events) {
      const state = this.#requests.get(event.id);
      if (state) this.#route(state, event);
      else if (event.type === 'finished') this.#release(event);
    }
    for (const { type, id } of events) {
      if (type === 'tokens' && this.#afterTokens.size > 0) this.#runAfterTokens(id);
    }
    if (!this.#isDecoding) void this.#decode();
  }

  /** Queues tokens of a choice that did not come with an event: those that a fork starts with. */
  addTokens(state: RequestState, choice: ChoiceBuilder, tokenIds: readonly number[]): void {
    const pending = this.#pend(state, choice);
    for (const id of tokenIds) pending.tokenIds.push(id);
  }

  #release({ handle }: FinishedEvent): void {
    if (handle !== undefined) this.#releaseHandle(handle);
  }

  #runAfterTokens(id: number): void {
    const acts = this.#afterTokens.get(id) ?? [];
    this.#afterTokens.delete(id);
    for (const act of acts) act();
  }

  #route(state: RequestState, event: EngineEvent): void {
    if (event.type === 'failed') {
      state.fail(errorOf(event));
      return;
    }
    if (event.type === 'forked') {
      state.onForked?.(event.numOutputTokens);
      return;
    }
    const choice = state.choices[event.sample];
    if (event.type === 'finished') {
      this.#finish(state, choice, event);
    } else if (!choice.isStopped) {
      choice.addTokens(event);
      this.addTokens(state, choice, event.tokenIds);
    }
  }

  /** The engine ends a request by itself only when it is closed. */
  #finish(state: RequestState, choice: ChoiceBuilder, event: FinishedEvent): void {
    if (event.reason === 'abort' && !choice.isStopped) {
      state.fail(new EngineError('ERR_CLOSED', 'the engine was closed before the reply was done'));
      return;
    }
    state.finish(event);
    this.#pend(state, choice).isLast = true;
  }

  #pend(state: RequestState, choice: ChoiceBuilder): PendingText {
    let pending = this.#pending.get(choice);
    if (!pending) {
      pending = { state, tokenIds: [], isLast: false };
      this.#pending.set(choice, pending);
    }
    return pending;
  }

  async #decode(): Promise<void> {
    this.#isDecoding = true;
    while (this.#pending.size > 0) {
      const batch = [...this.#pending];
      this.#pending = new Map();
      await this.#decodeAll(batch);
    }
    this.#isDecoding = false;
  }

  async #decodeAll(batch: readonly [ChoiceBuilder, PendingText][]): Promise<void> {
    const additions = batch.map(([choice, { tokenIds, isLast }]) => {
      return { stream: choice.decoder, tokenIds, isLast };
    });
    try {
      const texts = await StreamDecoder.push(this.#decodeBatch, additions);
      for (const [i, [choice, { state, tokenIds, isLast }]] of batch.entries()) {
        state.addChunk(choice.addText(texts[i], tokenIds.length, isLast));
        state.settleIfComplete();
      }
    } catch (error) {
      for (const [, { state }] of batch) state.fail(error);
    }
  }
}
