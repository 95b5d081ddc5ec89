import type { Tokenizer } from 'tokenizers';
import { EngineError, InvalidArgumentError } from '../errors.js';
import {
  type ChatMessage,
  type ChatTool,
  canonicalTools,
  checkTools,
  normalizeMessages,
  type TemplateMessage,
} from './chat-messages.js';
import { ChatTemplates, type RenderInput } from './chat-template.js';
import { collectStrings, findUnusedChars, Mask, mapStrings } from './masking.js';
import {
  type EncodedText,
  loadTokenizer,
  PlainTokenizer,
  readSpecialTokens,
} from './plain-tokenizer.js';
import { findSections, type Section, tokenSections } from './sections.js';
import { SpecialTokenMatcher, type TextPiece } from './special-tokens.js';
import { findTemplateHazards, type TemplateHazard } from './template-hazards.js';
import type { TokenizerFiles } from './tokenizer-files.js';

/** A chat to be rendered and tokenised; plain data. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly ChatTool[];
  /** Sort the tools and their keys; default: as the caller has them. */
  readonly canonicalTools?: boolean;
  /** Default true, and false with `continueFinalMessage`. */
  readonly addGenerationPrompt?: boolean;
  /** End inside the last message, so that the model goes on with it. */
  readonly continueFinalMessage?: boolean;
  readonly templateVariables?: Readonly<Record<string, unknown>>;
  /** Give only what follows an assistant's reply that is already there as tokens. */
  readonly isContinuation?: boolean;
  /** Also find where tools and messages lie; costs a second rendering. */
  readonly wantSections?: boolean;
}

/** The tokens of a chat. */
export interface TokenizedChat {
  readonly tokens: Int32Array;
  /** In order of appearance; empty unless asked for. */
  readonly sections: readonly Section[];
}

/**
 * Tokenizer and chat template of one checkpoint, for one thread.
 *
 * Special tokens come from the template only. When no text of the caller contains the literal of one, the rendered
 * text is encoded as it is. Otherwise it is rendered with these literals masked, cut at the template's own special
 * tokens, and what lies between is encoded by a tokenizer that knows none: which is what the
 * tokenizer itself does, so the two ways give the same ids where both apply.
 */
export class TextCore {
  readonly #tokenizer: Tokenizer;
  readonly #templates: ChatTemplates;
  readonly #matcher: SpecialTokenMatcher;
  readonly #files: TokenizerFiles;
  #plain: PlainTokenizer | undefined;

  /**
   * @throws {EngineError} `ERR_TOKENIZER_INVALID` when tokenizer.json is refused, `ERR_TEMPLATE` when a chat
   *   template is
   */
  constructor(files: TokenizerFiles) {
    this.#files = files;
    this.#tokenizer = loadTokenizer(files.tokenizerJson);
    this.#templates = new ChatTemplates(files);
    this.#matcher = new SpecialTokenMatcher(readSpecialTokens(files.tokenizerJson));
  }

  /**
   * Encodes a text as it stands: the literals of special tokens in it are special tokens.
   *
   * @param addSpecialTokens also add those that the tokenizer puts around a text, such as the first token
   */
  async encode(text: string, addSpecialTokens: boolean): Promise<Int32Array> {
    const encoding = await this.#tokenizer.encode(text, null, { addSpecialTokens });
    return Int32Array.from(encoding.getIds());
  }

  /** Decodes several sequences at once, leaving out special tokens. */
  decodeBatch(ids: number[][]): Promise<string[]> {
    return this.#tokenizer.decodeBatch(ids, true);
  }

  /** Renders a chat without tokenising it, for people who want to see it. */
  render(request: ChatRequest): string {
    return this.#rendererOf(request)(renderInput(request));
  }

  /** What in the chat template destroys prefix reuse; renders a handful of small chats. */
  findHazards(): TemplateHazard[] {
    return this.#files.templates.length === 0 ? [] : findTemplateHazards(this.#files);
  }

  /**
   * Renders and tokenises a chat.
   *
   * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming the field of a message or tool
   * @throws {EngineError} `ERR_CHAT_TEMPLATE_MISSING` or `ERR_TEMPLATE`
   */
  async tokenizeChat(request: ChatRequest): Promise<TokenizedChat> {
    const input = renderInput(request);
    const texts = collectStrings(input);
    const isPlain = texts.every((text) => this.#matcher.findStarts(text).length === 0);
    const hiding = isPlain ? undefined : new Mask(this.#matcher, [...texts, ...this.#sources()]);
    const masked = hiding ? mapStrings(input, (text) => hiding.mask(text)) : input;
    const render = this.#rendererOf(request);
    const text = render(masked);
    const encoded = hiding
      ? await this.#encodeMasked(text, hiding)
      : await this.#encodePlain(text, request.wantSections === true);
    const tokens = Int32Array.from(encoded.ids);
    if (!request.wantSections || request.isContinuation) return { tokens, sections: [] };
    const ranges = findSections(masked.messages, masked.tools, text, (messages, tools) =>
      render({ ...masked, messages, tools }),
    );
    return { tokens, sections: tokenSections(ranges, text, encoded.offsets) };
  }

  #rendererOf(request: ChatRequest): (input: RenderInput) => string {
    if (request.isContinuation) return (input) => this.#renderAfterReply(input);
    if (request.continueFinalMessage) return (input) => this.#renderIntoLast(input);
    return (input) => this.#templates.render(input);
  }

  /**
   * Renders with a mark at the end of the last message, and gives what stands before the mark.
   *
   * A template that trims contents would not have trimmed the space before the mark: the text does.
   */
  #renderIntoLast(input: RenderInput): string {
    const [mark] = findUnusedChars(1, [...collectStrings(input), ...this.#sources()]);
    const last = input.messages[input.messages.length - 1];
    const marked = { ...last, content: `${last.content}${mark} ` };
    const text = this.#templates.render({
      ...input,
      messages: [...input.messages.slice(0, -1), marked],
    });
    const at = text.lastIndexOf(mark);
    if (at < 0) {
      throw new EngineError(
        'ERR_TEMPLATE',
        'the chat template leaves out the last message, so it cannot be continued',
      );
    }
    const before = text.slice(0, at);
    return text[at + 1] === ' ' ? before : before.trimEnd();
  }

  /** Renders a reply that is only a mark before the new messages, and gives what follows the mark. */
  #renderAfterReply(input: RenderInput): string {
    const [mark] = findUnusedChars(1, [...collectStrings(input), ...this.#sources()]);
    const past: TemplateMessage[] = [
      { role: 'user', content: '.' },
      { role: 'assistant', content: mark },
    ];
    const text = this.#templates.render({ ...input, messages: [...past, ...input.messages] });
    const at = text.lastIndexOf(mark);
    if (at >= 0) return text.slice(at + mark.length);
    throw new EngineError(
      'ERR_TEMPLATE',
      'the chat template leaves out earlier replies, so a prefix cannot be continued',
      { hint: 'Send the whole conversation without prefix.' },
    );
  }

  #sources(): string[] {
    return this.#files.templates.map((template) => template.source);
  }

  async #encodePlain(text: string, wantOffsets: boolean): Promise<EncodedText> {
    const encoding = await this.#tokenizer.encode(text, null, { addSpecialTokens: false });
    return { ids: encoding.getIds(), offsets: wantOffsets ? encoding.getOffsets() : [] };
  }

  async #encodeMasked(text: string, hiding: Mask): Promise<EncodedText> {
    const pieces = this.#matcher.split(text);
    this.#plain ??= new PlainTokenizer(this.#files.tokenizerJson);
    const texts = pieces
      .filter((piece) => !piece.special)
      .map((piece) => hiding.unmask(piece.text));
    const encoded = await this.#plain.encode(texts, pieces[0]?.special === undefined);
    return joinPieces(pieces, encoded);
  }
}

/** Puts special tokens and encoded stretches together, offsets counted from the start of the whole text. */
function joinPieces(pieces: readonly TextPiece[], encoded: readonly EncodedText[]): EncodedText {
  const ids: number[] = [];
  const offsets: number[][] = [];
  let numTexts = 0;
  let start = 0;
  for (const piece of pieces) {
    const length = [...piece.text].length;
    if (piece.special) {
      ids.push(piece.special.id);
      offsets.push([start, start + length]);
    } else {
      const part = encoded[numTexts++];
      for (const id of part.ids) ids.push(id);
      for (const [from, to] of part.offsets) offsets.push([start + from, start + to]);
    }
    start += length;
  }
  return { ids, offsets };
}

function renderInput(request: ChatRequest): RenderInput {
  const messages = normalizeMessages(request.messages);
  checkTools(request.tools);
  const { tools, continueFinalMessage = false, isContinuation, templateVariables } = request;
  for (const field of ['addGenerationPrompt', 'continueFinalMessage', 'canonicalTools'] as const) {
    const value: unknown = request[field];
    if (value === undefined || typeof value === 'boolean') continue;
    throw new InvalidArgumentError(field, value, 'true or false');
  }
  if (templateVariables !== undefined && !isObject(templateVariables)) {
    throw new InvalidArgumentError('templateVariables', templateVariables, 'an object');
  }
  const addGenerationPrompt = request.addGenerationPrompt ?? !continueFinalMessage;
  if (continueFinalMessage && (addGenerationPrompt || isContinuation)) {
    const other = isContinuation ? 'a prefix' : 'addGenerationPrompt';
    throw new InvalidArgumentError('continueFinalMessage', true, `false with ${other}`);
  }
  const ordered = tools && request.canonicalTools ? canonicalTools(tools) : tools;
  return {
    messages,
    tools: ordered?.length ? ordered : undefined,
    addGenerationPrompt,
    variables: templateVariables,
  };
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
