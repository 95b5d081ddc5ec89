import { inspect } from 'node:util';

/**
 * Every error code of this package and what it means; `docs/errors.md` has one row for each,
 * and `test/errors.test.ts` holds the two equal.
 */
export const errorCodes = {
  ERR_INVALID_ARGUMENT: 'an option or argument has the wrong type or lies outside its range',
  ERR_OUT_OF_BLOCKS: 'the KV pool has fewer free blocks than an operation needs',
  ERR_DOUBLE_FREE: 'something that was already freed was freed again',
  ERR_PIN_BUDGET: 'a pin would hold more of the KV pool than pins may',
  ERR_CLOSED: 'an engine, device or worker was used after close()',
  ERR_CHECKPOINT_NOT_FOUND: 'a model folder or a file that it must have does not exist',
  ERR_CONFIG_INVALID:
    'a field of config.json is missing, contradictory, or asks for what is not built',
  ERR_UNKNOWN_ARCHITECTURE:
    'config.json names an architecture that the forward loop does not describe',
  ERR_SAFETENSORS_HEADER: 'the header of a safetensors file is truncated, oversized or malformed',
  ERR_SAFETENSORS_INDEX: 'the index of a sharded checkpoint is malformed',
  ERR_SAFETENSORS_OVERLAP: 'two tensors of a safetensors file share bytes',
  ERR_SAFETENSORS_RANGE: "a tensor's byte range does not fit its shape, its alignment or its file",
  ERR_TENSOR_DTYPE: 'a tensor is stored in a dtype that weights cannot be loaded from',
  ERR_TENSOR_MISSING: 'a checkpoint lacks a tensor that its config or index promises',
  ERR_TENSOR_SHAPE: "a tensor's shape is not the one that the config implies",
  ERR_TENSOR_UNEXPECTED: 'a checkpoint has a weight that the forward loop would leave out',
  ERR_SHAPE_MISMATCH: 'a tensor has another shape than the operation needs',
  ERR_DTYPE_MISMATCH: 'a tensor has another dtype than the operation needs',
  ERR_OUT_OF_MEMORY: 'the device cannot give the memory that was asked for',
  ERR_TOO_MANY_STEPS: 'a third step was submitted while two were queued',
  ERR_INVALID_STEP:
    "a step's arrays contradict each other or leave their ranges; the step did not run, later ones do",
  ERR_TOKEN_OUT_OF_RANGE: 'a request or step names a token id outside the vocabulary; nothing ran',
  ERR_BLOCK_OUT_OF_RANGE:
    'a step, table change, copy or transfer names a block or slot outside the KV cache, or the null block where a real one is needed',
  ERR_PREVIOUS_STEP_FAILED: 'a step takes tokens from the samples of a step that failed',
  ERR_CUDA_UNAVAILABLE: "`backend: 'cuda'` was asked for and no GPU can be used",
  ERR_CUDA: 'a CUDA call or a kernel failed',
  ERR_DEVICE_LOST: 'an earlier CUDA error left the GPU unusable; nothing runs on it any more',
  ERR_UNSUPPORTED_GPU: 'there are kernels, but none that this GPU runs',
  ERR_UNSUPPORTED_DTYPE: 'the backend has no kernels for weights or KV caches of a dtype',
  ERR_ISA_UNAVAILABLE: 'this machine cannot run the instruction set that was asked for',
  ERR_ADDON_UNAVAILABLE:
    "the native addon was not found or could not be loaded; the error's `cause` says why",
  ERR_FILE_UNREADABLE: 'a file is missing or cannot be mapped into memory',
  ERR_NATIVE: 'the addon refused a call that TypeScript let pass: a bug in this package',
  ERR_EMPTY_PROMPT: 'a request has no prompt token',
  ERR_PROMPT_TOO_LONG: 'a prompt leaves no room for an answer in the context',
  ERR_POOL_TOO_SMALL: 'a single sequence needs more blocks than the whole KV pool has',
  ERR_QUEUE_FULL: 'as many requests wait as the queue may hold',
  ERR_TIMEOUT: 'a request had not ended when its `timeoutMs` were over',
  ERR_NON_FINITE_LOGITS: 'the model gave NaN or infinite logits for a request',
  ERR_STEP_FAILED: 'the executor could not run a step that a request was part of',
  ERR_TRACE_OFF: 'a trace was asked for, and nothing was recorded',
  ERR_REQUEST_NOT_FOUND: 'a message names a request or sample that is not running',
  ERR_PREFIX_RELEASED: 'a prefix handle was used after it was released or expired',
  ERR_MODEL_NOT_FOUND: 'load() found no model under any reading of its source',
  ERR_TOKENIZER_INVALID: 'tokenizer.json or tokenizer_config.json is missing or malformed',
  ERR_CHAT_TEMPLATE_MISSING: 'a chat was asked of a checkpoint without a chat template',
  ERR_TEMPLATE: 'the chat template does not parse, or refuses these messages',
  ERR_ENGINE_WORKER: 'the thread that runs the engine crashed; its requests and calls failed',
  ERR_SCHEMA_INVALID: 'a response format has what is no JSON schema, or one that nothing satisfies',
  ERR_SCHEMA_UNSUPPORTED: 'a JSON schema uses a keyword that would not be enforced',
  ERR_GRAMMAR_INVALID: 'a regular expression or grammar of a response format does not parse',
  ERR_GRAMMAR_STUCK: 'no token continues what a grammar asks for',
  ERR_GRAMMAR_WORKER: 'the thread that compiles grammars crashed; requests with one failed',
  ERR_RESPONSE_INVALID: 'an answer is no JSON, or not what the schema asks for; carried by a reply',
  ERR_TEXT_WORKER: 'the thread that renders and tokenises crashed; its calls failed',
  ERR_HUB_UNREACHABLE: 'the Hugging Face hub does not answer, or the connection broke',
  ERR_HUB_OFFLINE: 'HF_HUB_OFFLINE is set and the cache lacks files of the model',
  ERR_HUB_ACCESS: 'the Hugging Face hub refuses access to a gated or private model',
  ERR_HUB_NOT_FOUND: 'the Hugging Face hub has no model of this name',
  ERR_HUB_REVISION_NOT_FOUND: 'a model of the Hugging Face hub has no such branch, tag or commit',
  ERR_HUB_CORRUPT: 'a downloaded file has another size or hash than the Hugging Face hub lists',
  ERR_HUB_FAILED: 'the Hugging Face hub gave an answer that is none',
  ERR_HUB_CACHE: 'the cache of the Hugging Face tools cannot be written',
  ERR_GGUF_HEADER: 'the header of a GGUF file is truncated, oversized or malformed',
  ERR_GGUF_RANGE: "a tensor's bytes do not fit their GGUF file, its alignment or another tensor",
} as const;

/** A code that an {@link EngineError} carries. */
export type ErrorCode = keyof typeof errorCodes;

/** What an error may carry beside its message. */
export interface EngineErrorOptions {
  readonly cause?: unknown;
  /** One sentence that says what to do. */
  readonly hint?: string;
}

/** Base of every error that this package throws on purpose. */
export class EngineError extends Error {
  override readonly name: string = 'EngineError';
  readonly hint: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: EngineErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

/** Thrown when a field of the caller's input is refused; names the field, the value and the limit. */
export class InvalidArgumentError extends EngineError {
  override readonly name = 'InvalidArgumentError';

  constructor(
    readonly field: string,
    readonly value: unknown,
    readonly limit: string,
    code: ErrorCode = 'ERR_INVALID_ARGUMENT',
  ) {
    super(code, `${field} is ${describeValue(value)}; expected ${limit}`);
  }
}

/** Thrown when a sequence cannot grow; the scheduler catches it and preempts. */
export class OutOfBlocksError extends EngineError {
  override readonly name = 'OutOfBlocksError';

  constructor(
    readonly numNeeded: number,
    readonly numFree: number,
  ) {
    super('ERR_OUT_OF_BLOCKS', `need ${numNeeded} blocks; ${numFree} are free`);
  }
}

/** The option whose limit a full queue has reached. */
export type QueueLimit = 'maxQueue' | 'maxQueuePerSalt';

/** Thrown when as many requests wait as the engine was told to queue, of all or of one salt. */
export class QueueFullError extends EngineError {
  override readonly name = 'QueueFullError';

  constructor(
    readonly numWaiting: number,
    /** The limit that was reached: the value of the option that `limitedBy` names. */
    readonly maxQueue: number,
    /** About how long the engine needs for what waits and runs, at least 1; fits `setTimeout`. */
    readonly retryAfterMs: number,
    readonly limitedBy: QueueLimit = 'maxQueue',
  ) {
    const [whose, holder] =
      limitedBy === 'maxQueue' ? ['', 'the queue'] : [' of this salt', 'its part of the queue'];
    super(
      'ERR_QUEUE_FULL',
      `${numWaiting} requests${whose} wait; ${holder} holds ${maxQueue} (${limitedBy}); ` +
        `try again in ${retryAfterMs} ms`,
    );
  }
}

/** Thrown when pins would hold more blocks than their share of the pool. */
export class PinBudgetError extends EngineError {
  override readonly name = 'PinBudgetError';

  constructor(
    readonly numNeeded: number,
    readonly numPinned: number,
    readonly maxPinned: number,
  ) {
    super(
      'ERR_PIN_BUDGET',
      `the pin needs ${numNeeded} more blocks; ${numPinned} of at most ${maxPinned} are pinned`,
    );
  }
}

/** Thrown when CUDA refused or failed; `code` is `ERR_CUDA`, or the consequence that it had. */
export class CudaError extends EngineError {
  override readonly name = 'CudaError';

  constructor(
    message: string,
    /** CUresult of the driver, or the status of cuBLASLt. */
    readonly cudaCode: number,
    /** The function that gave it. */
    readonly call: string,
    /** The kernel that was launched; empty where none was. */
    readonly kernel: string,
    code: ErrorCode = 'ERR_CUDA',
  ) {
    super(code, message);
  }
}

/** What crosses between threads of a refused value: itself where it is plain, else how it reads. */
export function plainValue(value: unknown): string | number | boolean | null | undefined {
  if (value === null || value === undefined || typeof value === 'boolean') return value;
  return typeof value === 'number' || typeof value === 'string' ? value : describeValue(value);
}

/** A value as it stands in an error message, at most 60 characters long. */
function describeValue(value: unknown): string {
  const shown = { depth: 1, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 8 };
  const text = typeof value === 'string' ? JSON.stringify(value) : inspect(value, shown);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
