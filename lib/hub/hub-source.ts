import { InvalidArgumentError } from '../errors.js';

/** A model of the hub at one revision. */
export interface HubSource {
  /** `owner/name` */
  readonly repo: string;
  /** A branch, a tag or the 40 digits of a commit. */
  readonly revision: string;
}

const defaultRevision = 'main';

/**
 * Reads `owner/name` or `owner/name@revision`.
 *
 * @param revision said apart from the text; the two must not contradict each other
 * @returns undefined when the text is neither
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` for a revision that is none, or two different ones
 */
export function parseHubSource(text: string, revision?: string): HubSource | undefined {
  const parts = /^([\w.-]+\/[\w.-]+)(?:@(.*))?$/s.exec(text);
  if (!parts) return undefined;
  const [, repo, inText] = parts;
  if (inText !== undefined && revision !== undefined && inText !== revision) {
    throw new InvalidArgumentError('revision', revision, `${inText}, as in ${text}`);
  }
  const chosen = inText ?? revision ?? defaultRevision;
  if (typeof chosen === 'string' && isRevision(chosen)) return { repo, revision: chosen };
  throw new InvalidArgumentError('revision', chosen, 'a branch, a tag or a commit');
}

/** Whether a text is the whole name of a commit. */
export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text);

/** It becomes a part of a path and of a URL. */
function isRevision(text: string): boolean {
  return /^[\w][\w./-]*$/.test(text) && !text.includes('..') && !text.endsWith('/');
}
