/**
 * Every error code of this package and what it means; `docs/errors.md` has one row for each,
 * and `test/errors.test.ts` holds the two equal.
 */
export const errorCodes = {
  ERR_INVALID_ARGUMENT: 'an option or argument has the wrong type or lies outside its range',
  ERR_OUT_OF_BLOCKS: 'the KV pool has fewer free blocks than an operation needs',
  ERR_DOUBLE_FREE: 'something that was already freed was freed again',
  ERR_CLOSED: 'an engine, device or worker was used after close()',
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

/** A value as it stands in an error message, at most 60 characters long. */
function describeValue(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
