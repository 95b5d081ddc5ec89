/** The longest time that a timer of Node takes. */
const maxTimerMs = 2 ** 31 - 1;

/** Calls when a time on the engine's clock has come, for hours when no step does. */
export class DeadlineTimer {
  readonly #clock: () => number;
  readonly #onTime: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param onTime may come early: it looks at the clock, and sets the timer again */
  constructor(clock: () => number, onTime: () => void) {
    this.#clock = clock;
    this.#onTime = onTime;
  }

  /** Replaces what was set before. @param atMs Infinity: never */
  set(atMs: number): void {
    clearTimeout(this.#timer);
    if (atMs === Number.POSITIVE_INFINITY) return;
    const leftMs = Math.max(1, Math.ceil(atMs - this.#clock()));
    this.#timer = setTimeout(this.#onTime, Math.min(leftMs, maxTimerMs));
  }
}
