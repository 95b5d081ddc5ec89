import type { EngineEvent, StepOutput } from './messages.js';

/** Collects events and delivers them together, never from inside the call that caused them. */
export class Outbox {
  readonly #listeners: Array<(output: StepOutput) => void> = [];
  #events: EngineEvent[] = [];
  #isScheduled = false;

  addListener(listener: (output: StepOutput) => void): void {
    this.#listeners.push(listener);
  }

  /** Keeps an event for the next delivery, which comes at the latest when the current task is done. */
  add(event: EngineEvent): void {
    this.#events.push(event);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.deliver());
  }

  /** Delivers what has been collected. A listener's exception becomes a warning: the engine goes on. */
  deliver(): void {
    this.#isScheduled = false;
    if (this.#events.length === 0) return;
    const output = { events: this.#events };
    this.#events = [];
    for (const listener of this.#listeners) {
      try {
        listener(output);
      } catch (error) {
        const reason = (error as Error | undefined)?.stack ?? String(error);
        process.emitWarning(`a listener of engine events threw: ${reason}`);
      }
    }
  }
}
