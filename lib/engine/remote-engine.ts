import type { Worker } from 'node:worker_threads';
import { EngineError, InvalidArgumentError } from '../errors.js';
import type { BlockMap, BlockMapRange, Explanation, InvalidateTarget, Pin } from '../kv/index.js';
import type { EngineStats, PrefixTarget } from './engine-options.js';
import type { EnginePort, PinTarget } from './engine-port.js';
import { errorOf, failureOf } from './failure.js';
import type { EngineEvent, ForkMessage, StepOutput, SubmitMessage } from './messages.js';
import { Outbox } from './outbox.js';
import type { ChromeTrace } from './trace-ring.js';
import type { AnswerOf, EngineMethod, FromEngine, ToEngine } from './worker-protocol.js';

/** One who waits for the Worker. */
interface Pending {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** How to wait for a Worker's engine. */
export interface RemoteOpenOptions {
  /** What the Worker reports while it opens; what it throws ends the opening. */
  readonly onOpening?: (news: unknown) => void;
  /** Ends the opening, and the Worker. */
  readonly signal?: AbortSignal;
}

/**
 * An engine that runs in a Worker and is served there by `serveEngine`: a host whose event loop is blocked does not
 * keep it from its next step.
 *
 * A Worker that crashes fails all requests and calls with `ERR_ENGINE_WORKER`, and later ones too. The process is kept
 * alive only while there are requests or calls.
 */
export class RemoteEngine implements EnginePort {
  readonly #worker: Worker;
  readonly #outbox = new Outbox();
  readonly #calls = new Map<number, Pending>();
  /** Samples of open requests that have not ended, by request. */
  readonly #numOpen = new Map<number, number>();
  readonly #exited: Promise<void>;
  #stats: EngineStats | undefined;
  #numCalls = 0;
  #lost: EngineError | undefined;
  #closing: Promise<void> | undefined;
  readonly #opening = makePending();
  readonly #closed = makePending();
  readonly #onOpening: (news: unknown) => void;

  private constructor(worker: Worker, onOpening: (news: unknown) => void) {
    this.#worker = worker;
    this.#onOpening = onOpening;
    this.#exited = new Promise((resolve) => {
      worker.once('exit', (code) => {
        this.#lose(`exit code ${code}`);
        resolve();
      });
    });
    worker.on('message', (message: FromEngine) => this.#receive(message));
    worker.on('error', (error) => this.#lose(error));
  }

  /**
   * Waits until the Worker has opened its engine.
   *
   * @param worker calls `serveEngine`; owned by the engine from here on
   * @returns the engine and what the Worker told of it
   * @throws {EngineError} what the Worker's own `open` threw; `ERR_ENGINE_WORKER` when it crashed
   * @throws the reason of `signal`, and what `onOpening` throws; then as otherwise, the Worker is gone
   */
  static async open<T>(
    worker: Worker,
    { onOpening = () => {}, signal }: RemoteOpenOptions = {},
  ): Promise<{ engine: RemoteEngine; opened: T }> {
    const engine = new RemoteEngine(worker, onOpening);
    const onAbort = () => engine.#opening.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    try {
      const opened = (await engine.#opening.promise) as T;
      engine.#keepAlive();
      return { engine, opened };
    } catch (error) {
      await worker.terminate();
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  onStep(listener: (output: StepOutput) => void): void {
    this.#outbox.addListener(listener);
  }

  submit(message: SubmitMessage): void {
    this.#open(message.id, message.n ?? 1, { type: 'submit', message });
  }

  fork(message: ForkMessage): void {
    this.#open(message.id, 1, { type: 'fork', message });
  }

  abort(id: number): void {
    this.#send({ type: 'abort', id });
  }

  releaseHandle(handle: number): void {
    this.#send({ type: 'release', handle });
  }

  pin(target: PinTarget): Promise<Pin> {
    return this.#call('pin', target);
  }

  unpin(id: number): Promise<boolean> {
    return this.#call('unpin', id);
  }

  invalidate(target: InvalidateTarget): Promise<number> {
    return this.#call('invalidate', target);
  }

  explain(target: PrefixTarget): Promise<Explanation> {
    return this.#call('explain', target);
  }

  blockMap(range?: BlockMapRange): Promise<BlockMap> {
    return this.#call('blockMap', range);
  }

  trace(): Promise<ChromeTrace> {
    return this.#call('trace', undefined);
  }

  /**
   * As the Worker said last: with each answer, with each request that ended, and about ten times a second while
   * requests run.
   *
   * @throws {EngineError} `ERR_ENGINE_WORKER` when it crashed
   */
  stats(): EngineStats {
    if (this.#lost) throw this.#lost;
    return this.#stats as EngineStats;
  }

  /** Resolves when the Worker has freed everything and is gone; also after a crash. */
  close(mode: 'drain' | 'abort' = 'drain'): Promise<void> {
    this.#closing ??= this.#close();
    this.#send({ type: 'close', mode });
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (!this.#lost) await this.#closed.promise;
    await this.#exited;
  }

  #open(id: number, numSamples: number, message: ToEngine): void {
    if (this.#lost) {
      this.#outbox.add(failureOf(id, this.#lost));
      return;
    }
    this.#numOpen.set(id, numSamples);
    try {
      this.#send(message);
    } catch {
      this.#numOpen.delete(id);
      const error = new InvalidArgumentError('options', 'not plain data', 'what can be cloned');
      this.#outbox.add(failureOf(id, error));
    }
  }

  #call<M extends EngineMethod>(method: M, argument: unknown): Promise<AnswerOf<M>> {
    if (this.#lost) return Promise.reject(this.#lost);
    const call = this.#numCalls++;
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve: resolve as Pending['resolve'], reject });
      try {
        this.#send({ type: 'call', call, method, argument });
      } catch {
        this.#calls.delete(call);
        reject(new InvalidArgumentError(method, 'not plain data', 'what can be cloned'));
      }
    });
  }

  #send(message: ToEngine): void {
    if (this.#lost) return;
    this.#worker.postMessage(message);
    this.#keepAlive();
  }

  #receive(message: FromEngine): void {
    if ('stats' in message && message.stats) this.#stats = message.stats;
    if (message.type === 'step') this.#deliver(message.output.events);
    else if (message.type === 'answer') this.#takeCall(message.call)?.resolve(message.result);
    else if (message.type === 'failure') {
      this.#takeCall(message.call)?.reject(errorOf(message.failure));
    } else this.#turn(message);
    this.#keepAlive();
  }

  /** The Worker opens or closes. */
  #turn(message: FromEngine): void {
    if (message.type === 'opening') this.#report(message.news);
    else if (message.type === 'opened') this.#opening.resolve(message.opened);
    else if (message.type === 'refused') this.#opening.reject(errorOf(message.failure));
    else if (message.type === 'closed') {
      if (message.failure) this.#closed.reject(errorOf(message.failure));
      else this.#closed.resolve(undefined);
    }
  }

  #report(news: unknown): void {
    try {
      this.#onOpening(news);
    } catch (error) {
      this.#opening.reject(error);
    }
  }

  #deliver(events: readonly EngineEvent[]): void {
    for (const event of events) {
      this.#note(event);
      this.#outbox.add(event);
    }
    this.#outbox.deliver();
  }

  #note({ type, id }: EngineEvent): void {
    const numLeft = (this.#numOpen.get(id) ?? 0) - 1;
    if (type === 'failed' || (type === 'finished' && numLeft <= 0)) this.#numOpen.delete(id);
    else if (type === 'finished') this.#numOpen.set(id, numLeft);
  }

  #takeCall(call: number): Pending | undefined {
    const pending = this.#calls.get(call);
    this.#calls.delete(call);
    return pending;
  }

  /** An idle engine does not hold the process. */
  #keepAlive(): void {
    const isAwaited = this.#stats === undefined || this.#closing !== undefined;
    if (isAwaited || this.#numOpen.size + this.#calls.size > 0) this.#worker.ref();
    else this.#worker.unref();
  }

  /** The Worker is gone, or going: whoever waits is told so. */
  #lose(reason: unknown): void {
    if (this.#lost) return;
    const message = `the engine's thread ended: ${reason instanceof Error ? reason.message : reason}`;
    this.#lost = new EngineError('ERR_ENGINE_WORKER', message, { cause: reason });
    this.#opening.reject(this.#lost);
    this.#closed.resolve(undefined);
    for (const { reject } of this.#calls.values()) reject(this.#lost);
    this.#calls.clear();
    for (const id of this.#numOpen.keys()) this.#outbox.add(failureOf(id, this.#lost));
    this.#numOpen.clear();
    this.#outbox.deliver();
  }
}

/** A promise with its ends; its rejection is never unhandled. */
function makePending(): Pending & { readonly promise: Promise<unknown> } {
  let ends!: Pending;
  const promise = new Promise<unknown>((resolve, reject) => {
    ends = { resolve, reject };
  });
  promise.catch(() => {});
  return { ...ends, promise };
}
