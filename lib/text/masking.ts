import type { SpecialTokenMatcher } from './special-tokens.js';

/**
 * Hides special tokens in what a caller sent while a template is rendered.
 *
 * Where a literal could begin, its first character is replaced by a private-use character that occurs nowhere
 * else. Whatever the template then does with the text (trim it, split it, print it as JSON), the only
 * literals in the result are the template's own, and `unmask` gives the caller's characters back.
 */
export class Mask {
  readonly #toHidden = new Map<string, string>();
  readonly #toShown = new Map<string, string>();
  readonly #matcher: SpecialTokenMatcher;

  /**
   * @param texts everything that must not contain a character that hides another
   */
  constructor(matcher: SpecialTokenMatcher, texts: readonly string[]) {
    this.#matcher = matcher;
    const shown = matcher.firstChars();
    const hidden = findUnusedChars(shown.length, texts);
    for (const [i, char] of shown.entries()) {
      this.#toHidden.set(char, hidden[i]);
      this.#toShown.set(hidden[i], char);
    }
  }

  /** Replaces the first character of each possible literal in a text. */
  mask(text: string): string {
    const starts = this.#matcher.findStarts(text);
    if (starts.length === 0) return text;
    const units = text.split('');
    for (const start of starts) units[start] = this.#toHidden.get(units[start])!;
    return units.join('');
  }

  /** Undoes `mask` in all of a text, or in any part of one. */
  unmask(text: string): string {
    let shown = text;
    for (const [hidden, char] of this.#toShown) shown = shown.replaceAll(hidden, char);
    return shown;
  }
}

/**
 * Gives characters of the private-use area that none of the texts contains.
 *
 * @returns `[count]` characters of one UTF-16 unit each
 */
export function findUnusedChars(count: number, texts: readonly string[]): string[] {
  const unused: string[] = [];
  for (let code = 0xe000; code <= 0xf8ff && unused.length < count; code++) {
    const char = String.fromCharCode(code);
    if (!texts.some((text) => text.includes(char))) unused.push(char);
  }
  return unused;
}

/** Replaces every string in plain data, and keys that are no plain names; the rest stays as it is. */
export function mapStrings<T>(value: T, replace: (text: string) => string): T {
  return mapValue(value, replace) as T;
}

function mapValue(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === 'string') return replace(value);
  if (Array.isArray(value)) return value.map((item) => mapValue(item, replace));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, item]) => [
      /^\w+$/.test(key) ? key : replace(key), // a template reads plain names
      mapValue(item, replace),
    ]),
  );
}

/** Every string that `mapStrings` would replace. */
export function collectStrings(value: unknown): string[] {
  const texts: string[] = [];
  mapValue(value, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}
