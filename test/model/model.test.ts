import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device, type FloatDType } from '../../lib/device/index.js';
import { type LoadModelOptions, loadModel } from '../../lib/model/index.js';
import { modelLogits } from '../tolerances.js';
import { roundTo } from './float-bits.js';
import { relativeError } from './golden-cases.js';
import { promptLogits } from './prompt-logits.js';
import {
  type ConfigJson,
  type NamedTensor,
  type RandomCheckpointOptions,
  randomConfig,
  tensorShapes,
  tensorValues,
  writeChangedCheckpoint,
  writeRandomCheckpoint,
} from './random-checkpoint.js';
import { referenceLogits } from './reference-forward.js';

const prompt = Array.from({ length: 37 }, (_, i) => (i * i * 13 + 7 * i + 5) % 256);
const qwen2 = {
  architectures: ['Qwen2ForCausalLM'],
  num_attention_heads: 7,
  num_key_value_heads: 1,
};

describe('loadModel', () => {
  let device: Device;
  let folder: string;

  beforeEach(() => {
    device = Device.open({ backend: 'cpu', threads: 2 });
    folder = mkdtempSync(join(tmpdir(), 'paged-attention-load-'));
  });

  afterEach(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  async function bytesHeld(): Promise<number> {
    await device.whenIdle();
    return device.counters().bytesAllocated;
  }

  describe('loads', () => {
    test.each<[FloatDType, ConfigJson]>([
      ['f32', { head_dim: 80, rope_scaling: { type: 'linear', factor: 2 } }],
      ['f16', { num_key_value_heads: 4, head_dim: 96 }],
      ['f16', { ...qwen2, head_dim: 128 }],
      ['bf16', { num_key_value_heads: 1 }],
      ['bf16', { ...qwen2, tie_word_embeddings: false }],
      ['bf16', { architectures: ['Qwen3ForCausalLM'], head_dim: 128 }],
    ])(
      '%s weights with %j and gives the logits of the float64 reference',
      async (dtype, overrides) => {
        const config = randomConfig(overrides);
        writeRandomCheckpoint(folder, { config, dtype, seed: 3 });
        const model = await loadModel(device, folder);
        expect([model.weightsDtype, model.kvLayout.dtype]).toEqual([dtype, dtype]);
        const { logits } = await promptLogits(device, model, prompt);

        const round = (value: number) => roundTo(dtype, value);
        const tensors = new Map(
          tensorShapes(config).map(([name, shape]) => [
            name,
            tensorValues(name, shape, 3).map(round),
          ]),
        );
        const rounding = { matmulInput: (row: Float64Array) => row.map(round), kv: round };
        const tensor = (name: string) => tensors.get(name)!;
        const expected = referenceLogits(model.config, tensor, prompt, rounding);
        for (const [row, values] of expected.entries()) {
          expect(relativeError(logits[row], values)).toBeLessThan(modelLogits[dtype]);
        }
      },
    );

    test('shards and a single file to the same bits', async () => {
      writeRandomCheckpoint(folder, { dtype: 'bf16' });
      const single = await loadModel(device, folder);
      const sharded = join(folder, 'sharded');
      writeRandomCheckpoint(sharded, { dtype: 'bf16', maxShardBytes: 20_000 });
      const other = await loadModel(device, sharded);
      expect(other.fingerprint).toBe(single.fingerprint);
      const { digests } = await promptLogits(device, single, prompt);
      expect((await promptLogits(device, other, prompt)).digests).toEqual(digests);
    });

    test('the dtype that was asked for, then the one config.json names, then the stored one', async () => {
      const dtypes = async (config: ConfigJson, options?: LoadModelOptions) => {
        writeRandomCheckpoint(folder, { config: randomConfig(config), dtype: 'bf16' });
        const model = await loadModel(device, folder, options);
        return [model.weightsDtype, model.kvLayout.dtype];
      };
      expect(await dtypes({})).toEqual(['bf16', 'bf16']);
      expect(await dtypes({ torch_dtype: 'float16' })).toEqual(['f16', 'f16']);
      expect(await dtypes({ dtype: 'float16' }, { dtype: 'f32' })).toEqual(['f32', 'f32']);
      expect(await dtypes({}, { dtype: 'auto', kvDtype: 'f32' })).toEqual(['bf16', 'f32']);
    });

    test('only as many positions as asked for', async () => {
      writeRandomCheckpoint(folder);
      const before = await bytesHeld();
      const full = await loadModel(device, folder);
      expect(full.contextLen).toBe(4096);
      const fullBytes = (await bytesHeld()) - before;
      const short = await loadModel(device, folder, { contextLen: 40 });
      expect(short.contextLen).toBe(40);
      const saved = 2 * fullBytes - ((await bytesHeld()) - before);
      expect(saved).toBe((4096 - 40) * 64 * 4);
      full.free();
      short.free();
    });

    test('a tied head that the file repeats once, and another head as its own', async () => {
      const headOf = (tensors: NamedTensor[], seed: number) => {
        const { shape } = tensors[0];
        const bytes = new Uint8Array(tensorValues('model.embed_tokens.weight', shape, seed).buffer);
        tensors.push({ name: 'lm_head.weight', shape, dtype: 'f32', bytes });
      };
      const load = async (change: (tensors: NamedTensor[]) => void) => {
        const before = await bytesHeld();
        writeChangedCheckpoint(folder, change);
        const model = await loadModel(device, folder);
        const { digests } = await promptLogits(device, model, prompt);
        const bytes = (await bytesHeld()) - before;
        // Here, not whenever the collector finds it: the next one is measured on the same device.
        model.free();
        return { digests, bytes };
      };
      const tied = await load(() => {});
      expect(await load((tensors) => headOf(tensors, 1))).toEqual(tied);
      const untied = await load((tensors) => headOf(tensors, 2));
      expect(untied.digests).not.toEqual(tied.digests);
      expect(untied.bytes).toBeGreaterThan(tied.bytes);
    });

    test('checkpoints with the rotary buffers of old files', async () => {
      writeChangedCheckpoint(folder, (tensors) => {
        const name = 'model.layers.0.self_attn.rotary_emb.inv_freq';
        tensors.push({ name, shape: [1], dtype: 'f32', bytes: new Uint8Array(4) });
      });
      expect((await loadModel(device, folder)).config.numLayers).toBe(2);
    });
  });
});

describe('Model', () => {
  let device: Device;
  let folder: string;

  beforeAll(() => {
    device = Device.open({ backend: 'cpu', threads: 1 });
    folder = mkdtempSync(join(tmpdir(), 'paged-attention-model-'));
  });

  afterAll(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  async function fingerprint(
    options: RandomCheckpointOptions,
    load: LoadModelOptions = {},
  ): Promise<string> {
    writeRandomCheckpoint(folder, options);
    const model = await loadModel(device, folder, { contextLen: 16, ...load });
    model.free();
    return model.fingerprint;
  }

  test('has a fingerprint that changes with all that changes its keys and values', async () => {
    const base = await fingerprint({});
    expect(base).toMatch(/^[0-9a-f]{64}$/);
    const others = [
      await fingerprint({ seed: 2 }),
      await fingerprint({ dtype: 'bf16' }),
      await fingerprint({}, { dtype: 'bf16' }),
      await fingerprint({}, { kvDtype: 'bf16' }),
      await fingerprint({ config: randomConfig({ rope_theta: 10001 }) }),
      await fingerprint({ config: randomConfig({ rms_norm_eps: 1e-6 }) }),
      await fingerprint({ config: randomConfig({ rope_scaling: { type: 'linear', factor: 2 } }) }),
      await fingerprint({ config: randomConfig({ hidden_act: 'gelu_pytorch_tanh' }) }),
      await fingerprint({ config: randomConfig({ architectures: ['MistralForCausalLM'] }) }),
    ];
    expect(new Set([base, ...others]).size).toBe(others.length + 1);
  });

  test('has a fingerprint that what ends a reply or bounds a context does not change', async () => {
    const base = await fingerprint({});
    expect(await fingerprint({ config: randomConfig({ eos_token_id: 9 }) })).toBe(base);
    expect(await fingerprint({}, { contextLen: 4096 })).toBe(base);
    expect(await fingerprint({ maxShardBytes: 40_000 })).toBe(base);
  });

  test('has a fingerprint of its rotary factors, which the context that it is loaded for decides', async () => {
    const [short_factor, long_factor] = [Array(32).fill(1.5), Array(32).fill(12)];
    const rope_scaling = { type: 'longrope', short_factor, long_factor };
    const config = randomConfig({ rope_scaling, original_max_position_embeddings: 64 });
    const loadedFor = (contextLen: number) => fingerprint({ config }, { contextLen });
    const [short, alsoShort, long, longer] = [
      await loadedFor(16),
      await loadedFor(64),
      await loadedFor(65),
      await loadedFor(4096),
    ];
    expect(alsoShort).toBe(short);
    expect(long).not.toBe(short);
    expect(longer).toBe(long);
  });

  test('refuses to be recorded over a cache of another shape', async () => {
    writeRandomCheckpoint(folder);
    const model = await loadModel(device, folder, { contextLen: 16 });
    const layout = { ...model.kvLayout, blockSize: 16, numBlocks: 4 };
    const kvCache = device.createKvCache({ ...layout, numKvHeads: 4 });
    const limits = {
      maxTokens: 1,
      maxSeqs: 1,
      maxLogitRows: 1,
      maxTableRows: 1,
      maxBlocksPerSeq: 1,
      maxCopies: 0,
    };
    expect(() => model.record(device, kvCache, limits)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: 'kvCache.layout.numKvHeads is 4; expected 2',
      }),
    );
    kvCache.free();
    model.free();
  });

  test('gives all memory back, and only once', async () => {
    await device.whenIdle();
    const before = device.counters().bytesAllocated;
    writeRandomCheckpoint(folder, { config: randomConfig(qwen2) });
    const model = await loadModel(device, folder);
    expect(device.counters().bytesAllocated).toBeGreaterThan(before);
    await promptLogits(device, model, prompt);
    model.free();
    await device.whenIdle();
    expect(device.counters()).toMatchObject({ bytesAllocated: before, buffersCollected: 0 });
    expect(() => model.free()).toThrow(expect.objectContaining({ code: 'ERR_DOUBLE_FREE' }));
  });
});
