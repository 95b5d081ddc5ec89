/** What SentencePiece writes for a space. */
export const spaceMark = '\u2581';

/** How text is cut before pairs of bytes are merged; parts of a tokenizer.json. */
export interface PreTokenizer {
  readonly split: readonly object[];
  /** A word that is a token as a whole is taken without merging. */
  readonly ignoresMerges?: boolean;
  readonly normalizer?: object;
}

const splitAt = (regex: string): object => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
});

const endings = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const words = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const signsAndSpaces = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const gpt2 = splitAt(
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
);
const llama3: PreTokenizer = {
  split: [splitAt(`${endings}|${words}|\\p{N}{1,3}|${signsAndSpaces}`)],
  ignoresMerges: true,
};

/** By the name that `tokenizer.ggml.pre` gives. */
export const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  default: { split: [gpt2] },
  'gpt-2': { split: [gpt2] },
  'llama-bpe': llama3,
  'smaug-bpe': llama3,
  qwen2: {
    split: [splitAt(`${endings}|${words}|\\p{N}|${signsAndSpaces}`)],
    normalizer: { type: 'NFC' },
  },
  smollm: { split: [{ type: 'Digits', individual_digits: true }, gpt2] },
};
