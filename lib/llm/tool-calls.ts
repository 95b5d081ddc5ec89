import { randomBytes } from 'node:crypto';
import { InvalidArgumentError } from '../errors.js';
import { HermesSyntax } from './tool-syntax-hermes.js';
import { LlamaSyntax } from './tool-syntax-llama.js';

/** How a model writes calls: `<tool_call>{"name", "arguments"}</tool_call>`, or `{"name", "parameters"}` alone. */
export type ToolFormat = 'hermes' | 'llama';

/** A call of a tool that the model made. */
export interface FunctionCall {
  /** Made up here, never twice; for the `tool_call_id` of the answer. */
  readonly id: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** A stretch of a choice's text, read as what it stands for. */
export type ReplyPart =
  | {
      readonly type: 'text';
      readonly text: string;
      /** Why it is text, where it began like a call. */
      readonly malformed?: string;
    }
  | { readonly type: 'toolCall'; readonly call: FunctionCall };

/** What a syntax finds: text, or what stands where a call should. */
export type Piece =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'call';
      readonly raw: string;
      readonly json: string;
      readonly isSure: boolean;
    };

/** Splits a growing text; what it gives depends on the text alone, not on the pieces that it came in. */
export interface ToolSyntax {
  /** @param isLast no text follows */
  push(text: string, isLast: boolean): Piece[];
}

/** Reads the tool calls of one choice while it grows. */
export class ToolCallReader {
  /** Everything so far; neighbouring texts are one. */
  readonly parts: ReplyPart[] = [];
  readonly #syntax: ToolSyntax;

  constructor(format: ToolFormat) {
    this.#syntax = format === 'hermes' ? new HermesSyntax() : new LlamaSyntax();
  }

  get calls(): FunctionCall[] {
    return this.parts.flatMap((part) => (part.type === 'toolCall' ? [part.call] : []));
  }

  /** Takes text and gives the parts that it completes; a call comes as a whole. */
  push(text: string, isLast: boolean): ReplyPart[] {
    const parts = this.#syntax.push(text, isLast).map(partOf);
    for (const part of parts) this.#keep(part);
    return parts;
  }

  #keep(part: ReplyPart): void {
    const last = this.parts.at(-1);
    const isMore = isPlain(part) && last !== undefined && isPlain(last);
    if (isMore) this.parts[this.parts.length - 1] = { type: 'text', text: last.text + part.text };
    else this.parts.push(part);
  }
}

/**
 * The format that a request's calls are read in; `undefined` where none are.
 *
 * @param known what the checkpoint's template or special tokens tell
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT`
 */
export function toolFormatOf(
  asked: ToolFormat | 'auto' | 'none' | undefined,
  hasTools: boolean,
  known: ToolFormat | undefined,
): ToolFormat | undefined {
  if (asked === undefined || asked === 'auto') return hasTools ? known : undefined;
  if (asked === 'none') return undefined;
  if (asked === 'hermes' || asked === 'llama') return asked;
  throw new InvalidArgumentError('toolFormat', asked, "'auto', 'hermes', 'llama' or 'none'");
}

function isPlain(part: ReplyPart): part is ReplyPart & { type: 'text' } {
  return part.type === 'text' && part.malformed === undefined;
}

function partOf(piece: Piece): ReplyPart {
  if (piece.type === 'text') return piece;
  const call = readCall(piece.json);
  if (typeof call === 'object') {
    const id = `call_${randomBytes(12).toString('hex')}`;
    return { type: 'toolCall', call: { id, ...call } };
  }
  const { raw: text } = piece;
  return piece.isSure ? { type: 'text', text, malformed: call } : { type: 'text', text };
}

/** A call, or what is wrong with it. */
export function readCall(json: string): Omit<FunctionCall, 'id'> | string {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    return `no JSON: ${(error as Error).message}`;
  }
  if (!isObject(value)) return 'no JSON object';
  if (typeof value.name !== 'string' || value.name === '') return 'no name';
  const given = value.arguments ?? value.parameters ?? {};
  return isObject(given) ? { name: value.name, arguments: given } : 'arguments that are no object';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
