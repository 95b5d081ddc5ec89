import {
  CudaError,
  EngineError,
  type ErrorCode,
  errorCodes,
  InvalidArgumentError,
  OutOfBlocksError,
  PinBudgetError,
  plainValue,
  QueueFullError,
  type QueueLimit,
} from '../errors.js';
import type { FailedEvent } from './messages.js';

/** The plain-data form of an error, as a `failed` event carries it. */
export function failureOf(id: number, error: unknown): FailedEvent {
  if (!(error instanceof EngineError)) {
    const message = error instanceof Error ? error.message : String(error);
    return { type: 'failed', id, code: codeOf(error), message };
  }
  const details = detailsOf(error);
  const { code, message, hint } = error;
  const failure: FailedEvent = { type: 'failed', id, code, message };
  if (hint !== undefined) failure.hint = hint;
  if (details !== undefined) failure.details = details;
  return failure;
}

/** The typed error that a `failed` event stands for. */
export function errorOf(failure: FailedEvent): EngineError {
  const { code, message, hint, details } = failure;
  if (details !== undefined && 'limit' in details) {
    return new InvalidArgumentError(
      String(details.field),
      details.value,
      String(details.limit),
      code as ErrorCode,
    );
  }
  if (code === 'ERR_QUEUE_FULL' && details !== undefined) {
    const { numWaiting, maxQueue, retryAfterMs, limitedBy } = details;
    return new QueueFullError(
      Number(numWaiting),
      Number(maxQueue),
      Number(retryAfterMs),
      limitedBy as QueueLimit,
    );
  }
  if (code === 'ERR_OUT_OF_BLOCKS' && details !== undefined) {
    return new OutOfBlocksError(Number(details.numNeeded), Number(details.numFree));
  }
  if (code === 'ERR_PIN_BUDGET' && details !== undefined) {
    const { numNeeded, numPinned, maxPinned } = details;
    return new PinBudgetError(Number(numNeeded), Number(numPinned), Number(maxPinned));
  }
  if (details !== undefined && 'cudaCode' in details) {
    const { cudaCode, call, kernel } = details;
    return new CudaError(
      message,
      Number(cudaCode),
      String(call),
      String(kernel),
      code as ErrorCode,
    );
  }
  return new EngineError(code as ErrorCode, message, { hint });
}

function detailsOf(error: EngineError): FailedEvent['details'] {
  if (error instanceof InvalidArgumentError) {
    const { field, value, limit } = error;
    return { field, value: plainValue(value), limit };
  }
  if (error instanceof QueueFullError) {
    const { numWaiting, maxQueue, retryAfterMs, limitedBy } = error;
    return { numWaiting, maxQueue, retryAfterMs, limitedBy };
  }
  if (error instanceof OutOfBlocksError) {
    return { numNeeded: error.numNeeded, numFree: error.numFree };
  }
  if (error instanceof PinBudgetError) {
    const { numNeeded, numPinned, maxPinned } = error;
    return { numNeeded, numPinned, maxPinned };
  }
  if (error instanceof CudaError) {
    const { cudaCode, call, kernel } = error;
    return { cudaCode, call, kernel };
  }
  return undefined;
}

/** A device's error may come from another realm: its code counts where it is one of ours. */
function codeOf(error: unknown): ErrorCode {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && code in errorCodes ? (code as ErrorCode) : 'ERR_STEP_FAILED';
}
