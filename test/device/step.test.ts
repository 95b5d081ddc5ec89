import { greedySlot } from '../../lib/device/index.js';
import { fillStep, type StepSequence } from './fill-step.js';
import { openTinyModel, type TinyModel, tiny } from './tiny-model.js';

const prompt = [5, 17, 3, 40, 22, 9, 31, 11, 2, 46, 28, 7];
const greedy = { ...greedySlot, seed: 7n };

describe('a step', () => {
  let model: TinyModel;
  beforeEach(async () => {
    model = await openTinyModel();
  });
  afterEach(() => model.device.close());

  const run = (sequences: StepSequence[], copies: [number, number][] = []) => {
    const { device, program } = model;
    return device.submit(program, fillStep(program.createStepBuffer(), sequences, copies));
  };

  /** Digest of the logits after `tokens`, computed alone and at once. */
  const digestOf = async (tokens: number[]): Promise<bigint> => {
    const result = await run([{ row: 3, tokens, blocks: [9, 10, 11], slot: -1 }]);
    return result.digests![0];
  };

  test('gives the same bits in one chunk, in many, and beside strangers', async () => {
    const whole = await digestOf(prompt);
    await run([{ tokens: prompt.slice(0, 5), blocks: [4, 2] }]);
    await run([
      { tokens: prompt.slice(5, 11), start: 5 },
      { row: 1, tokens: [1, 2, 3], blocks: [7], slot: 0 },
    ]);
    const last = await run([
      { row: 1, tokens: [4], start: 3, slot: 0 },
      { row: 0, tokens: prompt.slice(11), start: 11, slot: -1 },
    ]);
    expect(last.digests![1]).toBe(whole);
    expect(await digestOf(prompt.slice(0, 11))).not.toBe(whole);
  });

  test('takes tokens from the samples of the previous step', async () => {
    const first = await run([{ tokens: prompt, blocks: [1, 2], slot: 0 }]);
    const { device, program } = model;
    device.setSamplingSlot(program, 0, greedy);
    const steps = [program.createStepBuffer(), program.createStepBuffer()];
    const tokens = [{ sample: 0 }];
    const promises = [12, 13].map((start, i) =>
      device.submit(program, fillStep(steps[i], [{ tokens, start, slot: 0 }])),
    );
    const [second, third] = await Promise.all(promises);
    const told = [...prompt, first.samples[0], second.samples[0]];
    expect(third.digests![0]).toBe(await digestOf(told));
  });

  test('refilling a submitted buffer changes nothing', async () => {
    const { device, program } = model;
    const step = program.createStepBuffer();
    const promise = device.submit(
      program,
      fillStep(step, [{ tokens: prompt, blocks: [1, 2], slot: -1 }]),
    );
    fillStep(step, [{ tokens: [1], blocks: [5] }]);
    step.tokenIds.fill(0);
    expect((await promise).digests![0]).toBe(await digestOf(prompt));
  });

  test('writes no K/V below writeStarts, and attends to what is there', async () => {
    const whole = await digestOf(prompt);
    await run([{ tokens: prompt, blocks: [1, 2] }]);
    const shared = await run([
      { row: 1, tokens: [prompt[11]], start: 11, blocks: [1, 2], writeStart: 12, slot: -1 },
    ]);
    expect(shared.counters).toMatchObject({ tokensComputed: 1, kvSlotsWritten: 0 });
    expect(shared.digests![0]).toBe(whole);

    const wrongToken = await run([
      { row: 1, tokens: [prompt[11] + 1], start: 11, writeStart: 12, slot: -1 },
    ]);
    expect(wrongToken.digests![0]).not.toBe(whole);
    const again = await run([
      { row: 1, tokens: [prompt[11]], start: 11, writeStart: 12, slot: -1 },
    ]);
    expect(again.digests![0]).toBe(whole);
  });

  test('copies blocks before anything else, from what the steps before have written', async () => {
    const whole = await digestOf(prompt);
    await run([{ tokens: prompt.slice(0, 11), blocks: [1, 2] }]);
    const copied = await run(
      [
        { tokens: [30], start: 11, slot: -1 },
        { row: 1, tokens: [prompt[11]], start: 11, blocks: [1, 5], slot: -1 },
      ],
      [[2, 5]],
    );
    expect(copied.digests![1]).toBe(whole);
    expect(copied.counters).toMatchObject({ blocksCopied: 1, kvSlotsWritten: 2 });
  });

  test('keeps the block tables from step to step and applies only the changes', async () => {
    const whole = await digestOf(prompt);
    await run([{ tokens: prompt.slice(0, 8), blocks: [6] }]);
    await run([{ tokens: prompt.slice(8, 11), start: 8, blocks: [3], firstColumn: 1 }]);
    const moved = await run(
      [{ tokens: prompt.slice(11), start: 11, blocks: [8], firstColumn: 1, slot: -1 }],
      [[3, 8]],
    );
    expect(moved.digests![0]).toBe(whole);
  });

  test('gives logits in the order asked for, repeats included', async () => {
    const { device, program } = model;
    const step = fillStep(program.createStepBuffer(), [{ tokens: prompt, blocks: [1, 2] }]);
    step.wantLogits = true;
    step.numLogitRows = 3;
    step.logitRows.set([11, 4, 11]);
    step.logitSlots.set([-1, -1, -1]);
    const { digests, logits, samples } = await device.submit(program, step);
    expect(digests![0]).toBe(digests![2]);
    expect(digests![0]).not.toBe(digests![1]);
    expect(digests![1]).toBe(await digestOf(prompt.slice(0, 5)));
    expect([...samples]).toEqual([-1, -1, -1]);
    const rows = [0, 1, 2].map((i) => logits!.slice(i * tiny.vocabSize, (i + 1) * tiny.vocabSize));
    expect(rows[0]).toEqual(rows[2]);
    expect(rows[0].some((value, i) => value !== rows[1][i])).toBe(true);
  });

  test('draws the likeliest token when greedy', async () => {
    const { device, program } = model;
    const step = fillStep(program.createStepBuffer(), [
      { tokens: prompt, blocks: [1, 2], slot: 2 },
    ]);
    step.wantLogits = true;
    const { logits, samples } = await device.submit(program, step);
    expect(logits![samples[0]]).toBe(Math.max(...logits!));
  });

  test('of padding rows computes nothing that counts and writes nothing', async () => {
    const whole = await digestOf(prompt);
    const { device, program } = model;
    const step = fillStep(program.createStepBuffer(), [
      { tokens: prompt, blocks: [1, 2], slot: -1 },
    ]);
    step.numTokens = 20;
    step.tokenIds.fill(-7, 12);
    const { digests, counters } = await device.submit(program, step);
    expect(digests![0]).toBe(whole);
    expect(counters).toMatchObject({ tokensComputed: 12, kvSlotsWritten: 12 });
  });

  test('may be empty', async () => {
    const { samples, counters } = await run([]);
    expect(samples).toHaveLength(0);
    expect(counters).toMatchObject({ tokensComputed: 0, logitRows: 0 });
  });

  test('counts what it did, and the device adds it up', async () => {
    const { device } = model;
    const before = device.counters();
    const { counters } = await run([
      { tokens: prompt, blocks: [1, 2], slot: 0 },
      { row: 1, tokens: [1, 2, 3], blocks: [3], slot: -1 },
    ]);
    expect(counters).toMatchObject({
      tokensComputed: 15,
      kvSlotsWritten: 15,
      logitRows: 2,
      tokensSampled: 1,
    });
    expect(counters.runMs).toBeGreaterThan(0);
    expect(device.counters()).toMatchObject({
      stepsRun: before.stepsRun + 1,
      tokensComputed: before.tokensComputed + 15,
      tokensSampled: before.tokensSampled + 1,
    });
  });
});
