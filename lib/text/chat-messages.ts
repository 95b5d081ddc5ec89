import { InvalidArgumentError } from '../errors.js';

/** Who speaks. The set is closed: some templates paste the role between the marks of a special token. */
export type ChatRole = 'system' | 'developer' | 'user' | 'assistant' | 'tool';

/** One piece of a message's content; only text for now. */
export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A call that the assistant made, in OpenAI's shape; `arguments` may be JSON text or the object. */
export interface ToolCall {
  readonly id?: string;
  readonly type?: 'function';
  readonly function: {
    readonly name: string;
    readonly arguments: string | Readonly<Record<string, unknown>>;
  };
}

/** One message of a chat, in OpenAI's shape; keys not named here reach the template as they are. */
export interface ChatMessage {
  readonly role: ChatRole;
  readonly content?: string | readonly TextPart[] | null;
  readonly name?: string;
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
}

/** A function that the model may call, in OpenAI's shape; `parameters` is a JSON schema. */
export interface ChatTool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters?: Readonly<Record<string, unknown>>;
  };
}

/** A message as the template sees it: content is text, tool arguments are objects. */
export interface TemplateMessage {
  readonly role: ChatRole;
  readonly content: string;
  readonly [key: string]: unknown;
}

const roles: readonly string[] = ['system', 'developer', 'user', 'assistant', 'tool'];

/**
 * Checks messages that a caller gave and brings them into the shape that chat templates expect.
 *
 * Text parts become one string, joined by line feeds; tool arguments given as JSON text become objects
 * (templates print them with `tojson`).
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming the message and its field
 */
export function normalizeMessages(messages: readonly ChatMessage[]): TemplateMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new InvalidArgumentError('messages', messages, 'an array of at least one message');
  }
  return messages.map((message, i) => normalizeMessage(message, `messages[${i}]`));
}

function normalizeMessage(message: ChatMessage, field: string): TemplateMessage {
  if (typeof message !== 'object' || message === null) {
    throw new InvalidArgumentError(field, message, 'an object with role and content');
  }
  if (!roles.includes(message.role)) {
    throw new InvalidArgumentError(`${field}.role`, message.role, `one of ${roles.join(', ')}`);
  }
  const content = contentText(message, field);
  if (message.tool_calls === undefined) return { ...message, content };
  if (!Array.isArray(message.tool_calls)) {
    throw new InvalidArgumentError(`${field}.tool_calls`, message.tool_calls, 'an array');
  }
  const calls = message.tool_calls.map((call, i) =>
    normalizeCall(call, `${field}.tool_calls[${i}]`),
  );
  return { ...message, content, tool_calls: calls };
}

function contentText(message: ChatMessage, field: string): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  if (content === undefined || content === null) {
    if (message.role === 'assistant' && message.tool_calls !== undefined) return '';
    throw new InvalidArgumentError(`${field}.content`, content, 'text');
  }
  if (!Array.isArray(content)) {
    throw new InvalidArgumentError(`${field}.content`, content, 'text or an array of text parts');
  }
  return content.map((part, i) => partText(part, `${field}.content[${i}]`)).join('\n');
}

function partText(part: TextPart, field: string): string {
  if (part?.type !== 'text' || typeof part.text !== 'string') {
    throw new InvalidArgumentError(field, part?.type, 'a part of type text with a text');
  }
  return part.text;
}

function normalizeCall(call: ToolCall, field: string): ToolCall {
  const given = call?.function;
  if (typeof given?.name !== 'string') {
    throw new InvalidArgumentError(`${field}.function.name`, given?.name, 'a name');
  }
  if (typeof given.arguments !== 'string') return call;
  return { ...call, function: { ...given, arguments: parseArguments(given.arguments, field) } };
}

function parseArguments(json: string, field: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Refused below, with the text itself.
  }
  throw new InvalidArgumentError(`${field}.function.arguments`, json, 'a JSON object');
}

/**
 * Checks the tools of a request.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming the tool and its field
 */
export function checkTools(tools: readonly ChatTool[] | undefined): void {
  if (tools === undefined) return;
  if (!Array.isArray(tools)) throw new InvalidArgumentError('tools', tools, 'an array of tools');
  for (const [i, tool] of tools.entries()) {
    const name: unknown = tool?.function?.name;
    if (tool?.type !== 'function' || typeof name !== 'string') {
      throw new InvalidArgumentError(`tools[${i}]`, tool?.type, 'a function with a name');
    }
  }
}

/**
 * Brings tools into one order: sorted by name, and the keys of every object in them sorted too.
 *
 * Equal tools then give equal prompts, whatever order a serialisation had them in.
 */
export function canonicalTools(tools: readonly ChatTool[]): ChatTool[] {
  const byName = (a: ChatTool, b: ChatTool) => compare(a.function.name, b.function.name);
  return [...tools].sort(byName).map((tool) => withSortedKeys(tool) as ChatTool);
}

function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => compare(a, b));
  return Object.fromEntries(entries.map(([key, item]) => [key, withSortedKeys(item)]));
}

/** By UTF-16 units: the same on every machine. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
