// A vocabulary of any size in which every id has a text of its own: specials, bytes, then words. The
// benchmarks send token ids; this exists because both engines load a tokenizer and decode replies.

const specials = ['<unk>', '<s>', '</s>'];

export const bosId = 1;
export const eosId = 2;

/** GGUF's kinds of token. */
const kinds = { normal: 1, unknown: 2, control: 3, byte: 6 };

/** `{ piece, kind }` of each id, in order. */
export function vocabulary(vocabSize) {
  const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, '0');
  const head = [
    ...specials.map((piece, id) => ({ piece, kind: id === 0 ? kinds.unknown : kinds.control })),
    ...Array.from({ length: 256 }, (_, byte) => ({ piece: `<0x${hex(byte)}>`, kind: kinds.byte })),
  ];
  const words = Array.from({ length: vocabSize - head.length }, (_, i) => ({
    piece: `▁w${i}`,
    kind: kinds.normal,
  }));
  return [...head, ...words];
}

/** What tokenizer.json says: pieces without merges, unknown characters as bytes. */
export function tokenizerJson(vocabSize) {
  const pieces = vocabulary(vocabSize).map(({ piece }) => piece);
  return {
    version: '1.0',
    added_tokens: specials.map((content, id) => ({
      id,
      content,
      special: true,
      normalized: false,
      lstrip: false,
      rstrip: false,
      single_word: false,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Metaspace',
      replacement: '▁',
      prepend_scheme: 'first',
      split: true,
    },
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: [],
    },
  };
}
