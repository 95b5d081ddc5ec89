import { InvalidArgumentError } from '../errors.js';

/**
 * One typed key that separates equal tokens.
 *
 * - `salt`: an organisation's secret; on the first block only, the chain carries it on.
 * - `lora`: the digest of an adapter; on every block.
 */
export type ExtraKey = readonly ['lora', string] | readonly ['salt', string];

/** The typed keys of a request, in any order, each kind at most once. */
export type ExtraKeys = readonly ExtraKey[];

const knownKinds: readonly string[] = ['lora', 'salt'];

/**
 * Checks typed keys and puts them in canonical order (by kind).
 *
 * @returns a new array, or `null` when there is no key
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for an unknown kind, an empty or
 *   non-string value, or a kind given twice
 */
export function canonicalExtraKeys(extraKeys: ExtraKeys | null | undefined): ExtraKeys | null {
  if (extraKeys === null || extraKeys === undefined || extraKeys.length === 0) return null;
  const kinds = new Set<string>();
  for (const [kind, value] of extraKeys) {
    if (!knownKinds.includes(kind)) {
      throw new InvalidArgumentError('extraKeys', kind, `a kind of ${knownKinds.join(', ')}`);
    }
    if (typeof value !== 'string' || value.length === 0) {
      throw new InvalidArgumentError(`extraKeys.${kind}`, value, 'a string that is not empty');
    }
    if (kinds.has(kind)) {
      throw new InvalidArgumentError('extraKeys', kind, 'each kind at most once');
    }
    kinds.add(kind);
  }
  return [...extraKeys].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The canonical keys of a request that stand on one of its blocks, or `null`. */
export function extraKeysOfBlock(extraKeys: ExtraKeys | null, isFirst: boolean): ExtraKeys | null {
  if (extraKeys === null || isFirst) return extraKeys;
  const chained = extraKeys.filter(([kind]) => kind !== 'salt');
  return chained.length === 0 ? null : chained;
}
