import { InvalidArgumentError } from '../errors.js';

/** What one more piece of text gave. */
export interface StopResult {
  /** Text that may be shown: nothing in it can still become a part of a stop string. */
  readonly text: string;
  readonly isStopped: boolean;
}

/** Ends a text before the first of several strings, which may come in pieces. */
export class StopStrings {
  #held = '';

  /** @param stops none empty */
  constructor(private readonly stops: readonly string[]) {}

  /**
   * Adds text and gives what may be shown of it.
   *
   * @param isLast no text follows: what was held back is let out
   */
  push(text: string, isLast: boolean): StopResult {
    const all = this.#held + text;
    const places = this.stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
    if (places.length > 0) {
      this.#held = '';
      return { text: all.slice(0, Math.min(...places)), isStopped: true };
    }
    const numHeld = isLast ? 0 : Math.max(0, ...this.stops.map((stop) => overlap(all, stop)));
    this.#held = all.slice(all.length - numHeld);
    return { text: all.slice(0, all.length - numHeld), isStopped: false };
  }
}

/** Characters of the longest end of `text` that `stop` starts with. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}

/**
 * Reads the `stop` option.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when one is no text or empty
 */
export function readStops(stop: string | readonly string[] | undefined): string[] {
  const stops = stop === undefined ? [] : typeof stop === 'string' ? [stop] : stop;
  if (!Array.isArray(stops)) throw new InvalidArgumentError('stop', stop, 'text or texts');
  for (const [i, text] of stops.entries()) {
    if (typeof text === 'string' && text !== '') continue;
    throw new InvalidArgumentError(`stop[${i}]`, text, 'a text of at least one character');
  }
  return stops;
}
