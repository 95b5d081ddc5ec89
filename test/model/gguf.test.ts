import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Device, type WeightDType } from '../../lib/device/index.js';
import { loadModel } from '../../lib/model/index.js';
import { type GgufFormat, type GgufOptions, ggufBytes, writeRandomGguf } from './gguf-writer.js';
import { promptLogits } from './prompt-logits.js';
import { type ConfigJson, randomConfig, writeRandomCheckpoint } from './random-checkpoint.js';

const prompt = Array.from({ length: 20 }, (_, i) => (i * i * 13 + 7 * i + 5) % 256);
const folder = mkdtempSync(join(tmpdir(), 'paged-attention-gguf-'));
const path = join(folder, 'model.gguf');
const device = Device.open({ backend: 'cpu', threads: 1 });

afterAll(async () => {
  await device.close();
  rmSync(folder, { recursive: true });
});

/** Digests of the logits of every row: equal digests, equal bits. */
async function digestsOf(source: string, dtype?: WeightDType) {
  const model = await loadModel(device, source, { dtype, contextLen: 64, kvDtype: 'f32' });
  const { digests } = await promptLogits(device, model, prompt);
  model.free();
  return { digests, dtype: model.weightsDtype };
}

const named = (architecture: string, more: ConfigJson = {}) =>
  randomConfig({ architectures: [architecture], ...more });

const untied = { tie_word_embeddings: false };
const biased = { attention_bias: true };

describe('a GGUF file gives the logits of the safetensors of the same weights, bit for bit', () => {
  test.each<[string, ConfigJson]>([
    ['llama, tied', named('LlamaForCausalLM')],
    ['llama with biases', named('LlamaForCausalLM', { ...untied, ...biased })],
    ['qwen2', named('Qwen2ForCausalLM', untied)],
    ['qwen3', named('Qwen3ForCausalLM', { use_sliding_window: false })],
    ['phi3', named('Phi3ForCausalLM', { ...untied, sliding_window: null, pad_token_id: 0 })],
  ])('%s', async (_, config) => {
    writeRandomCheckpoint(folder, { config, dtype: 'bf16' });
    writeRandomGguf(path, { config, format: 'BF16' });
    const expected = await digestsOf(folder);
    expect(await digestsOf(path)).toEqual({ ...expected, dtype: 'bf16' });
  });

  const shortFactors = Array.from({ length: 32 }, (_, pair) => 1 + pair / 64);
  const longFactors = Array.from({ length: 32 }, (_, pair) => 1 + pair / 4);

  test.each([
    ['the short', 64],
    ['the long', 63],
  ])(
    'phi3, whose rotary factors are tensors: %s ones where the original context is %i',
    async (_, original) => {
      const config = named('Phi3ForCausalLM', { ...untied, sliding_window: null });
      const rope_scaling = {
        type: 'longrope',
        short_factor: shortFactors,
        long_factor: longFactors,
        attention_factor: 1.25,
      };
      const spelled = { ...config, rope_scaling, original_max_position_embeddings: original };
      writeRandomCheckpoint(folder, { config: spelled, dtype: 'bf16' });
      writeRandomGguf(path, {
        config,
        format: 'BF16',
        vectors: {
          'rope_factors_short.weight': shortFactors,
          'rope_factors_long.weight': longFactors,
        },
        fields: [
          ['phi3.rope.scaling.original_context_length', 'u32', original],
          ['phi3.rope.scaling.attn_factor', 'f32', 1.25],
        ],
      });
      expect(await digestsOf(path)).toEqual(await digestsOf(folder));
    },
  );

  test('llama, whose stretched rotary frequencies are a tensor', async () => {
    const config = named('LlamaForCausalLM');
    const rope_scaling = {
      type: 'longrope',
      short_factor: longFactors,
      long_factor: longFactors,
      attention_factor: 1,
    };
    writeRandomCheckpoint(folder, { config: { ...config, rope_scaling }, dtype: 'bf16' });
    const vectors = { 'rope_freqs.weight': longFactors };
    writeRandomGguf(path, { config, format: 'BF16', vectors });
    const stretched = await digestsOf(path);
    expect(stretched).toEqual(await digestsOf(folder));
    writeRandomGguf(path, { config, format: 'BF16' });
    expect(await digestsOf(path)).not.toEqual(stretched);
  });

  test.each<[GgufFormat, 'f32' | 'f16' | 'bf16', WeightDType]>([
    ['F32', 'f32', 'f32'],
    ['F16', 'f16', 'f16'],
    ['BF16', 'bf16', 'bf16'],
    ['Q8_0', 'f32', 'int8'],
    ['Q4_0', 'f32', 'int4'],
  ])('%s', async (format, stored, dtype) => {
    const config = randomConfig(untied);
    writeRandomCheckpoint(folder, { config, dtype: stored });
    writeRandomGguf(path, { config, format });
    const expected = await digestsOf(folder, dtype);
    expect(await digestsOf(path)).toEqual(expected);
  });

  test.each<[GgufFormat]>([['Q8_0'], ['Q4_0']])(
    '%s as floats is what it stands for',
    async (format) => {
      const config = randomConfig(untied);
      writeRandomGguf(path, { config, format });
      const [asFloats, asGroups] = [await digestsOf(path, 'f32'), await digestsOf(path)];
      expect(asFloats.dtype).toBe('f32');
      expect(asFloats.digests).not.toEqual(asGroups.digests); // products round x only where weights are groups
    },
  );
});

describe('a GGUF file is refused', () => {
  const config = randomConfig();
  const bytes = ggufBytes({ config });
  const changed = (change: (copy: Buffer) => void): Buffer => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };
  const withFields = (fields: GgufOptions['fields']) => ggufBytes({ config, fields });

  test.each<[string, Buffer, object]>([
    ['of another format', changed((copy) => copy.write('GGML')), { code: 'ERR_GGUF_HEADER' }],
    ['of version 1', changed((copy) => copy.writeUInt32LE(1, 4)), { code: 'ERR_GGUF_HEADER' }],
    [
      'with too many tensors',
      changed((copy) => copy.writeBigUInt64LE(2n ** 60n, 8)),
      { code: 'ERR_GGUF_HEADER' },
    ],
    [
      'with too many fields',
      changed((copy) => copy.writeBigUInt64LE(2n ** 40n, 16)),
      { code: 'ERR_GGUF_HEADER' },
    ],
    ['cut in its header', bytes.subarray(0, 200), { code: 'ERR_GGUF_HEADER' }],
    ['cut in its data', bytes.subarray(0, -4096), { code: 'ERR_GGUF_RANGE' }],
    ['that is empty', Buffer.alloc(0), { code: expect.stringMatching(/^ERR_/) }],
    [
      'of an unknown architecture',
      withFields([['general.architecture', 'text', 'mamba']]),
      { code: 'ERR_UNKNOWN_ARCHITECTURE' },
    ],
    [
      'with another width of the MLP',
      withFields([['llama.feed_forward_length', 'u32', 64]]),
      { code: 'ERR_TENSOR_SHAPE' },
    ],
    [
      'with text for a number',
      withFields([['llama.block_count', 'text', '2']]),
      { code: 'ERR_CONFIG_INVALID' },
    ],
    [
      'with values of another length than keys',
      withFields([['llama.attention.value_length', 'u32', 32]]),
      { code: 'ERR_CONFIG_INVALID' },
    ],
    [
      'with an unknown rope',
      withFields([['llama.rope.scaling.type', 'text', 'magic']]),
      { code: 'ERR_CONFIG_INVALID' },
    ],
  ])('%s', async (_, content, expected) => {
    writeFileSync(path, content);
    await expect(loadModel(device, path)).rejects.toMatchObject(expected);
    expect(device.counters().bytesAllocated).toBe(0);
  });
});
