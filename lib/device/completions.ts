import { type CompletionBatch, type NativeCudaFailure, nativeError } from './native.js';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Promises of work that is queued on one device's engine thread, by completion id. JavaScript thread only.
 *
 * One report is settled per turn of the event loop, and those that come meanwhile in the next one. The addon would go
 * on reporting for as long as work ends while its promises are being settled: steps that take less time than what
 * JavaScript does between them would let no timer and no socket have its turn.
 */
export class Completions {
  #nextId = 1;
  readonly #waiting = new Map<number, Waiting>();
  /** Reports that came after this turn's. */
  #deferred: CompletionBatch[] = [];
  #hasSettled = false;

  /**
   * Queues work and waits for it.
   *
   * @param queue called at once with the id that the work reports; when it throws, nothing waits
   */
  run(queue: (id: number) => void): Promise<void> {
    const id = this.#nextId;
    this.#nextId = id === 2 ** 31 - 1 ? 1 : id + 1;
    queue(id);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** Settles what the addon reports, now or in the next turn; called by the addon, once per batch. */
  readonly settle = (batch: CompletionBatch): void => {
    if (this.#hasSettled) {
      this.#deferred.push(batch);
      return;
    }
    this.#hasSettled = true;
    setImmediate(this.#startTurn);
    this.#settle(batch);
  };

  readonly #startTurn = (): void => {
    this.#hasSettled = this.#deferred.length > 0;
    if (!this.#hasSettled) return;
    setImmediate(this.#startTurn);
    for (const batch of this.#deferred.splice(0)) this.#settle(batch);
  };

  #settle(batch: CompletionBatch): void {
    for (let i = 0; i < batch.length; i += 4) {
      const id = batch[i] as number;
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) continue;
      this.#waiting.delete(id);
      const [code, message] = [batch[i + 1] as string | null, batch[i + 2] as string];
      if (code === null) waiting.resolve();
      else waiting.reject(nativeError(code, message, batch[i + 3] as NativeCudaFailure | null));
    }
  }
}
