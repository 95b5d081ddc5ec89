import type { EnginePort } from '../engine/index.js';
import { InvalidArgumentError } from '../errors.js';
import type { Explanation as CacheExplanation } from '../kv/index.js';
import type { ChatMessage, ChatTool, Section, TextWorker } from '../text/index.js';
import { copyPrompt } from './submit-message.js';

/** A prompt to ask about, or to hold: a chat as `chat()` takes it, or a prompt as `generate()` does. */
export type PromptSpec =
  | {
      readonly messages: readonly ChatMessage[];
      readonly tools?: readonly ChatTool[];
      readonly canonicalTools?: boolean;
      readonly templateVariables?: Readonly<Record<string, unknown>>;
      /** End the prompt with the header of the assistant's message; default true. */
      readonly addGenerationPrompt?: boolean;
    }
  | { readonly prompt: string | Int32Array | readonly number[] };

/** Why a prompt is not cached, or not wholly. */
export interface Explanation extends Omit<CacheExplanation, 'nearest'> {
  readonly numTokens: number;
  /** Where the first token that must be computed comes from: `messages[2].content`, `tools`, or `template`. */
  readonly where: string | undefined;
  /** What the prompt says from there on. */
  readonly text: string | undefined;
  /** What the nearest cached block says instead; `undefined` when the prompt leaves it where it ends. */
  readonly cachedText: string | undefined;
}

/** Tokens that are shown of each side of a divergence. */
const numShownTokens = 12;

/**
 * A prompt in tokens, and where its parts lie.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` when it is neither a chat nor a prompt
 */
export async function tokenizeSpec(
  spec: PromptSpec,
  text: TextWorker,
): Promise<{ tokens: Int32Array; sections: readonly Section[] }> {
  const isSpec = typeof spec === 'object' && spec !== null;
  if (!isSpec || !('messages' in spec || 'prompt' in spec)) {
    throw new InvalidArgumentError('spec', spec, '{ messages } or { prompt }');
  }
  if ('messages' in spec) return text.tokenizeChat({ ...spec, wantSections: true });
  const { prompt } = spec;
  const tokens = typeof prompt === 'string' ? await text.encode(prompt) : copyPrompt(prompt);
  return { tokens, sections: [] };
}

/** Asks the cache about a prompt and puts its answer into words of the request. */
export async function explain(
  spec: PromptSpec,
  salt: string | undefined,
  core: EnginePort,
  text: TextWorker,
): Promise<Explanation> {
  const { tokens, sections } = await tokenizeSpec(spec, text);
  const { nearest, ...found } = await core.explain(
    salt === undefined ? { tokens } : { tokens, salt },
  );
  const at = found.firstDivergentToken;
  if (at === undefined) {
    return {
      ...found,
      numTokens: tokens.length,
      where: undefined,
      text: undefined,
      cachedText: undefined,
    };
  }
  const shown = (ids: Int32Array, start: number) => [
    ...ids.subarray(start, start + numShownTokens),
  ];
  const theirs = nearest ? shown(nearest.tokens, nearest.numTokens) : [];
  const [ourText, cachedText] = await text.decodeBatch([shown(tokens, at), theirs]);
  return {
    ...found,
    numTokens: tokens.length,
    where: 'messages' in spec ? partAt(at, sections) : 'prompt',
    text: ourText,
    cachedText: cachedText === '' ? undefined : cachedText,
  };
}

function partAt(token: number, sections: readonly Section[]): string {
  const part = sections.find(({ start, end }) => start <= token && token < end);
  if (!part) return 'template';
  return part.kind === 'tools' ? 'tools' : `messages[${part.index}].content`;
}
