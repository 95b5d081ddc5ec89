import { EngineError, InvalidArgumentError } from '../errors.js';
import type { ExtraKeys } from '../kv/index.js';
import { maxTopLogprobs } from './executor.js';
import type { CachePolicy, ForkMessage, SamplingParams, SubmitMessage } from './messages.js';
import type { PrefixHandle } from './prefix-handles.js';
import type { RequestOptions } from './sequence.js';

/** What the engine must know of the model that its executor runs. */
export interface ModelLimits {
  readonly vocabSize: number;
  /** Tokens of a sequence, prompt and output together. */
  readonly contextLen: number;
  readonly eosTokenIds: readonly number[];
}

/** Limits that a request is checked against. */
export interface RequestLimits {
  readonly model: ModelLimits;
  readonly blockSize: number;
  /** Blocks that one sequence may hold, the null block not counted. */
  readonly numUsableBlocks: number;
  /** Sequences of one salt that run at once. */
  readonly maxSeqs: number;
  /** Whether requests may have a grammar. */
  readonly hasGrammars: boolean;
}

/**
 * Checks a message and fills in what it leaves out; takes nothing and changes nothing.
 *
 * @param handle what `continueFrom` names
 * @throws {EngineError} `ERR_EMPTY_PROMPT`, `ERR_TOKEN_OUT_OF_RANGE`, `ERR_PROMPT_TOO_LONG`,
 *   `ERR_POOL_TOO_SMALL`, or `ERR_INVALID_ARGUMENT` naming field, value and limit
 */
export function checkRequest(
  message: SubmitMessage,
  handle: PrefixHandle | undefined,
  limits: RequestLimits,
): RequestOptions {
  const { model } = limits;
  checkIds('promptTokens', message.promptTokens, model.vocabSize);
  checkIds('stopTokenIds', message.stopTokenIds, model.vocabSize);
  const promptTokens = wholePrompt(message, handle);
  const maxTokens = checkLength(promptTokens.length, message, model.contextLen);
  checkPool(promptTokens.length, maxTokens, limits);
  const n = message.n ?? 1;
  checkInteger('n', n, 1, limits.maxSeqs);
  const minTokens = message.minTokens ?? 0;
  checkInteger('minTokens', minTokens, 0, Number.MAX_SAFE_INTEGER);
  checkSampling(message.sampling, model.vocabSize);
  const eosTokenIds = message.ignoreEos === true ? [] : model.eosTokenIds;
  checkGrammar(message, eosTokenIds.length + message.stopTokenIds.length, limits.hasGrammars);
  return {
    id: message.id,
    promptTokens,
    maxTokens,
    minTokens,
    n,
    sampling: message.sampling,
    grammar: message.grammar,
    stopTokenIds: new Set([...eosTokenIds, ...message.stopTokenIds]),
    wantDigests: message.wantDigests === true,
    priority: checkNumber('priority', message.priority ?? 0, 'a finite number'),
    timeoutMs: checkTimeout(message.timeoutMs),
    ...checkCaching(message, handle),
  };
}

function checkTimeout(timeoutMs: number | undefined): number {
  if (timeoutMs === undefined) return Number.POSITIVE_INFINITY;
  return checkNumber('timeoutMs', timeoutMs, 'a number > 0', (value) => value > 0);
}

/** A grammar ends by a stop token, or never. */
function checkGrammar({ grammar }: SubmitMessage, numStopTokens: number, isKnown: boolean): void {
  if (grammar === undefined) return;
  if (!isKnown) throw new InvalidArgumentError('grammar', grammar.kind, 'none in this engine');
  if (numStopTokens > 0) return;
  const limit = 'to have a stop token that ends it: leave ignoreEos out, or name stopTokenIds';
  throw new InvalidArgumentError('grammar', grammar.kind, limit);
}

/**
 * Checks a fork and makes it the request that goes on from its parent's tokens; changes nothing.
 *
 * @param parent what the parent was asked, and its tokens so far
 * @throws {EngineError} `ERR_POOL_TOO_SMALL`, or `ERR_INVALID_ARGUMENT` naming field, value and limit
 */
export function checkFork(
  message: ForkMessage,
  parent: { readonly options: RequestOptions; readonly tokens: Int32Array },
  limits: RequestLimits,
): RequestOptions {
  const { options, tokens } = parent;
  const { model } = limits;
  const numOutputTokens = tokens.length - options.promptTokens.length;
  const { maxTokens: maxNewTokens = options.maxTokens - numOutputTokens } = message;
  checkInteger('maxTokens', maxNewTokens, 1, Number.MAX_SAFE_INTEGER);
  const maxTokens = Math.min(maxNewTokens, model.contextLen - tokens.length);
  checkPool(tokens.length, maxTokens, limits);
  const { sampling = options.sampling } = message;
  checkSampling(sampling, model.vocabSize);
  const promptTokens = tokens.slice();
  return { ...options, id: message.id, promptTokens, maxTokens, minTokens: 0, n: 1, sampling };
}

function checkSampling(sampling: SamplingParams, vocabSize: number): void {
  const { temperature, topK, topP, minP, repetitionPenalty, logitBias, logprobs } = sampling;
  checkNumber('temperature', temperature, 'a finite number >= 0', (value) => value >= 0);
  checkInteger('topK', topK, 0, 2 ** 31 - 1);
  checkNumber('topP', topP, 'a number in (0, 1]', (value) => value > 0 && value <= 1);
  checkNumber('minP', minP, 'a number in [0, 1)', (value) => value >= 0 && value < 1);
  checkNumber('repetitionPenalty', repetitionPenalty, 'a finite number > 0', (value) => value > 0);
  checkNumber('presencePenalty', sampling.presencePenalty, 'a finite number');
  checkNumber('frequencyPenalty', sampling.frequencyPenalty, 'a finite number');
  if (typeof sampling.seed !== 'bigint') {
    throw new InvalidArgumentError('seed', sampling.seed, 'a bigint');
  }
  if (logprobs !== undefined) checkInteger('logprobs', logprobs, 0, maxTopLogprobs);
  if (logitBias === undefined) return;
  checkIds('logitBias.ids', logitBias.ids, vocabSize);
  if (logitBias.values.length !== logitBias.ids.length) {
    const limit = `one per id, ${logitBias.ids.length}`;
    throw new InvalidArgumentError('logitBias.values.length', logitBias.values.length, limit);
  }
  for (const value of logitBias.values) checkNumber('logitBias.values', value, 'a finite number');
}

/** @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` */
export function checkInteger(field: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  const range = max === Number.MAX_SAFE_INTEGER ? `>= ${min}` : `in [${min}, ${max}]`;
  throw new InvalidArgumentError(field, value, `an integer ${range}`);
}

/**
 * @param value Infinity is allowed
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT`
 */
export function checkPositive(field: string, value: number): void {
  if (typeof value === 'number' && value > 0) return;
  throw new InvalidArgumentError(field, value, 'a number > 0');
}

/** The typed keys under which a salt's blocks are cached. */
export function extraKeysOf(salt: string | undefined): ExtraKeys | null {
  return salt === undefined ? null : [['salt', salt]];
}

/** The other way round: what tells organisations apart. */
export function saltOf(extraKeys: ExtraKeys | null): string | undefined {
  return extraKeys?.find(([kind]) => kind === 'salt')?.[1];
}

function checkNumber(
  field: string,
  value: number,
  limit: string,
  isInside: (value: number) => boolean = () => true,
): number {
  if (Number.isFinite(value) && isInside(value)) return value;
  throw new InvalidArgumentError(field, value, limit);
}

function checkIds(field: string, ids: ArrayLike<number>, vocabSize: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
    const limit = `a token id in [0, ${vocabSize - 1}]`;
    throw new InvalidArgumentError(`${field}[${i}]`, id, limit, 'ERR_TOKEN_OUT_OF_RANGE');
  }
}

function wholePrompt(
  { promptTokens }: SubmitMessage,
  handle: PrefixHandle | undefined,
): Int32Array {
  const before = handle?.tokens ?? new Int32Array(0);
  if (before.length + promptTokens.length === 0) {
    throw new EngineError('ERR_EMPTY_PROMPT', 'the prompt has 0 tokens; expected at least 1');
  }
  const whole = new Int32Array(before.length + promptTokens.length);
  whole.set(before);
  whole.set(promptTokens, before.length);
  return whole;
}

/** Output tokens that the context leaves room for, `maxTokens` at most. */
function checkLength(promptLen: number, { maxTokens }: SubmitMessage, contextLen: number): number {
  checkInteger('maxTokens', maxTokens, 1, Number.MAX_SAFE_INTEGER);
  if (promptLen < contextLen) return Math.min(maxTokens, contextLen - promptLen);
  const limit = `at most ${contextLen - 1} tokens, so that one of ${contextLen} is left to generate`;
  throw new InvalidArgumentError('promptTokens.length', promptLen, limit, 'ERR_PROMPT_TOO_LONG');
}

function checkPool(promptLen: number, maxTokens: number, limits: RequestLimits): void {
  // The last token drawn is never run.
  const numBlocks = Math.ceil((promptLen + maxTokens - 1) / limits.blockSize);
  if (numBlocks <= limits.numUsableBlocks) return;
  throw new EngineError(
    'ERR_POOL_TOO_SMALL',
    `${promptLen} prompt tokens and ${maxTokens} output tokens need ${numBlocks} blocks of ` +
      `${limits.blockSize} tokens; the pool has ${limits.numUsableBlocks}`,
  );
}

type CachingOptions = Pick<
  RequestOptions,
  'extraKeys' | 'usesCache' | 'maxKeepTokens' | 'retainMs' | 'maxIdleMs' | 'keepPrefix' | 'tag'
>;

function checkCaching(message: SubmitMessage, handle: PrefixHandle | undefined): CachingOptions {
  const { cache = 'auto', retainMs, maxIdleMs, tag, salt } = message;
  const keepPrefix = message.keepPrefix === true;
  const isPositive = (value: number) => value > 0;
  if (salt === '') throw new InvalidArgumentError('salt', salt, 'a string that is not empty');
  if (retainMs !== undefined) checkNumber('retainMs', retainMs, 'a number > 0', isPositive);
  if (maxIdleMs !== undefined) checkNumber('maxIdleMs', maxIdleMs, 'a number > 0', isPositive);
  if (cache === 'off' && (keepPrefix || retainMs !== undefined)) {
    throw new InvalidArgumentError('cache', cache, "'auto' where keepPrefix or retainMs is set");
  }
  if (tag !== undefined && !keepPrefix && retainMs === undefined) {
    throw new InvalidArgumentError('tag', tag, 'to come with keepPrefix or retainMs');
  }
  const extraKeys =
    salt === undefined && handle !== undefined ? handle.extraKeys : extraKeysOf(salt);
  if (handle !== undefined && saltOf(extraKeys) !== saltOf(handle.extraKeys)) {
    throw new InvalidArgumentError('salt', 'another one', 'the salt of the prefix handle');
  }
  const usesCache = cache !== 'off';
  const maxKeepTokens = checkPolicy(cache);
  return { extraKeys, usesCache, maxKeepTokens, retainMs, maxIdleMs, keepPrefix, tag };
}

/** Tokens from which on a policy keeps nothing. */
function checkPolicy(cache: CachePolicy): number {
  if (cache === 'auto') return Number.POSITIVE_INFINITY;
  if (cache === 'off') return 0;
  if (typeof cache !== 'object' || cache === null) {
    throw new InvalidArgumentError('cache', cache, "'auto', 'off' or { upToTokens }");
  }
  checkInteger('cache.upToTokens', cache.upToTokens, 0, Number.MAX_SAFE_INTEGER);
  return cache.upToTokens;
}
