import type { GgufField } from '../model/gguf-writer.js';
import {
  byteLevelTokenizer,
  metaspaceTokenizer,
  specialTokens,
  tinyTemplate,
} from './tiny-tokenizer.js';

interface TokenizerJson {
  model: { vocab: Record<string, number>; merges: [string, string][] };
}

/** Tokens by id; an object's own order puts digits first. */
const inOrder = (vocab: Record<string, number>): string[] =>
  Object.keys(vocab).sort((a, b) => vocab[a] - vocab[b]);

/** The byte-level tiny tokenizer and its template, as a GGUF file has them. */
export function byteLevelFields({ pre = 'gpt-2', merges = [] as string[] } = {}): GgufField[] {
  const { model } = byteLevelTokenizer() as TokenizerJson;
  const made = merges.map((merge) => merge.replace(' ', '')).filter((one) => !(one in model.vocab));
  const pieces = [...inOrder(model.vocab), ...made];
  const known = model.merges.map((merge) => merge.join(' '));
  return [
    ['tokenizer.ggml.model', 'text', 'gpt2'],
    ['tokenizer.ggml.pre', 'text', pre],
    ['tokenizer.ggml.tokens', 'text', [...pieces, ...specialTokens]],
    ['tokenizer.ggml.token_type', 'i32', [...pieces.map(() => 1), ...specialTokens.map(() => 3)]],
    ['tokenizer.ggml.merges', 'text', merges.length > 0 ? merges : known],
    ['tokenizer.ggml.bos_token_id', 'u32', pieces.length],
    ['tokenizer.ggml.eos_token_id', 'u32', pieces.length + 1],
    ['tokenizer.chat_template', 'text', tinyTemplate],
  ];
}

/** The tiny tokenizer of Llama 2's kind: merges become scores; `more` are further pieces and theirs. */
export function sentencePieceFields(more: Readonly<Record<string, number>> = {}): GgufField[] {
  const { model } = metaspaceTokenizer('always') as TokenizerJson;
  const tokens = [...inOrder(model.vocab), ...Object.keys(more)];
  const merged = model.merges.map((pair) => pair.join(''));
  const typeOf = (token: string) => {
    if (token === '<unk>') return 2;
    if (specialTokens.includes(token)) return 3;
    return /^<0x..>$/.test(token) ? 6 : 1;
  };
  return [
    ['tokenizer.ggml.model', 'text', 'llama'],
    ['tokenizer.ggml.tokens', 'text', tokens],
    [
      'tokenizer.ggml.scores',
      'f32',
      tokens.map((token) => more[token] ?? -1 - merged.indexOf(token)),
    ],
    ['tokenizer.ggml.token_type', 'i32', tokens.map(typeOf)],
    ['tokenizer.ggml.add_bos_token', 'bool', false],
  ];
}
