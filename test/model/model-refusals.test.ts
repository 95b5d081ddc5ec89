import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Device } from '../../lib/device/index.js';
import { type LoadModelOptions, loadModel } from '../../lib/model/index.js';
import {
  type ConfigJson,
  type NamedTensor,
  randomConfig,
  writeChangedCheckpoint,
  writeRandomCheckpoint,
} from './random-checkpoint.js';

describe('loadModel refuses, with nothing left behind,', () => {
  let device: Device;
  let folder: string;

  beforeEach(() => {
    device = Device.open({ backend: 'cpu', threads: 1 });
    folder = mkdtempSync(join(tmpdir(), 'paged-attention-refusal-'));
  });

  afterEach(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  const isMapped = () => readFileSync('/proc/self/maps', 'utf8').includes(folder);

  async function bytesHeld(): Promise<number> {
    await device.whenIdle();
    return device.counters().bytesAllocated;
  }

  async function refusal(options?: LoadModelOptions): Promise<{ code: string; message: string }> {
    const before = await bytesHeld();
    const error = await loadModel(device, folder, options).then(
      () => undefined,
      (reason) => reason,
    );
    expect(await bytesHeld()).toBe(before);
    expect(isMapped()).toBe(false);
    if (!error) throw new Error('was accepted');
    return error;
  }

  const writeChanged = (change: (tensors: NamedTensor[]) => void, config?: ConfigJson) =>
    writeChangedCheckpoint(folder, change, config);

  test('a folder without config.json', async () => {
    writeChanged(() => {});
    rmSync(join(folder, 'config.json'));
    expect((await refusal()).code).toBe('ERR_CHECKPOINT_NOT_FOUND');
  });

  test.each(['{', '[]', 'null', '"LlamaForCausalLM"'])('config.json holding %s', async (text) => {
    writeChanged(() => {});
    writeFileSync(join(folder, 'config.json'), text);
    expect((await refusal()).code).toBe('ERR_CONFIG_INVALID');
  });

  test('an architecture it does not know', async () => {
    writeChanged(() => {}, randomConfig({ architectures: ['GPT2LMHeadModel'] }));
    expect((await refusal()).code).toBe('ERR_UNKNOWN_ARCHITECTURE');
  });

  const drop = (name: string) => (tensors: NamedTensor[]) => {
    tensors.splice(
      tensors.findIndex((tensor) => tensor.name === name),
      1,
    );
  };
  const last = (tensors: NamedTensor[]) => tensors[tensors.length - 1];
  const cases: [string, (tensors: NamedTensor[]) => void, ConfigJson, string, RegExp][] = [
    [
      'a missing tensor',
      drop('model.layers.1.mlp.up_proj.weight'),
      {},
      'ERR_TENSOR_MISSING',
      /"model.layers.1.mlp.up_proj.weight"; it has 19/,
    ],
    [
      'a head that is missing though not tied',
      drop('lm_head.weight'),
      { tie_word_embeddings: false },
      'ERR_TENSOR_MISSING',
      /"lm_head.weight"/,
    ],
    [
      'a tensor of another shape',
      (tensors) => {
        tensors[2].shape = [32, tensors[2].shape[0] * 2];
      },
      {},
      'ERR_TENSOR_SHAPE',
      /q_proj.weight" is \[32, 512\]; the config implies \[256, 64\]/,
    ],
    [
      'a vector stored as a matrix',
      (tensors) => {
        last(tensors).shape = [1, 64];
      },
      {},
      'ERR_TENSOR_SHAPE',
      /"model.norm.weight" is \[1, 64\]; the config implies \[64\]/,
    ],
    [
      'a dtype that no weight can have',
      (tensors) => {
        Object.assign(last(tensors), { dtype: 'i32' });
      },
      {},
      'ERR_TENSOR_DTYPE',
      /"model.norm.weight" is I32; weights load from F32, F16, BF16/,
    ],
    [
      'more layers than the config says',
      () => {},
      { num_hidden_layers: 3 },
      'ERR_TENSOR_UNEXPECTED',
      /9 tensors .* such as "model.layers.2.input_layernorm.weight"/,
    ],
    [
      'a bias that the architecture does not have',
      (tensors) => {
        const name = 'model.layers.0.self_attn.q_proj.bias';
        tensors.push({ name, shape: [256], dtype: 'f32', bytes: new Uint8Array(1024) });
      },
      {},
      'ERR_TENSOR_UNEXPECTED',
      /1 tensors .* such as "model.layers.0.self_attn.q_proj.bias"/,
    ],
  ];
  test.each(cases)('%s', async (_what, change, overrides, code, message) => {
    writeChanged(change, randomConfig(overrides));
    if (overrides.num_hidden_layers) {
      writeFileSync(join(folder, 'config.json'), JSON.stringify(randomConfig()));
    }
    expect(await refusal()).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test.each<[LoadModelOptions, string]>([
    [{ contextLen: 0 }, 'contextLen is 0; expected an integer from 1 to 4096'],
    [{ contextLen: 4097 }, 'contextLen is 4097; expected an integer from 1 to 4096'],
    [{ contextLen: 1.5 }, 'contextLen is 1.5; expected an integer from 1 to 4096'],
    [
      { dtype: 'int2' as 'f32' },
      "dtype is \"int2\"; expected 'auto', 'f32', 'f16', 'bf16', 'int8' or 'int4'",
    ],
    [{ kvDtype: 'f8' as 'f32' }, "kvDtype is \"f8\"; expected 'auto', 'f32', 'f16' or 'bf16'"],
  ])('the options %j', async (options, message) => {
    writeChanged(() => {});
    expect(await refusal(options)).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message });
  });

  test('a context whose rotary table would not fit into 1 GiB', async () => {
    writeChanged(() => {}, randomConfig({ max_position_embeddings: 2 ** 31 - 1 }));
    const { message } = await refusal();
    expect(message).toBe('contextLen is 2147483647; expected an integer from 1 to 4194304');
  });

  test('a device that is closed while it loads', async () => {
    writeRandomCheckpoint(folder);
    const loading = loadModel(device, folder);
    const refused = expect(loading).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await device.close();
    await refused;
    expect(isMapped()).toBe(false);
  });
});
