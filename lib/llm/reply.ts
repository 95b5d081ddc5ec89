import type {
  Timings as EngineTimings,
  Usage as EngineUsage,
  TokenLogprobs,
} from '../engine/index.js';
import type { EngineError } from '../errors.js';
import type { Prefix } from './prefix.js';
import type { Parsed } from './response-format.js';
import type { FunctionCall, ReplyPart } from './tool-calls.js';

/** Milliseconds of a request, on the engine's clock. */
export interface Timings extends EngineTimings {
  /** From the call to the engine: rendering and tokenising. */
  readonly tokenizeMs: number;
  /** From the call to the first output token. */
  readonly firstTokenMs: number;
}

/** What a request cost, in tokens that the device ran; over all choices. */
export interface Usage extends Omit<EngineUsage, 'timings'> {
  readonly timings: Timings;
}

/**
 * Why a choice ended: `stop` by a stop token or text, `tool_calls` by a stop token after it called a tool, `length` by
 * `maxTokens` or the end of the context.
 */
export type FinishReason = 'stop' | 'tool_calls' | 'length';

/** One of the `n` continuations of a prompt. */
export interface Choice<T = unknown> extends Parsed<T> {
  readonly index: number;
  /** Without stop texts and special tokens. */
  readonly text: string;
  /** As they were drawn, without the stop token. */
  readonly tokenIds: readonly number[];
  readonly finishReason: FinishReason;
  /** The tools that it calls, in order; `text` holds them too, as the model wrote them. */
  readonly toolCalls: readonly FunctionCall[];
  /** `text` split into text and calls; a call that cannot be read is text with the reason. */
  readonly parts: readonly ReplyPart[];
  /** The value of the JSON that `responseFormat` asked for; `undefined` when the answer was cut, or is wrong. */
  readonly parsed: T | undefined;
  /** Why a whole answer has no `parsed`: `ERR_RESPONSE_INVALID`. */
  readonly parseError: EngineError | undefined;
  /** One per token, when asked for. */
  readonly logprobs: readonly TokenLogprobs[] | undefined;
  /** One per token, when asked for. */
  readonly digests: readonly bigint[] | undefined;
  /** Where this choice ended, to be continued there. */
  readonly prefix: Prefix;
}

/** A request that ended well: what it says of a choice is that of choice 0. */
export interface Reply<T = unknown> extends Omit<Choice<T>, 'index'> {
  readonly choices: readonly Choice<T>[];
  readonly usage: Usage;
}

/** A piece of one choice, as it is streamed. */
export interface Chunk {
  readonly choice: number;
  /** Whole characters; may be empty while a character is unfinished. */
  readonly text: string;
  /** The same as text and tool calls. A call comes as a whole, and what may become one is held back here. */
  readonly parts: readonly ReplyPart[];
  /** The tokens that came since the choice's last chunk. */
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly TokenLogprobs[] | undefined;
}

/** Adds up what the choices cost; timings are those of the one that waited for the prompt. */
export function sumUsage(usages: readonly EngineUsage[], tokenizeMs: number): Usage {
  const sum = (
    field:
      | 'promptTokens'
      | 'cachedTokens'
      | 'computedTokens'
      | 'copiedTokens'
      | 'recomputedTokens'
      | 'outputTokens'
      | 'decodedTokens'
      | 'preemptions',
  ) => usages.reduce((total, usage) => total + usage[field], 0);
  const [first] = usages;
  const lastTokenMs = usages.map(({ timings }) => timings.firstTokenMs + timings.decodeMs);
  const { queueMs, prefillMs, firstTokenMs } = first.timings;
  return {
    promptTokens: sum('promptTokens'),
    cachedTokens: sum('cachedTokens'),
    computedTokens: sum('computedTokens'),
    copiedTokens: sum('copiedTokens'),
    recomputedTokens: sum('recomputedTokens'),
    outputTokens: sum('outputTokens'),
    decodedTokens: sum('decodedTokens'),
    preemptions: sum('preemptions'),
    timings: {
      tokenizeMs,
      queueMs,
      prefillMs,
      firstTokenMs: tokenizeMs + firstTokenMs,
      decodeMs: Math.max(...lastTokenMs) - firstTokenMs,
    },
    ...(first.missReason === undefined ? {} : { missReason: first.missReason }),
  };
}
