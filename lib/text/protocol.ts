import { EngineError, type ErrorCode, InvalidArgumentError, plainValue } from '../errors.js';
import type { ChatRequest, TokenizedChat } from './text-core.js';

/** What the worker is asked to do; plain data. */
export type TextCall =
  | { readonly method: 'chat'; readonly request: ChatRequest }
  | { readonly method: 'encode'; readonly text: string; readonly addSpecialTokens: boolean };

/** A call on its way to the worker. */
export interface TextRequest {
  readonly id: number;
  readonly call: TextCall;
}

/** The worker's answer. */
export type TextResponse =
  | { readonly id: number; readonly result: TokenizedChat }
  | { readonly id: number; readonly error: PlainError };

/** An error as it crosses between threads: structured clone would lose class and code. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** Of an {@link InvalidArgumentError}. */
  readonly argument?: {
    readonly field: string;
    readonly value: ReturnType<typeof plainValue>;
    readonly limit: string;
  };
}

/** Takes an error apart; one that is not ours becomes `ERR_TEXT_WORKER`. */
export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof EngineError)) return { code: 'ERR_TEXT_WORKER', message: String(error) };
  const { code, message, hint } = error;
  if (!(error instanceof InvalidArgumentError)) return { code, message, hint };
  const { field, value, limit } = error;
  return { code, message, hint, argument: { field, value: plainValue(value), limit } };
}

/** Makes the typed error again. */
export function fromPlainError({ code, message, hint, argument }: PlainError): EngineError {
  if (argument)
    return new InvalidArgumentError(argument.field, argument.value, argument.limit, code);
  return new EngineError(code, message, { hint });
}
