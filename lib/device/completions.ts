import { type CompletionBatch, type NativeCudaFailure, nativeError } from './native.js';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Promises of work that is queued on one device's engine thread, by completion id. JavaScript thread only. */
export class Completions {
  #nextId = 1;
  readonly #waiting = new Map<number, Waiting>();

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

  /** Settles what the addon reports; called by the addon, once per batch. */
  readonly settle = (batch: CompletionBatch): void => {
    for (let i = 0; i < batch.length; i += 4) {
      const id = batch[i] as number;
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) continue;
      this.#waiting.delete(id);
      const [code, message] = [batch[i + 1] as string | null, batch[i + 2] as string];
      if (code === null) waiting.resolve();
      else waiting.reject(nativeError(code, message, batch[i + 3] as NativeCudaFailure | null));
    }
  };
}
