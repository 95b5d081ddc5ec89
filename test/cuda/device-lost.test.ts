/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// What fails on a GPU, whom it takes along, and what goes on afterwards. Every case ends with the memory
// that the GPU had, and with an engine that answers.
import { Device, type DeviceOptions } from '../../lib/device/index.js';
import { DeviceExecutor } from '../../lib/engine/index.js';
import { CudaError, type EngineError } from '../../lib/errors.js';
import { loadModel } from '../../lib/model/index.js';
import { type DeviceEngine, tinyCheckpoint } from '../engine/device-engine.js';
import { greedy } from '../engine/harness.js';
import { deterministic, failCall, fast, resetEmulatedGpu } from './emulated-gpu.js';
import { Engines } from './engines.js';

const engines = new Engines(tinyCheckpoint({ dtype: 'bf16', group: 4, headDim: 64 }), 33);
const { folder } = engines.checkpoint;
const promptOf = (length: number) => engines.promptOf(length);
const device = { code: 'ERR_DEVICE_LOST' };
const heads = { numLayers: 1, numKvHeads: 1, headDim: 64, dtype: 'bf16' } as const;
const layout = { numBlocks: 4, blockSize: 16, ...heads };
const devices: Device[] = [];

function openDevice(options: DeviceOptions): Device {
  const opened = Device.open(options);
  devices.push(opened);
  return opened;
}

/** Bytes that a GPU gives which was just opened. */
async function freeBytesOfGpu(): Promise<number> {
  const opened = Device.open(deterministic);
  const bytes = opened.freeBytes() as number;
  await opened.close();
  return bytes;
}

afterEach(async () => {
  await Promise.all(devices.splice(0).map((opened) => opened.close()));
  await engines.closeAll();
  resetEmulatedGpu();
  const { client } = await engines.open();
  const prompt = promptOf(12);
  await engines.expectAsAlone(prompt, await client.runOne(prompt, { maxTokens: 4 }));
  await engines.closeAll();
});
afterAll(() => engines.end());

/** Three requests, of which two run and one waits. */
function submitThree({ client }: DeviceEngine): Promise<PromiseSettledResult<unknown>[]> {
  const runs = [20, 9, 14].map((length) => client.run(promptOf(length), { maxTokens: 12 }));
  return Promise.allSettled(runs);
}

describe('a GPU that is lost', () => {
  test.each([
    ['at the launch of a kernel', 'cuLaunchKernel', 60, 'launchFailed'],
    ['while a kernel runs', 'kernel', 40, 'illegalAddress'],
    ['at the end of a recording', 'cuStreamEndCapture', 1, 'launchFailed'],
    ['at a replay', 'cuGraphLaunch', 3, 'illegalAddress'],
    ['while a replayed kernel runs', 'kernel', 200, 'launchFailed'],
    ['while a step is waited for', 'cuStreamSynchronize', 12, 'launchFailed'],
  ] as const)('%s refuses all that run, wait or come later', async (_when, call, n, result) => {
    const freeBytes = await freeBytesOfGpu();
    const engine = await engines.openFailing([call, n, result], { maxSeqs: 2 });
    const outcomes = await submitThree(engine);
    const reasons = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason);
    const failures = reasons.filter((reason) => reason instanceof CudaError);
    expect(failures.length).toBeGreaterThan(0);
    for (const reason of reasons) {
      expect(['ERR_CUDA', 'ERR_DEVICE_LOST']).toContain((reason as EngineError).code);
    }
    const { client, core } = engine;
    await expect(client.run(promptOf(3))).rejects.toMatchObject(device);
    expect(core.stats()).toMatchObject({ numRunning: 0, numWaiting: 0, cache: { numLive: 0 } });
    await engines.closeAll();
    expect(await freeBytesOfGpu()).toBe(freeBytes);
  });

  test('says with each refusal what the first failure was, and its number', async () => {
    const { client } = await engines.openFailing(['cuGraphLaunch', 1, 'illegalAddress']);
    const failure = await client.run(promptOf(9), { maxTokens: 9 }).catch((error) => error);
    expect(failure).toBeInstanceOf(CudaError);
    expect(failure).toMatchObject({ code: 'ERR_CUDA', call: 'cuGraphLaunch', cudaCode: 700 });
    const refusal = await client.run(promptOf(9)).catch((error) => error);
    expect(refusal).toMatchObject(device);
    expect(refusal.message).toContain('CUDA_ERROR_ILLEGAL_ADDRESS');
  });

  test('refuses tensors, reads, transfers and weights too, and closes all the same', async () => {
    failCall('cuLaunchKernel', 1, 'launchFailed');
    const lost = openDevice(fast);
    const x = lost.tensor({ dtype: 'f32', shape: [4] });
    const kvCache = lost.createKvCache(layout);
    const host = lost.allocateHostBlocks(kvCache, 1);
    await expect(lost.ops.scale({ x, factor: 2 })).rejects.toMatchObject({ cudaCode: 719 });
    const pairs = [{ block: 1, hostBlock: 0 }];
    const { done } = lost.transfer({ kvCache, host, pairs, direction: 'toHost' });
    await expect(done).rejects.toMatchObject(device);
    await expect(x.read()).rejects.toMatchObject(device);
    await expect(loadModel(lost, folder)).rejects.toMatchObject(device);
    const another = lost.tensor({ dtype: 'f32', shape: [4] });
    await expect(another.read()).rejects.toMatchObject(device);
    const refused = expect.objectContaining(device);
    expect(() => lost.createKvCache(layout)).toThrow(refused);
    expect(() => lost.allocateHostBlocks(kvCache, 1)).toThrow(refused);
  });
});

describe('a failure that passes', () => {
  test.each([
    ['a launch that is refused', 'cuLaunchKernel', 60, 'launchOutOfResources'],
    ['a result that does not come', 'cuMemcpyDtoHAsync_v2', 3, 'invalidValue'],
  ] as const)('%s fails the requests of the step and no others', async (_, call, n, result) => {
    const engine = await engines.openFailing([call, n, result], { maxSeqs: 2 });
    const { client, core } = engine;
    const prompts = [20, 9, 14].map(promptOf);
    const runs = prompts.map((prompt) => client.runOne(prompt, { maxTokens: 12 }));
    const outcomes = await Promise.allSettled(runs);
    const statuses = outcomes.map(({ status }) => status);
    expect(statuses).toEqual(['rejected', 'rejected', 'fulfilled']);
    for (const run of runs.slice(0, 2)) {
      await expect(run).rejects.toMatchObject({ code: 'ERR_CUDA', call: call.split('_')[0] });
    }
    expect(core.stats().cache.numLive).toBe(0);
    await engines.expectAsAlone(prompts[2], await runs[2]);
    await engines.expectAsAlone(prompts[0], await client.runOne(prompts[0], { maxTokens: 12 }));
  });
});

test('a copy to the GPU that fails fails who needs it, whichever copy it is', async () => {
  const prompt = promptOf(9);
  const sampling = { ...greedy, temperature: 1, seed: 5n, presencePenalty: 0.5 };
  const answer = async ({ client }: DeviceEngine) =>
    client.runOne(prompt, { maxTokens: 4, sampling });
  const right = await answer(await engines.open());
  await engines.closeAll();
  let numFailed = 0;
  for (let isAnswered = false; !isAnswered; ) {
    failCall('cuMemcpyHtoDAsync_v2', numFailed + 1, 'invalidValue');
    try {
      const engine = await engines.open();
      expect((await answer(engine)).tokens).toEqual(right.tokens);
      isAnswered = true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_CUDA', call: 'cuMemcpyHtoDAsync' });
      numFailed++;
    }
    await engines.closeAll();
  }
  expect(numFailed).toBeGreaterThan(20);
});

describe('a GPU without memory', () => {
  const pool = { numBlocks: 64, blockSize: 16 };
  const limits = { kv: pool, maxSeqs: 4, maxTokens: 64 };

  test('refuses a KV cache that it cannot hold, and goes on', async () => {
    const { device, model, client } = await engines.open();
    const tooLarge = { ...model.kvLayout, blockSize: 16, numBlocks: 500_000 };
    const refused = expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' });
    expect(() => device.createKvCache(tooLarge)).toThrow(refused);
    const prompt = promptOf(12);
    await engines.expectAsAlone(prompt, await client.runOne(prompt, { maxTokens: 4 }));
  });

  test('gives no more than maxBytes', async () => {
    const limited = openDevice({ ...fast, maxBytes: 1 << 20 });
    expect(limited.freeBytes()).toBeLessThanOrEqual(1 << 20);
    const half = { dtype: 'f32', shape: [1 << 17] } as const;
    const tensors = [limited.tensor(half), limited.tensor(half), limited.tensor(half)];
    expect(await tensors[1].read()).toHaveLength(1 << 17);
    await expect(tensors[2].read()).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    tensors[0].free();
    expect(await limited.tensor(half).read()).toHaveLength(1 << 17);
  });

  test('refuses a model wherever it does not fit, and keeps nothing of it', async () => {
    const freeBytes = await freeBytesOfGpu();
    let numRefused = 0;
    for (let n = 1, isOpen = false; !isOpen; n++) {
      failCall('cuMemAlloc_v2', n, 'outOfMemory');
      isOpen = await openModel().catch((error: EngineError) => {
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
        numRefused++;
        return false;
      });
      resetEmulatedGpu();
      expect(await freeBytesOfGpu()).toBe(freeBytes);
    }
    expect(numRefused).toBeGreaterThan(10);
  });

  /** Opens device, model and program, and closes them; true. */
  async function openModel(): Promise<boolean> {
    const opened = Device.open(deterministic);
    try {
      const model = await loadModel(opened, folder);
      await new DeviceExecutor({ device: opened, model, ...limits }).close();
      return true;
    } finally {
      await opened.close();
    }
  }
});
