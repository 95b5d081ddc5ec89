/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// Which GPUs are opened, what each other machine is told, and that every capability with kernels runs a
// model.
import { Device } from '../../lib/device/index.js';
import { loadModel } from '../../lib/model/index.js';
import { tinyCheckpoint } from '../engine/device-engine.js';
import { deterministic, resetEmulatedGpu, setEmulatedGpu } from './emulated-gpu.js';
import { Engines } from './engines.js';

const engines = new Engines(tinyCheckpoint({ dtype: 'bf16', group: 4, headDim: 128 }), 34);
const { PAGED_ATTENTION_LIBCUDA, PAGED_ATTENTION_CUDA_PAYLOAD } = process.env;
afterEach(async () => {
  await engines.closeAll();
  resetEmulatedGpu();
  setEmulatedGpu({ PAGED_ATTENTION_LIBCUDA });
  process.env.PAGED_ATTENTION_CUDA_PAYLOAD = PAGED_ATTENTION_CUDA_PAYLOAD;
});
afterAll(() => engines.end());

/** Expects `Device.open` to throw `code` with a message that has all of `words`. */
function expectRefusal(code: string, words: readonly string[], index = 0): void {
  const open = () => Device.open({ backend: 'cuda', index });
  for (const word of words) {
    const message = expect.stringContaining(word);
    expect(open).toThrow(expect.objectContaining({ code, message }));
  }
}

describe('Device.open refuses', () => {
  test('a machine without a driver, and names the library that it tried', () => {
    setEmulatedGpu({ PAGED_ATTENTION_LIBCUDA: '/nowhere/libcuda.so' });
    expectRefusal('ERR_CUDA_UNAVAILABLE', ['no CUDA driver', '/nowhere/libcuda.so']);
  });

  test('a machine whose driver sees no GPU', () => {
    setEmulatedGpu({ PA_EMULATED_GPUS: '0' });
    expectRefusal('ERR_CUDA_UNAVAILABLE', ['libcuda-emulated.so', 'cuInit']);
  });

  test('an index past the last GPU, and opens the one before it', async () => {
    setEmulatedGpu({ PA_EMULATED_GPUS: '2' });
    expectRefusal('ERR_CUDA_UNAVAILABLE', ['no GPU 2'], 2);
    const device = Device.open({ backend: 'cuda', index: 1 });
    expect(device.info).toMatchObject({ backend: 'cuda', computeCapability: '9.0' });
    await device.close();
  });

  test('a machine without kernels, and names every folder that it tried', () => {
    process.env.PAGED_ATTENTION_CUDA_PAYLOAD = '/nowhere/cuda-13';
    const folders = ['/nowhere/cuda-13: no payload.json', '@paged-attention/cuda-13', 'cuda-12'];
    expectRefusal('ERR_CUDA_UNAVAILABLE', folders);
  });

  test('a GPU that no kernels fit, and names its capability and theirs', () => {
    setEmulatedGpu({ PA_EMULATED_CAPABILITY: '7.5' });
    expectRefusal('ERR_UNSUPPORTED_GPU', ['7.5', 'sm_80', 'sm_90a', 'sm_120']);
  });
});

describe("backend 'auto'", () => {
  test('takes the GPU where there is one, and the CPU where there is none', async () => {
    const backends: string[] = [];
    for (const numGpus of ['1', '0']) {
      setEmulatedGpu({ PA_EMULATED_GPUS: numGpus });
      const device = Device.open();
      backends.push(device.info.backend);
      await device.close();
    }
    expect(backends).toEqual(['cuda', 'cpu']);
  });

  test('takes the CPU where the GPU cannot be used, and says why in one line, once', async () => {
    const { warn } = console;
    const lines: string[] = [];
    console.warn = (line: string) => lines.push(line);
    try {
      setEmulatedGpu({ PA_EMULATED_CAPABILITY: '7.5' });
      for (let i = 0; i < 2; i++) {
        const device = Device.open();
        expect(device.info.backend).toBe('cpu');
        await device.close();
      }
    } finally {
      console.warn = warn;
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/Emulated GPU.*ERR_UNSUPPORTED_GPU.*7\.5/);
    expect(lines[0]).not.toContain('\n');
  });
});

describe('a model on a GPU', () => {
  test('with f32 weights or an f32 cache is refused, and what there is named', async () => {
    const device = Device.open(deterministic);
    const { folder } = engines.checkpoint;
    for (const field of ['dtype', 'kvDtype'] as const) {
      const loading = loadModel(device, folder, { [field]: 'f32' });
      const refusal = await loading.catch((error) => error);
      expect(refusal).toMatchObject({ code: 'ERR_UNSUPPORTED_DTYPE', field, value: 'f32' });
      expect(refusal.message).toMatch(/f16.*bf16/);
    }
    await device.close();
  });

  test('stored as f32 is loaded as bf16', async () => {
    const { folder, remove } = tinyCheckpoint({ dtype: 'f32', group: 4, headDim: 64 });
    const device = Device.open(deterministic);
    const model = await loadModel(device, folder);
    expect([model.weightsDtype, model.kvLayout.dtype]).toEqual(['bf16', 'bf16']);
    model.free();
    await device.close();
    remove();
  });

  // 8.6, 8.9 and 12.0 have 99 KiB of shared memory for a CTA; 8.7 takes the machine code of 8.6.
  test.each(['8.0', '8.6', '8.7', '8.9', '9.0', '10.0', '12.0'])(
    'of capability %s answers as alone, after a hit and in a batch',
    async (capability) => {
      setEmulatedGpu({ PA_EMULATED_CAPABILITY: capability });
      const { client, device } = await engines.open();
      expect(device.info.computeCapability).toBe(capability);
      const shared = engines.promptOf(40);
      await client.run(shared);
      const prompts = [3, 7, 1].map((length) => [...shared, ...engines.promptOf(length)]);
      const runs = prompts.map((prompt) => client.runOne(prompt, { maxTokens: 4 }));
      for (const [i, result] of (await Promise.all(runs)).entries()) {
        expect(result.finished!.usage.cachedTokens).toBe(40);
        await engines.expectAsAlone(prompts[i], result);
      }
    },
  );
});
