import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Special tokens of the tiny tokenizers, in the order of their ids. */
export const specialTokens = [
  '<s>',
  '<|end|>',
  '<|system|>',
  '<|user|>',
  '<|assistant|>',
  '<|tool|>',
];

/** The template that goes with them; ends each message with `<|end|>`. */
export const tinyTemplate = [
  '{{ bos_token }}',
  "{% if tools %}<|system|>{{ 'Tools: ' }}{{ tools | tojson }}<|end|>{% endif %}",
  '{% for message in messages %}',
  "{{ '<|' + message.role + '|>' }}{{ message.content | trim }}",
  '{% for call in message.tool_calls or [] %}{{ call.function | tojson }}{% endfor %}<|end|>',
  '{% endfor %}',
  '{% if add_generation_prompt %}<|assistant|>{% endif %}',
].join('');

const sample = `The vault code of Amber is 4217. Omar lives in Lisbon. Where does Omar live? What is
the vault code of Amber? Once upon a time there was a small model that answered questions about a long text.`;

function addedTokens(firstId: number) {
  return specialTokens.map((content, i) => ({
    id: firstId + i,
    content,
    special: true,
    normalized: false,
    lstrip: false,
    rstrip: false,
    single_word: false,
  }));
}

/** Bytes as the printable characters that byte-level BPE writes them with. */
function byteChars(): string[] {
  const chars: string[] = [];
  let numShifted = 0;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    chars.push(String.fromCharCode(isPrintable ? byte : 256 + numShifted++));
  }
  return chars;
}

/** Learns byte-pair merges from the sample: the most frequent pair first. */
function learnMerges(chars: readonly string[], count: number): [string, string][] {
  const words = [...sample.matchAll(/ ?[a-zA-Z]+| ?[0-9]+/g)].map(([word]) =>
    [...Buffer.from(word)].map((byte) => chars[byte]),
  );
  const merges: [string, string][] = [];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]} ${word[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const best = [...counts].sort((a, b) => b[1] - a[1])[0];
    if (!best) break;
    const [left, right] = best[0].split(' ');
    merges.push([left, right]);
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        if (word[i - 1] === left && word[i] === right) word.splice(i - 1, 2, left + right);
      }
    }
  }
  return merges;
}

/** A byte-level BPE tokenizer of the kind of GPT-2, Llama 3 and Qwen, in about 400 tokens. */
export function byteLevelTokenizer(): object {
  const chars = byteChars();
  const merges = learnMerges(chars, 120);
  const pieces = [...chars, ...merges.map((pair) => pair.join(''))];
  const vocab = Object.fromEntries([...new Set(pieces)].map((piece, id) => [piece, id]));
  return {
    version: '1.0',
    added_tokens: addedTokens(Object.keys(vocab).length),
    normalizer: null,
    pre_tokenizer: {
      type: 'ByteLevel',
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab, merges, byte_fallback: false, fuse_unk: false },
  };
}

/** A tokenizer of the kind of Llama 2: spaces as U+2581, unknown characters as bytes, specials in the vocabulary. */
export function metaspaceTokenizer(prependScheme: 'first' | 'always' | 'never'): object {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase());
  const letters = [...new Set(`▁${sample.replaceAll(/\s/g, '')}<>|_`)];
  const pieces = [
    '<unk>',
    ...specialTokens,
    ...bytes.map((hex) => `<0x${hex.padStart(2, '0')}>`),
    ...letters,
    '▁t',
    '▁th',
    '▁the',
  ];
  const replaceSpace = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
  return {
    version: '1.0',
    added_tokens: addedTokens(1),
    normalizer: null,
    pre_tokenizer: {
      type: 'Metaspace',
      replacement: '▁',
      prepend_scheme: prependScheme,
      split: false,
    },
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [replaceSpace, { type: 'ByteFallback' }, { type: 'Fuse' }, strip],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: [
        ['▁', 't'],
        ['▁t', 'h'],
        ['▁th', 'e'],
      ],
    },
  };
}

const temporaryFolders: string[] = [];

afterAll(() => {
  for (const folder of temporaryFolders.splice(0)) rmSync(folder, { recursive: true });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'paged-attention-text-'));
  temporaryFolders.push(folder);
  return folder;
}

/** Writes tokenizer.json and tokenizer_config.json into a folder; by default a new one, removed after the test file. */
export function writeTokenizer({
  folder = temporaryFolder(),
  tokenizer = byteLevelTokenizer(),
  config = { bos_token: '<s>', eos_token: '<|end|>', chat_template: tinyTemplate } as object,
} = {}): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return folder;
}

/** How many ids the byte-level tokenizer has, special ones included. */
export function vocabSize(): number {
  const { model } = byteLevelTokenizer() as { model: { vocab: object } };
  return Object.keys(model.vocab).length + specialTokens.length;
}
