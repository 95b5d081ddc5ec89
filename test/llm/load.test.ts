// Runs the compiled package on the real device: random weights in real files, real tokenizer, real addon.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Llm, type LoadOptions, load } from '../../dist/index.js';
import { randomConfig, writeRandomCheckpoint } from '../model/random-checkpoint.js';
import { vocabSize, writeTokenizer } from '../text/tiny-tokenizer.js';
import { facts, user } from './messages.js';

const endTokenId = vocabSize() - 5;
const folder = mkdtempSync(join(tmpdir(), 'paged-attention-load-'));
const models: Llm[] = [];

async function open(options: LoadOptions = {}): Promise<Llm> {
  const llm = await load(folder, { contextLen: 512, threads: 1, ...options });
  models.push(llm);
  return llm;
}

beforeAll(() => {
  const config = randomConfig({ vocab_size: vocabSize(), eos_token_id: endTokenId });
  writeRandomCheckpoint(folder, { config, dtype: 'bf16' });
  writeTokenizer({ folder });
});
afterEach(async () => {
  await Promise.all(models.splice(0).map((llm) => llm.close('abort')));
});
afterAll(() => rmSync(folder, { recursive: true }));

const some = { maxTokens: 24, ignoreEos: true, digests: true } as const;

describe('a loaded model', () => {
  test('says what was loaded', async () => {
    const llm = await open();
    expect(llm.info).toMatchObject({
      folder,
      architecture: 'LlamaForCausalLM',
      backend: 'cpu',
      threads: 1,
      weightsDtype: 'bf16',
      kvDtype: 'bf16',
      vocabSize: vocabSize(),
      contextLen: 512,
      blockSize: 16,
    });
    expect(llm.info.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  test('gives the same bits with a hit as without', async () => {
    const llm = await open();
    const messages = [facts, user('Where does Omar live?')];
    const cold = await llm.chat(messages, { ...some, cache: 'off' });
    const ann = await llm.chat([facts, user('What is the code?')], some);
    const hit = await llm.chat(messages, some);
    expect(ann.usage.cachedTokens).toBe(0);
    expect(hit.usage.cachedTokens).toBeGreaterThan(16);
    expect(hit.digests).toEqual(cold.digests);
    expect(hit.text).toBe(cold.text);
    for (const { usage } of [cold, ann, hit]) {
      expect(usage.cachedTokens + usage.computedTokens).toBe(usage.promptTokens);
    }
  });

  test('gives the same bits among strangers, at any block size, chunk size and thread count', async () => {
    const messages = [facts, user('Where does Omar live?')];
    const variants: LoadOptions[] = [
      {},
      { blockSize: 8, maxChunkTokens: 5 },
      { blockSize: 32, threads: 2 },
      { isa: 'portable', maxChunkTokens: 1 },
    ];
    const digests: unknown[] = [];
    for (const variant of variants) {
      const llm = await open(variant);
      const strangers = [1, 2, 3].map((i) => llm.generate(`stranger ${i} says`, some));
      digests.push((await llm.chat(messages, some)).digests);
      await Promise.all(strangers);
    }
    for (const other of digests.slice(1)) expect(other).toEqual(digests[0]);
  });

  test('computes what the device counted', async () => {
    const llm = await open();
    const replies = [];
    for (const question of ['Where?', 'What?', 'Where?']) {
      replies.push(await llm.chat([facts, user(question)], some));
    }
    const used = replies.map(
      ({ usage }) => usage.computedTokens + usage.recomputedTokens + usage.decodedTokens,
    );
    const { tokensComputed } = llm.stats();
    expect(used.reduce((total, tokens) => total + tokens)).toBe(tokensComputed);
  });

  test('continues a prefix without computing it again', async () => {
    const llm = await open();
    const { prefix } = await llm.chat([facts, user('Where?')], { ...some, keepPrefix: true });
    const next = await llm.chat([user('Sure?')], { ...some, prefix });
    expect(next.usage.cachedTokens).toBe(prefix.numTokens - 1);
  });

  test('shares nothing between salts', async () => {
    const llm = await open();
    const texts = [];
    for (const salt of ['one', 'two']) {
      const { text, usage } = await llm.chat([facts, user('Where?')], { ...some, salt });
      expect(usage.cachedTokens).toBe(0);
      texts.push(text);
    }
    expect(texts[1]).toBe(texts[0]);
  });

  test('keeps answering when its pool is so small that requests push each other out', async () => {
    const roomy = await open({ contextLen: 128 });
    const kvCacheBytes = 9 * roomy.info.kvBlockBytes; // one full context, and the null block
    const llm = await open({ contextLen: 128, kvCacheBytes, maxSeqs: 4 });
    const prompts = Array.from({ length: 6 }, (_, i) => `The vault code of Amber is ${i}${i}`);
    const options = { maxTokens: 60, ignoreEos: true, digests: true };
    const together = await Promise.all(prompts.map((prompt) => llm.generate(prompt, options)));
    for (const [i, prompt] of prompts.entries()) {
      const alone = await roomy.generate(prompt, options);
      expect(together[i].digests).toEqual(alone.digests);
    }
    expect(llm.stats().numPreemptions).toBeGreaterThan(0);
  });

  test('reports how far loading is, and stops loading when the signal says so', async () => {
    const fractions: number[] = [];
    await open({ onProgress: (at) => fractions.push(at.loadedBytes / at.totalBytes) });
    expect([fractions[0], fractions.at(-1)]).toEqual([0, 1]);

    const abort = new AbortController();
    const onProgress = () => abort.abort(new Error('too slow'));
    await expect(open({ onProgress, signal: abort.signal })).rejects.toThrow('too slow');
  });

  test('lets the process end without close()', () => {
    const script = `
      const { load } = await import(${JSON.stringify(pathToFileURL('dist/index.js').href)});
      const llm = await load(${JSON.stringify(folder)}, { contextLen: 512 });
      const { choices } = await llm.generate('The code', { maxTokens: 3, ignoreEos: true });
      console.log(choices[0].tokenIds.length);`;
    const options = { encoding: 'utf8', timeout: 60_000 } as const;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], options);
    expect(child).toMatchObject({ status: 0, stdout: '3\n' });
  });

  test('is closed by asynchronous disposal', async () => {
    const llm = await load(folder, { contextLen: 512 });
    await llm[Symbol.asyncDispose]();
    await expect(llm.generate('x')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('load refuses', () => {
  test.each<[string, LoadOptions, object]>([
    ['a block size of 12', { blockSize: 12 }, { code: 'ERR_INVALID_ARGUMENT', field: 'blockSize' }],
    ['a pool below one context', { kvCacheBytes: 65536 }, { code: 'ERR_POOL_TOO_SMALL' }],
    ['a context past the model', { contextLen: 1e6 }, { field: 'contextLen' }],
    ['maxSeqs of 0', { maxSeqs: 0 }, { code: 'ERR_INVALID_ARGUMENT' }],
    ['an unknown backend', { backend: 'tpu' as 'cpu' }, { code: 'ERR_INVALID_ARGUMENT' }],
    ['an unknown dtype', { dtype: 'int3' as 'f32' }, { field: 'dtype' }],
    ['a quantised KV cache', { kvDtype: 'int8' as 'f32' }, { code: 'ERR_UNSUPPORTED_DTYPE' }],
    ['a misspelt option', { blocksize: 16 } as object, { field: 'options.blocksize' }],
    [
      'steps that do not hold maxSeqs',
      { maxTokensPerStep: 4, maxSeqs: 8 },
      { field: 'maxTokensPerStep', limit: 'an integer >= maxSeqs, 8' },
    ],
    ['a time in a text', { maxStepMs: '5' } as object, { field: 'maxStepMs', value: '5' }],
    ['an idle time of 0', { maxIdleMs: 0 }, { field: 'maxIdleMs', value: 0 }],
    ['a pool past 32 bits', { kvCacheBytes: 1e18 }, { field: 'kvCacheBytes', value: 1e18 }],
    ['an empty salt', { salt: '' }, { field: 'salt' }],
    ['a callback that is none', { onProgress: 'bar' } as object, { field: 'onProgress' }],
    ['a signal that is none', { signal: {} } as object, { field: 'signal' }],
  ])('%s', async (_, options, expected) => {
    const loading = load(folder, { contextLen: 512, ...options });
    await expect(loading).rejects.toMatchObject(expected);
  });

  test('a folder that does not exist, and one without a model', async () => {
    await expect(load('./nowhere')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    const empty = writeTokenizer();
    await expect(load(empty)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_NOT_FOUND' });
  });

  test('a tokenizer that is malformed, after the weights were read', async () => {
    const broken = mkdtempSync(join(tmpdir(), 'paged-attention-load-'));
    writeRandomCheckpoint(broken);
    writeFileSync(join(broken, 'tokenizer.json'), '{');
    await expect(load(broken)).rejects.toMatchObject({ code: 'ERR_TOKENIZER_INVALID' });
    rmSync(broken, { recursive: true });
  });
});
