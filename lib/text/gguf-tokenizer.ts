import { EngineError } from '../errors.js';
import { type GgufFields, openGgufHeader } from '../gguf/index.js';
import { preTokenizers, spaceMark } from './gguf-pre-tokenizers.js';
import type { TokenizerFiles } from './tokenizer-files.js';

/** What GGUF's `token_type` says of a token. */
const tokenTypes = { unknown: 2, control: 3, userDefined: 4, byte: 6 } as const;

const prefix = 'tokenizer.ggml.';

/**
 * Reads tokenizer and chat template of a GGUF file, as the tokenizer.json that says the same.
 *
 * @throws {EngineError} `ERR_TOKENIZER_INVALID` when a part is missing or of a kind that is not known; `ERR_GGUF_…`
 */
export function readGgufTokenizer(path: string): TokenizerFiles {
  const { fields } = openGgufHeader(path);
  const source = fields.findText('tokenizer.chat_template');
  return {
    folder: path,
    tokenizerJson: JSON.stringify(tokenizerOf(fields, path)),
    templates: source === undefined ? [] : [{ name: 'default', source }],
    namedTokens: namedTokens(fields),
  };
}

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: ArrayLike<number>;
  readonly bosId: number | undefined;
}

function tokenizerOf(fields: GgufFields, path: string): object {
  const kind = fields.findText(`${prefix}model`);
  const vocabulary = readVocabulary(fields, path);
  if (kind === 'gpt2') return byteLevelTokenizer(fields, vocabulary, path);
  if (kind === 'llama') return sentencePieceTokenizer(fields, vocabulary, path);
  throw invalid(path, `has a tokenizer of the kind ${JSON.stringify(kind)}; known are gpt2, llama`);
}

function readVocabulary(fields: GgufFields, path: string): Vocabulary {
  const tokens = fields.findTexts(`${prefix}tokens`);
  if (!tokens || tokens.length === 0) throw invalid(path, `has no ${prefix}tokens`);
  const types = fields.findNumbers(`${prefix}token_type`) ?? new Uint8Array(tokens.length).fill(1);
  if (types.length !== tokens.length) {
    throw invalid(path, `has ${tokens.length} tokens and ${types.length} token types`);
  }
  const repeated = tokens.length - new Set(tokens).size;
  if (repeated > 0) throw invalid(path, `has ${repeated} tokens twice`);
  const bosId = fields.findNumber(`${prefix}bos_token_id`);
  return { tokens, types, bosId };
}

/** Of the kind of GPT-2: bytes as printable characters, merges given. */
function byteLevelTokenizer(fields: GgufFields, vocabulary: Vocabulary, path: string): object {
  const pre = fields.findText(`${prefix}pre`) ?? 'default';
  if (!Object.hasOwn(preTokenizers, pre)) {
    const known = Object.keys(preTokenizers).join(', ');
    throw invalid(path, `has the pre-tokenizer ${JSON.stringify(pre)}; known are ${known}`);
  }
  const { split, ignoresMerges = false, normalizer = null } = preTokenizers[pre];
  const merges = (fields.findTexts(`${prefix}merges`) ?? []).map((merge) => merge.split(' '));
  const known = new Set(vocabulary.tokens);
  const odd = merges.find(([a, b, more]) => more !== undefined || !known.has(a + b));
  if (odd) throw invalid(path, `has the merge ${JSON.stringify(odd)}, which gives no token`);
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false };
  return {
    version: '1.0',
    added_tokens: addedTokens(vocabulary),
    normalizer,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [...split, { ...byteLevel, use_regex: false }],
    },
    post_processor: addsBos(fields, false) ? bosProcessor(vocabulary) : null,
    decoder: { ...byteLevel, use_regex: false },
    model: { type: 'BPE', vocab: vocabOf(vocabulary), merges, ignore_merges: ignoresMerges },
  };
}

/** Of the kind of Llama 2: spaces as U+2581, unknown characters as bytes, the best score merged first. */
function sentencePieceTokenizer(fields: GgufFields, vocabulary: Vocabulary, path: string): object {
  const scores = fields.findNumbers(`${prefix}scores`);
  if (scores?.length !== vocabulary.tokens.length) {
    throw invalid(path, `has ${vocabulary.tokens.length} tokens and ${scores?.length ?? 0} scores`);
  }
  const addsSpace = fields.findFlag(`${prefix}add_space_prefix`) ?? true;
  const replaceSpaces = { type: 'Replace', pattern: { String: ' ' }, content: spaceMark };
  const prepend = addsSpace ? [{ type: 'Prepend', prepend: spaceMark }] : [];
  const unknown = vocabulary.tokens.find((_, id) => vocabulary.types[id] === tokenTypes.unknown);
  return {
    version: '1.0',
    added_tokens: addedTokens(vocabulary),
    normalizer: { type: 'Sequence', normalizers: [...prepend, replaceSpaces] },
    pre_tokenizer: null,
    post_processor: addsBos(fields, true) ? bosProcessor(vocabulary) : null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: spaceMark }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(addsSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      vocab: vocabOf(vocabulary),
      merges: mergesByScore(vocabulary, scores),
      byte_fallback: true,
      unk_token: unknown ?? null,
      fuse_unk: true,
    },
  };
}

/**
 * Every way to make a token of two others, the token with the best score first: with them, merging pairs by rank
 * does what SentencePiece does with scores.
 */
function mergesByScore({ tokens, types }: Vocabulary, scores: ArrayLike<number>): string[][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: { pair: string[]; score: number; ranks: number[] }[] = [];
  for (const [id, token] of tokens.entries()) {
    if (types[id] !== 1) continue;
    const chars = [...token];
    for (let cut = 1; cut < chars.length && chars.length <= maxPieceChars; cut++) {
      const pair = [chars.slice(0, cut).join(''), chars.slice(cut).join('')];
      const ranks = pair.map((part) => ids.get(part) ?? -1);
      if (!ranks.includes(-1)) merges.push({ pair, score: scores[id], ranks });
    }
  }
  merges.sort((a, b) => b.score - a.score || a.ranks[0] - b.ranks[0] || a.ranks[1] - b.ranks[1]);
  return merges.map(({ pair }) => pair);
}

/** Longer pieces than any vocabulary's; without it a forged one would take quadratic time. */
const maxPieceChars = 128;

const vocabOf = ({ tokens }: Vocabulary): Record<string, number> =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));

function addedTokens({ tokens, types }: Vocabulary): object[] {
  return tokens.flatMap((content, id) => {
    const special = types[id] === tokenTypes.control || types[id] === tokenTypes.unknown;
    if (!special && types[id] !== tokenTypes.userDefined) return [];
    const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return content === '' ? [] : [{ id, content, special, ...plain }];
  });
}

const addsBos = (fields: GgufFields, byDefault: boolean): boolean =>
  fields.findFlag(`${prefix}add_bos_token`) ?? byDefault;

function bosProcessor({ tokens, bosId }: Vocabulary): object | null {
  const bos = bosId === undefined ? undefined : tokens[bosId];
  if (bos === undefined) return null;
  const first = { SpecialToken: { id: bos, type_id: 0 } };
  const text = (id: string) => ({ Sequence: { id, type_id: 0 } });
  return {
    type: 'TemplateProcessing',
    single: [first, text('A')],
    pair: [first, text('A'), first, text('B')],
    special_tokens: { [bos]: { id: bos, ids: [bosId], tokens: [bos] } },
  };
}

/** As templates name them. */
function namedTokens(fields: GgufFields): Record<string, string> {
  const tokens = fields.findTexts(`${prefix}tokens`) ?? [];
  const fileNames = { bos: 'bos', eos: 'eos', unk: 'unknown', pad: 'padding' };
  const named = Object.entries(fileNames).flatMap(([name, fileName]) => {
    const token = tokens[fields.findNumber(`${prefix}${fileName}_token_id`) ?? -1];
    return token === undefined ? [] : [[`${name}_token`, token]];
  });
  return Object.fromEntries(named);
}

function invalid(path: string, what: string): EngineError {
  return new EngineError('ERR_TOKENIZER_INVALID', `${path} ${what}`, {
    hint: 'Use the model as safetensors with its tokenizer.json.',
  });
}
