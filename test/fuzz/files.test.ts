// Mutated files of a small model, loaded in a process of their own: `--full` tries 20,000.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ggufBytes } from '../model/gguf-writer.js';
import { randomConfig, writeRandomCheckpoint } from '../model/random-checkpoint.js';
import { byteLevelFields } from '../text/gguf-vocabulary.js';
import { vocabSize, writeTokenizer } from '../text/tiny-tokenizer.js';

const isFull = process.env.PA_FULL !== undefined;
const numMutations = isFull ? 5000 : 150;
const seed = Number(process.env.PA_SEED ?? 1);
/** What a file may make the process take beside its own size; what Node keeps as garbage counts too. */
const maxGrownBytes = 64 * 2 ** 20;
const root = mkdtempSync(join(tmpdir(), 'paged-attention-fuzz-'));
const whole = join(root, 'whole');

beforeAll(() => {
  const config = randomConfig({
    vocab_size: vocabSize(),
    num_hidden_layers: 1,
    intermediate_size: 32,
    rope_scaling: { rope_type: 'linear', factor: 2 },
  });
  writeRandomCheckpoint(whole, { config, dtype: 'bf16' });
  writeTokenizer({ folder: whole });
  const bytes = ggufBytes({ config, format: 'Q8_0', fields: byteLevelFields() });
  writeFileSync(join(whole, 'model.gguf'), bytes);
  const dataBytes = ggufBytes({ config, format: 'Q8_0' }).length;
  const fieldsBytes = bytes.length - dataBytes;
  writeFileSync(join(whole, 'gguf-header-bytes'), `${fieldsBytes + 2048}`);
});
afterAll(() => rmSync(root, { recursive: true }));

const names = ['model.safetensors', 'model.gguf', 'config.json', 'tokenizer.json'];
const others = ['tokenizer_config.json', 'gguf-header-bytes'];

test.each(['safetensors', 'gguf', 'config', 'tokenizer'])(
  `${numMutations} mutations of %s are loaded or refused with a code (seed ${seed})`,
  (kind) => {
    const folder = mkdtempSync(join(root, `${kind}-`));
    for (const name of [...names, ...others]) copyFileSync(join(whole, name), join(folder, name));
    const script = 'test/fuzz/children/fuzz.mjs';
    const heap = ['--max-old-space-size=96', '--max-semi-space-size=2'];
    const args = [...heap, script, kind, folder, `${numMutations}`, `${seed}`];
    const child = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 1_200_000 });
    expect({ status: child.status, signal: child.signal, stderr: child.stderr }).toEqual({
      status: 0,
      signal: null,
      stderr: '',
    });
    const found = JSON.parse(child.stdout);
    expect(found.untyped).toEqual([]);
    expect(found.codes.ERR_NATIVE).toBeUndefined();
    expect(Object.keys(found.codes).length).toBeGreaterThan(0);
    expect(found.bytesAllocated).toBe(0);
    expect(found.grownBytes).toBeLessThan(found.numBytes + maxGrownBytes);
    expect(found.slowestMs).toBeLessThan(20_000);
  },
  1_300_000,
);
