import { InvalidArgumentError } from '../errors.js';

/** Reads typed fields of a parsed JSON object; `null` counts as absent, as `None` does in Python. */
export class ConfigFields {
  /**
   * @param values the object; its fields are untrusted
   * @param source what stands before a field's name in messages, such as `config.json: `
   */
  constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    private readonly source: string,
  ) {}

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null;
  }

  /** The first of these fields that is present; undefined when none is. */
  findRaw(...names: string[]): unknown {
    const name = names.find((candidate) => this.has(candidate));
    return name === undefined ? undefined : this.values[name];
  }

  /** An integer from `min` to `max`. */
  getCount(name: string, max = 2 ** 31 - 1, min = 1): number {
    const value = this.values[name];
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) {
      return value as number;
    }
    throw this.refusal(name, `an integer from ${min} to ${max}`);
  }

  /** A finite number above 0. */
  getPositive(name: string): number {
    const value = this.values[name];
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
    throw this.refusal(name, 'a finite number above 0');
  }

  /** True or false; absent is false. */
  getFlag(name: string): boolean {
    const value = this.values[name] ?? false;
    if (typeof value === 'boolean') return value;
    throw this.refusal(name, 'true or false');
  }

  /** What `known` maps the field's text to. */
  getChoice<T>(name: string, known: Readonly<Record<string, T>>): T {
    const value = this.values[name];
    if (typeof value === 'string' && Object.hasOwn(known, value)) return known[value];
    throw this.refusal(name, `one of ${Object.keys(known).join(', ')}`);
  }

  /** A nested object; absent is an empty one. */
  getObject(name: string): Record<string, unknown> {
    const value = this.values[name] ?? {};
    if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
    throw this.refusal(name, 'an object');
  }

  /** A list of exactly `length` items, each accepted by `isItem`. */
  getList<T>(name: string, length: number, isItem: (item: unknown) => item is T): T[] {
    const value = this.values[name];
    if (Array.isArray(value) && value.length >= length && value.slice(0, length).every(isItem)) {
      return value.slice(0, length);
    }
    throw this.refusal(name, `a list with a valid item for each of ${length} layers`);
  }

  /** One token id, a list of them, or none. */
  getTokenIds(name: string, vocabSize: number): number[] {
    const value = this.values[name] ?? [];
    const ids: unknown[] = Array.isArray(value) ? value : [value];
    if (ids.every((id) => Number.isInteger(id) && Number(id) >= 0 && Number(id) < vocabSize)) {
      return ids as number[];
    }
    throw this.refusal(name, `token ids from 0 to ${vocabSize - 1}`);
  }

  /** The error that names a field, what it holds and what it may hold. */
  refusal(name: string, limit: string): InvalidArgumentError {
    const value = this.values[name];
    const shown = typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
    return new InvalidArgumentError(this.source + name, shown, limit, 'ERR_CONFIG_INVALID');
  }
}
