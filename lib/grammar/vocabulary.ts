import { EngineError } from '../errors.js';

/** The tokens of a model as XGrammar takes them. */
export interface Vocabulary {
  /** By id; empty for ids that are no text. */
  readonly pieces: readonly string[];
  /** How bytes stand in the pieces. */
  readonly kind: 'byte_level' | 'byte_fallback' | 'raw';
}

interface TokenizerJson {
  readonly added_tokens?: readonly { id: number; content: string; special: boolean }[];
  readonly model?: { readonly vocab?: Record<string, number> | [string, number][] };
  readonly decoder?: unknown;
}

/**
 * Reads a vocabulary from the text of a tokenizer.json.
 *
 * Special tokens are no text: no grammar ever allows one inside its language.
 *
 * @param vocabSize logits of the model; ids past it are left out, and those that the file lacks are empty
 * @throws {EngineError} `ERR_TOKENIZER_INVALID` when there is no vocabulary
 */
export function readVocabulary(tokenizerJson: string, vocabSize: number): Vocabulary {
  const json = JSON.parse(tokenizerJson) as TokenizerJson;
  const vocab = json.model?.vocab;
  if (vocab === undefined) {
    throw new EngineError('ERR_TOKENIZER_INVALID', 'tokenizer.json has no model.vocab');
  }
  const pieces = new Array<string>(vocabSize).fill('');
  const set = (id: number, piece: string) => {
    if (id < vocabSize) pieces[id] = piece;
  };
  const entries = Array.isArray(vocab)
    ? vocab.map(([piece], id): [string, number] => [piece, id])
    : Object.entries(vocab);
  for (const [piece, id] of entries) set(id, piece);
  for (const { id, content, special } of json.added_tokens ?? []) set(id, special ? '' : content);
  return { pieces, kind: kindOf(JSON.stringify(json.decoder ?? null)) };
}

function kindOf(decoder: string): Vocabulary['kind'] {
  if (decoder.includes('"ByteLevel"')) return 'byte_level';
  return /"ByteFallback"|"Metaspace"|▁/.test(decoder) ? 'byte_fallback' : 'raw';
}
