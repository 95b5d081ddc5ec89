import { randomUUID } from 'node:crypto';
import { Tokenizer } from 'tokenizers';
import { EngineError } from '../errors.js';
import type { SpecialToken } from './special-tokens.js';

interface AddedTokenJson {
  id: number;
  content: string;
  special: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  single_word?: boolean;
}

interface TokenizerJson {
  added_tokens?: AddedTokenJson[];
  post_processor?: unknown;
  model: {
    vocab: Record<string, number> | [string, number][];
    merges?: (string | [string, string])[];
    unk_token?: string | null;
  };
}

/** The special tokens that a tokenizer.json declares, in its order. */
export function readSpecialTokens(tokenizerJson: string): SpecialToken[] {
  const json = JSON.parse(tokenizerJson) as TokenizerJson;
  return (json.added_tokens ?? [])
    .filter((token) => token.special && token.content.length > 0)
    .map((token) => ({
      id: token.id,
      content: token.content,
      lstrip: token.lstrip ?? false,
      rstrip: token.rstrip ?? false,
      singleWord: token.single_word ?? false,
    }));
}

/**
 * A tokenizer that takes the literals of special tokens for ordinary text.
 *
 * It is the checkpoint's own tokenizer with every special token renamed to something that nobody can type,
 * so that all ids stay. Needed only for texts in which a caller wrote such a literal; made on first use,
 * because a large vocabulary takes half a second.
 */
export class PlainTokenizer {
  readonly #atStart: Tokenizer;
  readonly #further: Tokenizer;
  readonly #specialIds: ReadonlySet<number>;

  constructor(tokenizerJson: string) {
    const json = JSON.parse(tokenizerJson) as TokenizerJson;
    this.#specialIds = renameSpecialTokens(json);
    json.post_processor = null;
    this.#atStart = load(json);
    this.#further = prefixesFirstPieceOnly(json) ? load(json) : this.#atStart;
  }

  /**
   * Encodes stretches of text that lie between special tokens.
   *
   * @param texts the stretches, none empty
   * @param isAtStart the first one starts the whole text: some tokenizers put a space in front of that one only
   * @returns per stretch its ids and their `[start, end)` in code points
   * @throws {EngineError} `ERR_TOKENIZER_INVALID` when text became a special token after all
   */
  async encode(texts: readonly string[], isAtStart: boolean): Promise<EncodedText[]> {
    const options = { addSpecialTokens: false };
    const numFirst = isAtStart ? 1 : 0;
    const [first, rest] = await Promise.all([
      this.#atStart.encodeBatch(texts.slice(0, numFirst), options),
      this.#further.encodeBatch(texts.slice(numFirst), options),
    ]);
    return [...first, ...rest].map((encoding) => {
      const ids = encoding.getIds();
      const special = ids.find((id) => this.#specialIds.has(id));
      if (special === undefined) return { ids, offsets: encoding.getOffsets() };
      throw new EngineError(
        'ERR_TOKENIZER_INVALID',
        `the tokenizer turns text into special token ${special}`,
      );
    });
  }
}

/** Ids of a text and the code points that each stands for, as `[start, end)`. */
export interface EncodedText {
  readonly ids: readonly number[];
  readonly offsets: readonly (readonly number[])[];
}

/** Gives every special token but `unk` a secret name, in all places; returns their ids. */
function renameSpecialTokens(json: TokenizerJson): Set<number> {
  const secret = randomUUID();
  const names = new Map<string, string>();
  const ids = new Set<number>();
  for (const token of json.added_tokens ?? []) {
    if (!token.special) continue;
    const name = `\u{10fffd}${secret}${token.id}`;
    names.set(token.content, name);
    if (token.content !== json.model.unk_token) ids.add(token.id);
    token.content = name;
  }
  const { model } = json;
  const rename = <T>([piece, value]: [string, T]): [string, T] => [
    names.get(piece) ?? piece,
    value,
  ];
  model.vocab = Array.isArray(model.vocab)
    ? model.vocab.map(rename)
    : Object.fromEntries(Object.entries(model.vocab).map(rename));
  model.merges = model.merges?.filter((merge) => !touches(merge, names));
  if (model.unk_token) model.unk_token = names.get(model.unk_token) ?? model.unk_token;
  return ids;
}

/** Whether a merge takes or gives a token that was renamed. */
function touches(merge: string | [string, string], names: ReadonlyMap<string, string>): boolean {
  const [left, right] = typeof merge === 'string' ? merge.split(' ') : merge;
  return names.has(left) || names.has(right) || names.has(left + right);
}

/** Sets Metaspace's `first` to `never`, as it is for all pieces but the first; false when there is none. */
function prefixesFirstPieceOnly(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const node = value as { prepend_scheme?: string };
  if (node.prepend_scheme === 'first') {
    node.prepend_scheme = 'never';
    return true;
  }
  const { pre_tokenizer, pretokenizers } = value as Record<string, unknown>;
  const children = Array.isArray(pretokenizers) ? pretokenizers : [pre_tokenizer];
  return children.map(prefixesFirstPieceOnly).includes(true);
}

function load(json: TokenizerJson): Tokenizer {
  return loadTokenizer(JSON.stringify(json));
}

/**
 * Makes a tokenizer that neither truncates nor pads, whatever its file asks for. Synchronous: 0.5 s for 128k tokens.
 *
 * @throws {EngineError} `ERR_TOKENIZER_INVALID` with the parser's own words
 */
export function loadTokenizer(tokenizerJson: string): Tokenizer {
  try {
    const tokenizer = Tokenizer.fromString(tokenizerJson);
    tokenizer.disableTruncation();
    tokenizer.disablePadding();
    return tokenizer;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new EngineError('ERR_TOKENIZER_INVALID', `tokenizer.json is refused: ${words}`, {
      cause: error,
    });
  }
}
