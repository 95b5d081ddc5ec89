import type { HostBlocks } from '../../lib/device/index.js';
import { fillStep } from './fill-step.js';
import { openTinyModel, type TinyModel, tiny } from './tiny-model.js';

const prompt = [5, 17, 3, 40, 22, 9, 31, 11, 2, 46, 28, 7];

describe('a transfer', () => {
  let model: TinyModel;
  let host: HostBlocks;
  beforeEach(async () => {
    model = await openTinyModel();
    host = model.device.allocateHostBlocks(model.kvCache, 4);
  });
  afterEach(() => model.device.close());

  const submit = (tokens: number[], blocks: number[], start = 0, writeStart = 0) => {
    const { device, program } = model;
    const sequence = { tokens, blocks, start, writeStart, slot: -1 };
    return device.submit(program, fillStep(program.createStepBuffer(), [sequence]));
  };
  const transfer = (direction: 'toHost' | 'toDevice', pairs: [number, number][]) => {
    const { device, kvCache } = model;
    const named = pairs.map(([block, hostBlock]) => ({ block, hostBlock }));
    return device.transfer({ kvCache, host, direction, pairs: named }).done;
  };
  const lastDigest = async (blocks: number[]) =>
    (await submit(prompt.slice(11), blocks, 11, 12)).digests![0];

  test('brings blocks back as they were, to other places', async () => {
    const whole = (await submit(prompt, [1, 2])).digests![0];
    await transfer('toHost', [
      [1, 3],
      [2, 0],
    ]);
    await model.kvCache.fill(0xff);
    await transfer('toDevice', [
      [7, 3],
      [4, 0],
    ]);
    expect(await lastDigest([7, 4])).toBe(whole);
    expect(await lastDigest([4, 7])).not.toBe(whole);
  });

  test('to the host sees all steps before it and none after it', async () => {
    const first = submit(prompt, [1, 2]);
    const out = transfer('toHost', [
      [1, 0],
      [2, 1],
    ]);
    await Promise.all([first, out]);
    await submit(
      prompt.map((token) => token + 1),
      [1, 2],
    );
    const back = transfer('toDevice', [
      [1, 0],
      [2, 1],
    ]);
    const last = lastDigest([1, 2]);
    await back;
    expect(await last).toBe((await first).digests![0]);
  });

  test('to the device is waited for by every step after it', async () => {
    const whole = (await submit(prompt, [1, 2])).digests![0];
    await transfer('toHost', [
      [1, 0],
      [2, 1],
    ]);
    for (let round = 0; round < 20; round++) {
      const poisoned = model.kvCache.fill(0xff);
      const back = transfer('toDevice', [
        [5, 0],
        [6, 1],
      ]);
      const digest = lastDigest([5, 6]);
      await Promise.all([poisoned, back]);
      expect(await digest).toBe(whole);
    }
  });

  test.each([
    ['the null block', 0, 0, 'pairs[0].block is 0; expected an integer in [1, 11]'],
    ['a block past the pool', tiny.numBlocks, 0, 'pairs[0].block is 12'],
    ['a host block past the last', 1, 4, 'pairs[0].hostBlock is 4; expected an integer in [0, 3]'],
  ])('refuses %s', (_, block, hostBlock, message) => {
    expect(() => transfer('toHost', [[block, hostBlock]])).toThrow(
      expect.objectContaining({
        code: 'ERR_BLOCK_OUT_OF_RANGE',
        message: expect.stringContaining(message),
      }),
    );
  });

  test('still runs when its host blocks and its cache are freed behind it', async () => {
    await submit(prompt, [1, 2]);
    const done = transfer('toHost', [[1, 0]]);
    host.free();
    model.program.free();
    model.kvCache.free();
    await done;
    expect(() => host.free()).toThrow(expect.objectContaining({ code: 'ERR_DOUBLE_FREE' }));
  });
});
