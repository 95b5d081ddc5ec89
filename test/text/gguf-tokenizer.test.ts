import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TextCore } from '../../lib/text/text-core.js';
import { readTokenizerFiles } from '../../lib/text/tokenizer-files.js';
import { type GgufField, ggufBytes } from '../model/gguf-writer.js';
import { randomConfig } from '../model/random-checkpoint.js';
import { byteLevelFields, sentencePieceFields } from './gguf-vocabulary.js';
import {
  byteLevelTokenizer,
  metaspaceTokenizer,
  tinyTemplate,
  writeTokenizer,
} from './tiny-tokenizer.js';

const folder = mkdtempSync(join(tmpdir(), 'paged-attention-gguf-text-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function coreOf(fields: readonly GgufField[]): Promise<TextCore> {
  const path = join(folder, 'tokenizer.gguf');
  writeFileSync(path, ggufBytes({ config: randomConfig(), fields }));
  return new TextCore(await readTokenizerFiles(path));
}

const texts = [
  'The vault code of Amber is 4217.',
  ' Omar  lives\n\n in Lisbon\t\r\n',
  'naïve façade — 東京 👩‍👩‍👧 ½ ٣',
  "they'LL say it's 12345 <|end|> then",
  '',
];

describe('the tokenizer in a GGUF file', () => {
  test('of the kind of GPT-2 gives the ids of the tokenizer.json of the same vocabulary', async () => {
    const own = await coreOf(byteLevelFields());
    const theirs = new TextCore(
      await readTokenizerFiles(writeTokenizer({ tokenizer: byteLevelTokenizer() })),
    );
    for (const text of texts) {
      const ids = await theirs.encode(text, true);
      expect(await own.encode(text, true)).toEqual(ids);
      expect(await own.decodeBatch([[...ids]])).toEqual(await theirs.decodeBatch([[...ids]]));
    }
    const chat = { messages: [{ role: 'user', content: 'Where is <|end|> Omar?' }] } as const;
    expect(await own.tokenizeChat(chat)).toEqual(await theirs.tokenizeChat(chat));
  });

  test('of the kind of Llama 2 merges by score, falls back to bytes, and decodes to the text', async () => {
    const own = await coreOf(sentencePieceFields());
    const theirs = new TextCore(
      await readTokenizerFiles(writeTokenizer({ tokenizer: metaspaceTokenizer('always') })),
    );
    for (const text of ['The code of the Amber', 'then 東京', 'a\nthe the']) {
      const ids = await theirs.encode(text, false);
      expect(await own.encode(text, false)).toEqual(ids);
      expect(await own.decodeBatch([[...ids]])).toEqual([text]);
    }
  });

  test.each([
    [{ va: -9, au: -1 }, ['▁', 'v', 'au']],
    [{ va: -1, au: -9 }, ['▁', 'va', 'u']],
  ])('of the kind of Llama 2 takes the better score first: %j', async (more, pieces) => {
    const fields = sentencePieceFields(more);
    const [, , tokens] = fields.find(([name]) => name === 'tokenizer.ggml.tokens')!;
    const ids = await (await coreOf(fields)).encode('vau', false);
    expect([...ids].map((id) => (tokens as string[])[id])).toEqual(pieces);
  });

  test.each([
    ['llama-bpe', '1234567', [3, 3, 1]],
    ['qwen2', '1234567', [1, 1, 1, 1, 1, 1, 1]],
    ['smollm', '1234567', [1, 1, 1, 1, 1, 1, 1]],
  ])('cuts as %s does', async (pre, text, lengths) => {
    const merges = ['1 2', '12 3', '4 5', '45 6', '3 4', '6 7'];
    const core = await coreOf(byteLevelFields({ pre, merges }));
    const ids = await core.encode(text, false);
    const pieces = await core.decodeBatch([...ids].map((id) => [id]));
    expect(pieces.map((piece) => piece.length)).toEqual(lengths);
  });

  test('puts the first token before a text where the file says so', async () => {
    const fields: GgufField[] = [['tokenizer.ggml.add_bos_token', 'bool', true]];
    const [without, withBos] = [
      await coreOf(byteLevelFields()),
      await coreOf([...byteLevelFields(), ...fields]),
    ];
    const [plain, first] = [await without.encode('Omar', true), await withBos.encode('Omar', true)];
    expect(first.length).toBe(plain.length + 1);
    expect([...first.slice(1)]).toEqual([...plain]);
  });

  test.each<[string, GgufField]>([
    ['of an unknown kind', ['tokenizer.ggml.model', 'text', 't5']],
    ['of an unknown pre-tokenizer', ['tokenizer.ggml.pre', 'text', 'klingon']],
    ['with a token twice', ['tokenizer.ggml.tokens', 'text', ['a', 'a']]],
    ['with too few types', ['tokenizer.ggml.token_type', 'i32', [1]]],
    ['with a merge that gives no token', ['tokenizer.ggml.merges', 'text', ['Q Q']]],
  ])('%s is refused', async (_, field) => {
    await expect(coreOf([...byteLevelFields(), field])).rejects.toMatchObject({
      code: 'ERR_TOKENIZER_INVALID',
    });
  });

  test('brings the chat template and the tokens that it names', async () => {
    const path = join(folder, 'template.gguf');
    const fields: GgufField[] = [['tokenizer.chat_template', 'text', tinyTemplate]];
    writeFileSync(
      path,
      ggufBytes({ config: randomConfig(), fields: [...byteLevelFields(), ...fields] }),
    );
    const files = await readTokenizerFiles(path);
    expect(files.templates).toEqual([{ name: 'default', source: tinyTemplate }]);
    expect(files.namedTokens).toMatchObject({ bos_token: '<s>', eos_token: '<|end|>' });
  });
});
