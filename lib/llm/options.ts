import type { Isa } from '../device/index.js';
import type { DownloadProgress } from '../hub/index.js';
import type { LoadProgress } from '../model/index.js';
import type { ChatTool } from '../text/index.js';
import type { Prefix } from './prefix.js';
import type { ResponseFormat } from './response-format.js';
import type { ToolFormat } from './tool-calls.js';

/** What `load` may be told; everything has a default. */
export interface LoadOptions {
  /** `'auto'` (default): a GPU where one can be used, else the CPU. */
  readonly backend?: 'auto' | 'cpu' | 'cuda';
  /** Which GPU, in the driver's order; default 0. */
  readonly index?: number;
  /**
   * The same logits for a request whatever runs beside it and whatever was cached; slower on a GPU, where
   * the default promises results within tolerance. The CPU always gives the same.
   */
  readonly deterministic?: boolean;
  /**
   * Run the engine in a Worker thread: a host that blocks its event loop does not keep the model from its next token.
   * The face is the same; `stats()` is what the Worker said last. Default false.
   */
  readonly worker?: boolean;
  /** Cores that compute; default: those that the cgroup grants. */
  readonly threads?: number;
  /** Instruction set; default: the best one that this machine has. Every one gives the same answers. */
  readonly isa?: Isa;
  /**
   * Dtype of the weights; default: as the checkpoint declares, and bf16 for f32 on a GPU, which has f16 and bf16.
   * `'int8'` and `'int4'` quantise while loading, on the CPU (docs/quantization.md).
   */
  readonly dtype?: 'auto' | 'f32' | 'f16' | 'bf16' | 'int8' | 'int4';
  /** Dtype of the KV cache; default: the weights', or what it would be without quantisation. */
  readonly kvDtype?: 'auto' | 'f32' | 'f16' | 'bf16';
  /** Longest sequence, in tokens; default and maximum: the model's. */
  readonly contextLen?: number;
  /** Tokens of a KV block, a power of two in [8, 256]; default 16. */
  readonly blockSize?: number;
  /** Memory of the KV cache; default: a quarter of what is free, at most 8 full contexts; 0.9 of what is free on a GPU. */
  readonly kvCacheBytes?: number;
  /** Sequences that run at once; default 16, on a GPU 256. */
  readonly maxSeqs?: number;
  /** Tokens of one step, at most; default 512, on a GPU 8,192. */
  readonly maxTokensPerStep?: number;
  /** Tokens of one prompt that one step runs at most; default: what the step's budget leaves. */
  readonly maxChunkTokens?: number;
  /** Time a step should take while anything decodes; default 100, on a GPU 50. */
  readonly maxStepMs?: number;
  /** Time a step should take while nothing decodes; default 1,000. */
  readonly maxPrefillStepMs?: number;
  /** Requests that may wait; default 1,024. */
  readonly maxQueue?: number;
  /** Requests of one salt that may wait; default: `maxQueue`. */
  readonly maxQueuePerSalt?: number;
  /** Sequences of one salt that run at once; default: `maxSeqs`. Others behind one that waits for its salt go first. */
  readonly maxSeqsPerSalt?: number;
  /** Waiting so long counts like one more of `priority`; default 10,000; Infinity: waiting counts nothing. */
  readonly priorityAgeingMs?: number;
  /** Events that `trace()` keeps, the newest; default 0: nothing is recorded. */
  readonly maxTraceEvents?: number;
  /** Share of the KV cache that pins and prefix handles may hold, 0 to 1; default 0.5. */
  readonly maxPinnedFraction?: number;
  /** Salt of requests that name none; default: none, which is a salt of its own. */
  readonly salt?: string;
  /** Forget blocks that nobody used for so long; default: never. */
  readonly maxIdleMs?: number;
  /** Branch, tag or commit of a model of the hub; default `main`. */
  readonly revision?: string;
  /** Told how far download and loading are; what it throws ends them. */
  readonly onProgress?: (progress: DownloadProgress | LoadProgress) => void;
  /** Ends the loading: `load` frees what it took and rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** What `inspect` may be told: the options of `load` that say which model, and how much memory it takes. */
export type InspectOptions = Pick<
  LoadOptions,
  | 'backend'
  | 'index'
  | 'dtype'
  | 'kvDtype'
  | 'contextLen'
  | 'blockSize'
  | 'revision'
  | 'onProgress'
  | 'signal'
>;

/** What of a request stays in the cache. */
export type CacheOption =
  | 'auto'
  | 'off'
  /** Nothing beyond the tools, the system message, or the message with this index. */
  | { readonly upTo: 'tools' | 'system' | number }
  /** Nothing beyond so many tokens. */
  | { readonly upToTokens: number };

/** How to continue a prompt; everything has a default. */
export interface GenerateOptions<T = unknown> {
  /** Output tokens of each choice; default: to the end of the context. */
  readonly maxTokens?: number;
  /** No stop token is drawn before so many tokens. */
  readonly minTokens?: number;
  /** 0 is greedy. Default: the checkpoint's generation_config.json when it samples, else 0. */
  readonly temperature?: number;
  /** 0 is off. */
  readonly topK?: number;
  /** (0, 1]; 1 is off. */
  readonly topP?: number;
  /** [0, 1); 0 is off. */
  readonly minP?: number;
  /** > 0; 1 is off. */
  readonly repetitionPenalty?: number;
  /** 0 is off. */
  readonly presencePenalty?: number;
  /** 0 is off. */
  readonly frequencyPenalty?: number;
  /** An integer in [0, 2^64); default: a random one. Choice `i` draws with `seed + i`. */
  readonly seed?: number | bigint;
  /** Added to the logits, by token id. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Report log-probabilities of the tokens drawn and of so many most likely ones, 0 to 20. */
  readonly logprobs?: number;
  /** Ends a choice before one of these texts; the tokens of a match may already have been drawn. */
  readonly stop?: string | readonly string[];
  /** Ends a choice, beside the model's own end tokens. */
  readonly stopTokenIds?: readonly number[];
  /** Do not stop at the model's end tokens. */
  readonly ignoreEos?: boolean;
  /** What each choice must be; tokens that would break it are never drawn (docs/structured-output.md). */
  readonly responseFormat?: ResponseFormat<T>;
  /**
   * How the model writes tool calls. Default `'auto'`: where tools are given, what the chat template or the special
   * tokens tell; `'none'` leaves them text.
   */
  readonly toolFormat?: ToolFormat | 'auto' | 'none';
  /** Choices grown from the one prompt; default 1. */
  readonly n?: number;
  /** Ends the request and rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  /** Continue exactly where an earlier reply ended. */
  readonly prefix?: Prefix;
  /** Hold the reply's blocks in the cache until `reply.prefix.dispose()`. */
  readonly keepPrefix?: boolean;
  /** The organisation's secret: requests share cached blocks only with equal salts. */
  readonly salt?: string;
  /** Default `'auto'`: everything may stay. */
  readonly cache?: CacheOption;
  /** Keep the blocks out of eviction's reach for so long. */
  readonly retainMs?: number;
  /** Forget the blocks when nobody used them for so long. */
  readonly maxIdleMs?: number;
  /** Names what `keepPrefix` or `retainMs` holds for `invalidate`; refused without either. */
  readonly tag?: string;
  /** Larger goes first; default 0. Each `priorityAgeingMs` of waiting adds 1, so that everybody's turn comes. */
  readonly priority?: number;
  /** Reject with `ERR_TIMEOUT` when it has not ended so long after it reached the engine; default: never. */
  readonly timeoutMs?: number;
  /** Give a 64-bit digest of the logits behind each token: equal digests, equal bits. */
  readonly digests?: boolean;
}

/** {@link GenerateOptions}, and what goes into the chat template. */
export interface ChatOptions<T = unknown> extends GenerateOptions<T> {
  /** Functions that the model may call; the template prints them, and `reply.toolCalls` has the calls. */
  readonly tools?: readonly ChatTool[];
  /** Sort tools by name and the keys in them; default: in the caller's order, which a template prints. */
  readonly canonicalTools?: boolean;
  /** End the prompt with the header of the assistant's message; default true, false with `continueFinalMessage`. */
  readonly addGenerationPrompt?: boolean;
  /** Go on with the last message where its content ends, instead of answering it; not with `prefix`. */
  readonly continueFinalMessage?: boolean;
  /** Variables that this checkpoint's template reads, such as `enable_thinking`. */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
}

/** What a fork may do differently from the generation that it is split from. */
export interface ForkOptions
  extends Pick<
    GenerateOptions,
    | 'temperature'
    | 'topK'
    | 'topP'
    | 'minP'
    | 'repetitionPenalty'
    | 'presencePenalty'
    | 'frequencyPenalty'
    | 'seed'
    | 'logitBias'
    | 'stop'
    | 'signal'
  > {
  /** Which choice is split; default 0. */
  readonly choice?: number;
  /** Output tokens from here on; default: what the generation has left. */
  readonly maxTokens?: number;
}

/** How to hold what is cached of a prompt. */
export interface PinPromptOptions {
  /** The organisation's secret; default: the model's. */
  readonly salt?: string;
  /** Names the blocks for `invalidate`. */
  readonly tag?: string;
  /** The pin goes by itself after this; default: never. */
  readonly ttlMs?: number;
}

/** How to compute a prompt before anybody asks for its answer. */
export interface PrewarmOptions extends PinPromptOptions {
  /** False: the prompt stays cached like any other, and may be evicted; default true. */
  readonly pin?: boolean;
  /** Forget the blocks when nobody used them for so long. */
  readonly maxIdleMs?: number;
  /** Larger goes first; default 0. */
  readonly priority?: number;
  /** Ends the request and rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}
