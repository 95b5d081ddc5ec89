import type { Tokenizer } from 'tokenizers';
import { EngineError } from '../errors.js';
import {
  type ChatMessage,
  type ChatTool,
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
import type { TokenizerFiles } from './tokenizer-files.js';

/** A chat to be rendered and tokenised; plain data. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly ChatTool[];
  /** Default true. */
  readonly addGenerationPrompt?: boolean;
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

  /** @throws {EngineError} `ERR_TOKENIZER_INVALID` when tokenizer.json is refused */
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
    return this.#templates.render(renderInput(request));
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
    const text = request.isContinuation
      ? this.#renderAfterReply(masked)
      : this.#templates.render(masked);
    const encoded = hiding
      ? await this.#encodeMasked(text, hiding)
      : await this.#encodePlain(text, request.wantSections === true);
    const tokens = Int32Array.from(encoded.ids);
    if (!request.wantSections || request.isContinuation) return { tokens, sections: [] };
    const ranges = findSections(masked.messages, masked.tools, text, (messages, tools) =>
      this.#templates.render({ ...masked, messages, tools }),
    );
    return { tokens, sections: tokenSections(ranges, text, encoded.offsets) };
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
  return {
    messages,
    tools: request.tools?.length ? request.tools : undefined,
    addGenerationPrompt: request.addGenerationPrompt ?? true,
    variables: request.templateVariables,
  };
}
