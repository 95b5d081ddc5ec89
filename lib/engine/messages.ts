import type { GrammarSpec } from '../grammar/index.js';

/**
 * What goes into and comes out of `EngineCore`: plain data only, so that every message can be
 * structured-cloned to a core that runs in a Worker.
 */

/** How a sequence's next token is chosen. */
export interface SamplingParams {
  /** 0 is greedy. */
  temperature: number;
  /** Keep the `topK` most likely tokens; 0 is off. */
  topK: number;
  /** Keep the smallest set with this probability mass, (0, 1]. */
  topP: number;
  /** Drop tokens below this fraction of the most likely one, [0, 1). */
  minP: number;
  /** Over prompt and output tokens, > 0; 1 is off. */
  repetitionPenalty: number;
  /** Over output tokens; 0 is off. */
  presencePenalty: number;
  /** Over output tokens, per occurrence; 0 is off. */
  frequencyPenalty: number;
  /** Draws are keyed by (seed, position); sample `i` of a request uses `seed + i`. */
  seed: bigint;
  /** Added to the logits of these tokens. */
  logitBias?: { ids: Int32Array; values: Float32Array };
  /** Report the chosen token's log-probability and this many top ones, 0 to 20. */
  logprobs?: number;
}

/** What a request keeps in the cache: all, nothing (it does not look anything up either), or its first tokens. */
export type CachePolicy = 'auto' | 'off' | { readonly upToTokens: number };

/** One request: a prompt and how to continue it. */
export interface SubmitMessage {
  /** Chosen by the caller; unique among the requests that have not ended. */
  id: number;
  /** Token ids; with `continueFrom`, those that follow the handle's tokens. */
  promptTokens: Int32Array;
  /** A prefix handle from an earlier `finished` event: the prompt is its tokens, then `promptTokens`. */
  continueFrom?: number;
  /** Output tokens of each sample, at least 1; cut to what the context leaves after the prompt. */
  maxTokens: number;
  /** Sequences grown from the one prompt; 1 where absent. */
  n?: number;
  sampling: SamplingParams;
  /** What each sample must be; stop tokens are drawn only where it may end. */
  grammar?: GrammarSpec;
  /** Ids that end a sample, beside the model's end-of-sequence ids. */
  stopTokenIds: readonly number[];
  /** Do not stop at the model's end-of-sequence ids. */
  ignoreEos?: boolean;
  /** No stop token is drawn before a sample has this many tokens. */
  minTokens?: number;
  /** The organisation's secret: requests share cached blocks only with equal salts. */
  salt?: string;
  /** Larger goes first; 0 where absent. */
  priority?: number;
  /** Fails with `ERR_TIMEOUT` when it has not ended so long after it was submitted; default: never. */
  timeoutMs?: number;
  cache?: CachePolicy;
  /** Keep this request's blocks out of eviction's reach for so long after it ended. */
  retainMs?: number;
  /** Free this request's blocks when nobody used them for so long. */
  maxIdleMs?: number;
  /** Give a prefix handle with each sample's `finished` event. */
  keepPrefix?: boolean;
  /** Send a 64-bit digest of the logits row behind each token. */
  wantDigests?: boolean;
  /** Names the request's cached blocks for `invalidate`. */
  tag?: string;
}

/** Splits a running sample: a new request that shares every block the sample has so far. */
export interface ForkMessage {
  /** Id of the new request. */
  id: number;
  /** The running request. */
  from: number;
  /** Its sample; 0 where absent. */
  sample?: number;
  /** The parent's where absent. */
  sampling?: SamplingParams;
  /** Output tokens of the fork; what the parent has left where absent. */
  maxTokens?: number;
}

/** Milliseconds on the engine's clock. */
export interface Timings {
  /** From submit to the first step that had tokens of the request in it. */
  queueMs: number;
  /** From there to the first output token. */
  prefillMs: number;
  /** From submit to the first output token. */
  firstTokenMs: number;
  /** From the first output token to the last. */
  decodeMs: number;
}

/** What a request cost, in tokens that the executor ran. `promptTokens = cachedTokens + computedTokens`. */
export interface Usage {
  promptTokens: number;
  /** Prompt tokens whose keys and values were found, not computed. */
  cachedTokens: number;
  computedTokens: number;
  /** The part of `cachedTokens` that was copied out of a partly matching block. */
  copiedTokens: number;
  /** Tokens computed again after a preemption, a fork or a restart. */
  recomputedTokens: number;
  /** Tokens drawn, the stop token included. */
  outputTokens: number;
  /** Output tokens that were run through the model; the last one drawn never is. */
  decodedTokens: number;
  /** Times the sample lost its blocks to another sequence. */
  preemptions: number;
  timings: Timings;
  /** Why the first token that was computed had not been cached. */
  missReason?: string;
}

/** Log-probabilities of one drawn token. */
export interface TokenLogprobs {
  logprob: number;
  /** Most likely tokens first. */
  top: Array<{ tokenId: number; logprob: number }>;
}

/** Tokens that a sample grew by in one step; a stop token is not among them. */
export interface TokensEvent {
  type: 'tokens';
  id: number;
  sample: number;
  tokenIds: number[];
  logprobs?: TokenLogprobs[];
  /** One per token of `tokenIds`. */
  digests?: bigint[];
}

/** A sample ended well, or was aborted. `usage` counts the prompt once, on the sample that computed it. */
export interface FinishedEvent {
  type: 'finished';
  id: number;
  sample: number;
  reason: 'stop' | 'length' | 'abort';
  /** The token that ended it, when `reason` is `stop`. */
  stopTokenId?: number;
  usage: Usage;
  /** Prefix handle over prompt and output, the stop token included; asked for by `keepPrefix`. */
  handle?: number;
}

/** A request was refused or could not go on; no more events follow for it. */
export interface FailedEvent {
  type: 'failed';
  id: number;
  /** An `ErrorCode`. */
  code: string;
  message: string;
  /** One sentence that says what to do, where there is one. */
  hint?: string;
  /** What the error carries beside its message; `errorOf` makes the typed error of it again. */
  details?: Record<string, string | number | boolean | null | undefined>;
}

/** A fork was split off; its first event, after those of the tokens that it shares. */
export interface ForkedEvent {
  type: 'forked';
  /** Of the fork. */
  id: number;
  /** Tokens that the parent's sample had drawn; the fork goes on after them. */
  numOutputTokens: number;
}

/** One thing that happened to a request. */
export type EngineEvent = TokensEvent | FinishedEvent | FailedEvent | ForkedEvent;

/** Everything that one step, or one refused message, gave. */
export interface StepOutput {
  events: EngineEvent[];
}
