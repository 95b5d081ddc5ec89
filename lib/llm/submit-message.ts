import type { CachePolicy, SubmitMessage } from '../engine/index.js';
import { InvalidArgumentError } from '../errors.js';
import type { ChatMessage, Section } from '../text/index.js';
import type { CacheOption, GenerateOptions } from './options.js';
import { type Continuation, Prefix } from './prefix.js';
import { grammarOf } from './response-format.js';
import { type SamplingDefaults, samplingOf } from './sampling.js';
import type { ToolFormat } from './tool-calls.js';

/** A prompt in tokens, on its way to the engine. */
export interface Prompt {
  /** Those that follow the prefix, when there is one. */
  readonly tokens: Int32Array;
  /** Where the parts of a chat lie; empty when nobody needs to know. */
  readonly sections: readonly Section[];
  readonly messages: readonly ChatMessage[];
}

/** What a request takes from the model that was loaded. */
export interface RequestDefaults {
  readonly sampling: SamplingDefaults;
  readonly salt: string | undefined;
  readonly contextLen: number;
  /** How the model writes tool calls, where that is known. */
  readonly toolFormat?: ToolFormat | undefined;
  /** Whose prefixes can be continued. */
  readonly owner: object;
}

/** A request as the engine and the reply need it. */
export interface Submission {
  readonly message: SubmitMessage;
  /** All tokens of the prompt, in order. */
  readonly promptParts: readonly Int32Array[];
}

/**
 * The engine's message for a request. Ranges are checked by the engine; what only the face knows, here.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming the option
 */
export function makeSubmission(
  id: number,
  prompt: Prompt,
  options: GenerateOptions,
  defaults: RequestDefaults,
): Submission {
  checkKinds(options);
  const { continueFrom, promptTokens, parts } = continuationOf(
    options.prefix,
    prompt.tokens,
    defaults.owner,
  );
  const message = withoutUndefined({
    id,
    promptTokens,
    continueFrom,
    maxTokens: options.maxTokens ?? defaults.contextLen,
    n: options.n,
    sampling: samplingOf(options, defaults.sampling),
    grammar: grammarOf(options.responseFormat),
    stopTokenIds: [...copyTokenIds('stopTokenIds', options.stopTokenIds ?? [])],
    ignoreEos: options.ignoreEos,
    minTokens: options.minTokens,
    salt: saltOf(options, defaults.salt),
    priority: options.priority,
    timeoutMs: options.timeoutMs,
    cache: cachePolicy(options, prompt),
    retainMs: options.retainMs,
    maxIdleMs: options.maxIdleMs,
    keepPrefix: options.keepPrefix,
    wantDigests: options.digests,
    tag: options.tag,
  });
  return { message, promptParts: parts };
}

/** What neither the engine nor a default would refuse: a text is no yes, and a number is no tag. */
function checkKinds(options: GenerateOptions): void {
  for (const field of ['ignoreEos', 'keepPrefix', 'digests'] as const) {
    const value: unknown = options[field];
    if (value === undefined || typeof value === 'boolean') continue;
    throw new InvalidArgumentError(field, value, 'true or false');
  }
  checkTag(options.tag);
}

/** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` */
export function checkTag(tag: unknown): void {
  if (tag === undefined || (typeof tag === 'string' && tag !== '')) return;
  throw new InvalidArgumentError('tag', tag, 'text of at least one character');
}

function continuationOf(
  prefix: Prefix | undefined,
  tokens: Int32Array,
  owner: object,
): Continuation {
  if (prefix === undefined) {
    return { continueFrom: undefined, promptTokens: tokens, parts: [tokens] };
  }
  if (prefix instanceof Prefix) return prefix.continueWith(tokens, owner);
  throw new InvalidArgumentError('prefix', prefix, 'the prefix of a reply');
}

/** Takes out what is `undefined`: structured clone keeps it, and the engine's defaults are for what is absent. */
function withoutUndefined(message: SubmitMessage): SubmitMessage {
  for (const [key, value] of Object.entries(message)) {
    if (value === undefined) Reflect.deleteProperty(message, key);
  }
  return message;
}

/**
 * The salt that a request's blocks are cached under.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when it is no text, or not the prefix's own
 */
export function saltOf(
  { salt, prefix }: Pick<GenerateOptions, 'salt' | 'prefix'>,
  defaultSalt: string | undefined,
): string | undefined {
  if (salt !== undefined && (typeof salt !== 'string' || salt === '')) {
    throw new InvalidArgumentError('salt', salt, 'text of at least one character');
  }
  if (!prefix) return salt ?? defaultSalt;
  if (salt !== undefined && salt !== prefix.salt) {
    throw new InvalidArgumentError('salt', 'another one', 'the salt of the prefix');
  }
  return prefix.salt;
}

/**
 * Copies token ids that a caller gave; none is rounded or wrapped.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming the first that is no integer
 */
export function copyTokenIds(field: string, ids: Int32Array | readonly number[]): Int32Array {
  if (ids instanceof Int32Array) return ids.slice();
  if (!Array.isArray(ids)) throw new InvalidArgumentError(field, ids, 'an array of token ids');
  const copy = new Int32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    copy[i] = ids[i];
    if (copy[i] === ids[i]) continue;
    throw new InvalidArgumentError(`${field}[${i}]`, ids[i], 'a token id');
  }
  return copy;
}

/**
 * Copies the token ids of a prompt that is no text.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming what it is, or the first id that is no integer
 */
export function copyPrompt(prompt: Int32Array | readonly number[]): Int32Array {
  if (Array.isArray(prompt) || prompt instanceof Int32Array) return copyTokenIds('prompt', prompt);
  throw new InvalidArgumentError('prompt', prompt, 'text or an array of token ids');
}

/** Whether a request's cache option needs to know where the parts of the chat lie. */
export function needsSections(cache: CacheOption | undefined): boolean {
  return typeof cache === 'object' && cache !== null && 'upTo' in cache;
}

function cachePolicy({ cache, prefix }: GenerateOptions, prompt: Prompt): CachePolicy | undefined {
  if (typeof cache !== 'object' || cache === null || !('upTo' in cache)) return cache;
  if (prefix) throw new InvalidArgumentError('cache.upTo', cache.upTo, 'upToTokens with a prefix');
  return { upToTokens: endOf(cache.upTo, prompt) };
}

/**
 * One past the last token that may stay. A part that the template left out, or changed, has no place: the part
 * before it counts, so that too little stays rather than too much.
 */
function endOf(upTo: 'tools' | 'system' | number, { sections, messages }: Prompt): number {
  if (messages.length === 0) {
    throw new InvalidArgumentError('cache.upTo', upTo, 'upToTokens, where no messages are given');
  }
  const ends = (kind: Section['kind'], maxIndex: number) =>
    sections.filter((part) => part.kind === kind && part.index <= maxIndex).map(({ end }) => end);
  if (upTo === 'tools') return Math.max(0, ...ends('tools', 0));
  if (upTo === 'system') {
    const isSystem = ({ role }: ChatMessage) => role === 'system' || role === 'developer';
    const firstOther = messages.findIndex((message) => !isSystem(message));
    const numSystem = firstOther < 0 ? messages.length : firstOther;
    return Math.max(0, ...ends('tools', 0), ...ends('message', numSystem - 1));
  }
  if (Number.isInteger(upTo) && upTo >= 0 && upTo < messages.length) {
    return Math.max(0, ...ends('message', upTo));
  }
  const limit = `'tools', 'system' or a message index in [0, ${messages.length - 1}]`;
  throw new InvalidArgumentError('cache.upTo', upTo, limit);
}
