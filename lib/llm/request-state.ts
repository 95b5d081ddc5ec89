import type { FinishedEvent } from '../engine/index.js';
import { InvalidArgumentError } from '../errors.js';
import type { ChoiceBuilder } from './choice-builder.js';
import type { Chunk, Reply } from './reply.js';

/** What a request needs of those who run it. */
export interface RequestHooks {
  /** Makes the reply of the finished choices. */
  makeReply(choices: readonly ChoiceBuilder[]): Promise<Reply>;
  /** Ends the request in the engine, if it is there. */
  abort(): void;
  /** The request is over, however it ended. */
  onSettled(): void;
}

/**
 * One request from call to reply: chunks are kept as they come, so that nobody who reads them slowly holds
 * up anybody, and any number of readers see all of them.
 *
 * Invariant: settled once, after which nothing changes.
 */
export class RequestState {
  readonly chunks: Chunk[] = [];
  /** Empty until the request reached the engine. */
  choices: readonly ChoiceBuilder[] = [];
  /** Resolves with the reply; its rejection is never unhandled. */
  readonly done: Promise<Reply>;
  reply: Reply | undefined;
  isSettled = false;
  /** Of a fork: takes what its parent's choice has, once the engine says how much of it. */
  onForked: ((numOutputTokens: number) => void) | undefined;
  /** Somebody waits for `done`: leaving an iteration early does not end the request. */
  isAwaited = false;
  readonly #hooks: RequestHooks;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.abort(this.#signal?.reason);
  #resolve!: (reply: Reply) => void;
  #reject!: (reason: unknown) => void;
  #wakeReaders!: () => void;
  #changed!: Promise<void>;
  #isCompleting = false;

  constructor(hooks: RequestHooks, signal: AbortSignal | undefined) {
    this.#hooks = hooks;
    this.#signal = signal;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {});
    this.#armReaders();
  }

  /** Ends the request when its signal says so, or said so before. */
  watchSignal(): void {
    const signal = this.#signal;
    if (signal === undefined) return;
    if (typeof signal?.addEventListener !== 'function') {
      this.fail(new InvalidArgumentError('signal', signal, 'an AbortSignal'));
    } else if (signal.aborted) {
      this.abort(signal.reason);
    } else {
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
  }

  /** Resolves when there is a new chunk, or when the request has settled. */
  changed(): Promise<void> {
    return this.#changed;
  }

  /** Ends the request; what is there of its text stays readable. */
  abort(reason: unknown): void {
    this.fail(reason);
  }

  /** Takes a chunk, unless the request is over. */
  addChunk(chunk: Chunk | undefined): void {
    if (!chunk || this.isSettled) return;
    this.chunks.push(chunk);
    this.#wake();
  }

  /**
   * Settles when every choice has all its text and the engine's last word. A request whose choices all
   * found a stop text is ended in the engine first, which then says what it cost.
   */
  settleIfComplete(): void {
    if (this.isSettled) return;
    if (this.choices.every((choice) => choice.finished && choice.isComplete)) {
      void this.#complete();
      return;
    }
    if (this.choices.every((choice) => choice.isStopped || choice.finished)) this.#hooks.abort();
  }

  /** A validator of the caller's may take its time; a request that ends meanwhile has no reply. */
  async #complete(): Promise<void> {
    if (this.#isCompleting) return;
    this.#isCompleting = true;
    try {
      const reply = await this.#hooks.makeReply(this.choices);
      if (this.isSettled) return;
      this.reply = reply;
      this.#settle();
      this.#resolve(reply);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Rejects with `reason` and ends the request in the engine. */
  fail(reason: unknown): void {
    if (this.isSettled) return;
    this.#settle();
    this.#hooks.abort();
    this.#reject(reason);
  }

  /** Notes the engine's last word on a choice. */
  finish(event: FinishedEvent): void {
    this.choices[event.sample].finished = event;
  }

  #settle(): void {
    this.isSettled = true;
    this.#signal?.removeEventListener?.('abort', this.#onAbort);
    this.#hooks.onSettled();
    this.#wake();
  }

  #wake(): void {
    this.#wakeReaders();
    this.#armReaders();
  }

  #armReaders(): void {
    this.#changed = new Promise((resolve) => {
      this.#wakeReaders = resolve;
    });
  }
}
