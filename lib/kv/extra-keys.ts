import { strict as assert } from 'node:assert';
import { InvalidArgumentError } from '../errors.js';
import { hashText, type KeysHash } from './token-hash.js';

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

/** The keys of one block as the trie sees them. */
export interface BlockKeys extends KeysHash {
  /** Number of equal keys; `undefined` while no node has them. */
  readonly id: number | undefined;
}

/** The keys of a request: on its first block, and on each later one. */
export interface RequestKeys {
  readonly first: BlockKeys;
  readonly later: BlockKeys;
}

const noKeys: BlockKeys = { id: 0, hashLo: 0, hashHi: 0 };
/** Of a request without extra keys. */
export const noRequestKeys: RequestKeys = { first: noKeys, later: noKeys };

/**
 * Gives equal key lists one small number, so that comparing keys is comparing numbers.
 *
 * 0 is "no keys". A number lives as long as a node or a table uses it, then it is given out again.
 */
export class ExtraKeysRegistry {
  private readonly idOfText = new Map<string, number>();
  private readonly keysOfId: (ExtraKeys | null)[] = [null];
  private readonly numUsers: number[] = [0];
  private readonly freeIds: number[] = [];

  /** Key lists in use, the empty one not counted. */
  get size(): number {
    return this.idOfText.size;
  }

  /** Looks a request's canonical keys up without registering them. */
  resolve(extraKeys: ExtraKeys | null): RequestKeys {
    if (extraKeys === null) return noRequestKeys;
    return {
      first: this.resolveBlock(extraKeys),
      later: this.resolveBlock(extraKeysOfBlock(extraKeys, false)),
    };
  }

  /** Like {@link resolve}, but with numbers that last until `releaseRequest`. */
  retainRequest(extraKeys: ExtraKeys | null): RequestKeys {
    if (extraKeys === null) return noRequestKeys;
    this.retain(extraKeys);
    this.retain(extraKeysOfBlock(extraKeys, false));
    return this.resolve(extraKeys);
  }

  releaseRequest({ first, later }: RequestKeys): void {
    this.releaseId(first.id ?? 0);
    this.releaseId(later.id ?? 0);
  }

  retainId(id: number): void {
    if (id !== 0) this.numUsers[id]++;
  }

  releaseId(id: number): void {
    if (id === 0) return;
    this.numUsers[id]--;
    if (this.numUsers[id] > 0) return;
    this.idOfText.delete(JSON.stringify(this.keysOfId[id]));
    this.keysOfId[id] = null;
    this.freeIds.push(id);
  }

  getKeys(id: number): ExtraKeys | null {
    return this.keysOfId[id];
  }

  /** Every registered key list with its number. */
  *entries(): Iterable<readonly [number, ExtraKeys]> {
    for (const id of this.idOfText.values()) {
      const keys = this.keysOfId[id];
      if (keys !== null) yield [id, keys];
    }
  }

  /** @param numUsersOfId users that the caller can name, by id; ids without any may be missing */
  checkInvariants(numUsersOfId: ReadonlyMap<number, number>): void {
    for (const [id] of this.entries()) {
      assert.equal(this.numUsers[id], numUsersOfId.get(id) ?? 0, `users of extra keys ${id}`);
      assert(this.numUsers[id] > 0, `extra keys ${id} are kept without a user`);
    }
  }

  private retain(extraKeys: ExtraKeys | null): void {
    if (extraKeys === null) return;
    const text = JSON.stringify(extraKeys);
    const known = this.idOfText.get(text);
    if (known !== undefined) {
      this.numUsers[known]++;
      return;
    }
    const id = this.freeIds.pop() ?? this.keysOfId.length;
    this.keysOfId[id] = extraKeys;
    this.numUsers[id] = 1;
    this.idOfText.set(text, id);
  }

  private resolveBlock(extraKeys: ExtraKeys | null): BlockKeys {
    if (extraKeys === null) return noKeys;
    const text = JSON.stringify(extraKeys);
    const [hashLo, hashHi] = hashText(text);
    return { id: this.idOfText.get(text), hashLo, hashHi };
  }
}
