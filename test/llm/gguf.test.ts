// Runs the compiled package on the real device, from one GGUF file.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, load } from '../../dist/index.js';
import { writeRandomGguf } from '../model/gguf-writer.js';
import { randomConfig, writeRandomCheckpoint } from '../model/random-checkpoint.js';
import { byteLevelFields } from '../text/gguf-vocabulary.js';
import { vocabSize, writeTokenizer } from '../text/tiny-tokenizer.js';
import { facts, user } from './messages.js';

const folder = mkdtempSync(join(tmpdir(), 'paged-attention-load-gguf-'));
const path = join(folder, 'model.gguf');
const config = randomConfig({ vocab_size: vocabSize(), eos_token_id: vocabSize() - 5 });
afterAll(() => rmSync(folder, { recursive: true }));

test('load(x.gguf) answers as the folder with the same weights and tokenizer does', async () => {
  writeRandomCheckpoint(folder, { config, dtype: 'bf16' });
  writeTokenizer({ folder });
  writeRandomGguf(path, { config, format: 'BF16', fields: byteLevelFields() });
  const options = { contextLen: 256, threads: 1 };
  const [fromFile, fromFolder] = [await load(path, options), await load(folder, options)];
  const messages = [facts, user('Where does Omar live? <|end|>')];
  const ask = { maxTokens: 12, digests: true, ignoreEos: true };
  const [own, theirs] = [await fromFile.chat(messages, ask), await fromFolder.chat(messages, ask)];
  expect(own.digests).toEqual(theirs.digests);
  expect(own.text).toBe(theirs.text);
  expect((await fromFile.chat(messages, ask)).usage.cachedTokens).toBeGreaterThan(16);
  expect(fromFile.info).toMatchObject({ folder: path, weightsDtype: 'bf16' });
  await Promise.all([fromFile.close(), fromFolder.close()]);
});

test.each([
  ['Q8_0', 'int8'],
  ['Q4_0', 'int4'],
] as const)('%s loads as %s, and inspect says so', async (format, dtype) => {
  writeRandomGguf(path, { config, format, fields: byteLevelFields() });
  const said = await inspect(path, { contextLen: 64 });
  expect(said).toMatchObject({ weightsDtype: dtype, kvDtype: 'bf16', hasChatTemplate: true });
  expect(Object.keys(said.storedParameters).sort()).toEqual(['F32', format]);
  const llm = await load(path, { contextLen: 64, threads: 1 });
  expect(llm.info).toMatchObject({ weightsDtype: dtype, kvDtype: 'bf16' });
  await llm.close();
});
