import { Device, type Isa } from '../../lib/device/index.js';
import { fillStep } from './fill-step.js';
import { openTinyModel } from './tiny-model.js';

const code = (name: string) => expect.objectContaining({ code: name });

describe('Device.open', () => {
  test('says what it opened', async () => {
    const device = Device.open({ backend: 'cpu', threads: 2 });
    expect(device.info).toMatchObject({ backend: 'cpu', threads: 2, deterministic: true });
    expect(device.info).toMatchObject({ computeCapability: undefined, memoryBytes: undefined });
    expect(device.info.weightDtypes).toEqual(['f32', 'f16', 'bf16', 'int8', 'int4']);
    expect(device.freeBytes()).toBeUndefined();
    expect(device.info.name).not.toBe('');
    expect(Device.availableIsas()).toContain(device.info.isa as Isa);
    await device.close();
  });

  test('opens each instruction set that this machine has', async () => {
    for (const isa of Device.availableIsas()) {
      const device = Device.open({ isa, threads: 1 });
      expect(device.info.isa).toBe(isa);
      await device.close();
    }
  });

  test.each([
    [{ backend: 'cuda' }, 'ERR_CUDA_UNAVAILABLE'],
    [{ backend: 'tpu' }, 'ERR_INVALID_ARGUMENT'],
    [{ isa: 'sse9' }, 'ERR_INVALID_ARGUMENT'],
    [{ threads: 0.5 }, 'ERR_INVALID_ARGUMENT'],
    [{ threads: -1 }, 'ERR_INVALID_ARGUMENT'],
    [{ backend: 'cpu', index: 1 }, 'ERR_INVALID_ARGUMENT'],
    [{ index: -1 }, 'ERR_INVALID_ARGUMENT'],
    [{ index: 1 }, 'ERR_CUDA_UNAVAILABLE'],
    [{ deterministic: 'yes' }, 'ERR_INVALID_ARGUMENT'],
    [{ maxBytes: -1 }, 'ERR_INVALID_ARGUMENT'],
  ])('refuses %j', (options, expected) => {
    expect(() => Device.open(options as never)).toThrow(code(expected));
  });
});

describe('Device.close', () => {
  test('runs what is queued, gives back everything, and may be called twice', async () => {
    const { device, program } = await openTinyModel();
    const tensor = device.tensor({
      dtype: 'f32',
      shape: [4],
      data: new Float32Array([1, 2, 3, 4]),
    });
    const step = fillStep(program.createStepBuffer(), [{ tokens: [1, 2], blocks: [1], slot: 0 }]);
    const running = device.submit(program, step);
    const read = tensor.read();
    const closed = device.close();
    expect(device.close()).toBe(closed);
    await closed;
    expect((await running).counters.tokensComputed).toBe(2);
    expect([...(await read)]).toEqual([1, 2, 3, 4]);
  });

  test('makes every later use throw ERR_CLOSED', async () => {
    const { device, program, kvCache } = await openTinyModel();
    const tensor = device.tensor({ dtype: 'f32', shape: [4] });
    const host = device.allocateHostBlocks(kvCache, 1);
    const step = program.createStepBuffer();
    await device.close();
    const uses: (() => unknown)[] = [
      () => device.tensor({ dtype: 'f32', shape: [1] }),
      () => device.createKvCache(kvCache.layout),
      () => device.submit(program, step),
      () => device.record(program.limits, undefined, () => {}),
      () => device.allocateHostBlocks(kvCache, 1),
      () => device.counters(),
      () => device.whenIdle(),
      () => device.transfer({ kvCache, host, pairs: [], direction: 'toHost' }),
      () => device.ops.scale({ x: tensor, factor: 2 }),
    ];
    for (const use of uses) expect(use).toThrow(code('ERR_CLOSED'));
    await expect(tensor.read()).rejects.toThrow(code('ERR_CLOSED'));
    tensor.free();
    expect(() => tensor.free()).toThrow(code('ERR_DOUBLE_FREE'));
  });
});

describe('free', () => {
  test('gives memory back behind the work that is queued, and refuses a second time', async () => {
    const device = Device.open({ threads: 1 });
    const before = device.counters().bytesAllocated;
    const tensor = device.tensor({ dtype: 'f32', shape: [1024] });
    const read = tensor.read();
    tensor.free();
    expect(() => tensor.free()).toThrow(code('ERR_DOUBLE_FREE'));
    expect(await read).toHaveLength(1024);
    await expect(tensor.read()).rejects.toThrow(code('ERR_CLOSED'));
    await device.whenIdle();
    expect(device.counters().bytesAllocated).toBe(before);
    await device.close();
  });

  test('of a KV cache waits for the program that was recorded with it', async () => {
    const { device, program, kvCache } = await openTinyModel();
    kvCache.free();
    const step = fillStep(program.createStepBuffer(), [{ tokens: [1, 2], blocks: [1], slot: 0 }]);
    expect((await device.submit(program, step)).counters.tokensSampled).toBe(1);
    const held = device.counters().bytesAllocated;
    program.free();
    await device.whenIdle();
    expect(device.counters().bytesAllocated).toBeLessThan(
      held - kvCache.blockBytes * kvCache.layout.numBlocks + 1,
    );
    expect(() => device.submit(program, step)).toThrow(code('ERR_CLOSED'));
    await device.close();
  });
});

describe('createKvCache', () => {
  const layout = { numLayers: 2, numKvHeads: 3, headDim: 64, dtype: 'bf16' } as const;
  const device = Device.open({ threads: 1 });
  afterAll(() => device.close());

  test('rounds blocks up to 4 KiB and leaves room for a scale per head', () => {
    const tileBytes = 2 * 2 * 3 * 8 * 64 * 2;
    expect(tileBytes % 4096).toBe(0);
    expect(Device.kvBlockBytes({ ...layout, blockSize: 8 })).toBe(tileBytes + 4096);
  });

  test.each([
    [{ blockSize: 12 }, 'ERR_INVALID_ARGUMENT'],
    [{ blockSize: 4 }, 'ERR_INVALID_ARGUMENT'],
    [{ blockSize: 512 }, 'ERR_INVALID_ARGUMENT'],
    [{ headDim: 20 }, 'ERR_INVALID_ARGUMENT'],
    [{ numBlocks: 1 }, 'ERR_INVALID_ARGUMENT'],
    [{ dtype: 'i32' }, 'ERR_INVALID_ARGUMENT'],
    [{ numBlocks: 100_000_000 }, 'ERR_OUT_OF_MEMORY'],
  ])('refuses %j', (options, expected) => {
    const whole = { numBlocks: 4, blockSize: 8, ...layout, ...options };
    expect(() => device.createKvCache(whole as never)).toThrow(code(expected));
  });
});
