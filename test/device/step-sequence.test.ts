import { fillStep } from './fill-step.js';
import { openTinyModel, type TinyModel } from './tiny-model.js';

const invalid = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' });

describe('sequences added to a step', () => {
  let model: TinyModel;
  beforeAll(async () => {
    model = await openTinyModel();
  });
  afterAll(() => model.device.close());

  const submit = (step = model.program.createStepBuffer()) =>
    model.device.submit(model.program, step);

  test('give what the flat arrays give, with shared blocks and copies', async () => {
    const shared = { row: 0, tokens: [5, 17, 3, 40, 22, 9, 31, 11, 2], blocks: [1, 2], slot: -1 };
    const alike = { row: 1, tokens: [7, 8], start: 9, writeStart: 8, blocks: [1, 3], slot: -1 };
    await submit(fillStep(model.program.createStepBuffer(), [shared]));
    const flat = await submit(fillStep(model.program.createStepBuffer(), [alike], [[2, 3]]));

    const step = model.program.createStepBuffer();
    step.wantDigests = true;
    expect(step.addSequence({ ...shared, blocks: Int32Array.of(1, 2) })).toBe(0);
    await submit(step);
    step.clear();
    expect(step.addSequence({ row: 2, tokens: [1], blocks: [5] })).toBe(-1);
    const copy = { source: 2, destination: 3 };
    const { writeStart, ...later } = alike;
    expect(step.addSequence({ ...later, writeStart, copy })).toBe(0);
    const { digests } = await submit(step);
    expect(digests).toEqual(flat.digests);
  });

  test('carry only the entries of a table that changed', async () => {
    const tokens = [5, 17, 3, 40, 22, 9, 31, 11];
    const step = model.program.createStepBuffer();
    step.wantDigests = true;
    step.addSequence({ row: 3, tokens: [...tokens, 2], blocks: [6, 7], slot: -1 });
    const whole = await submit(step);
    step.clear();
    step.addSequence({ row: 3, tokens, blocks: [9] });
    await submit(step);
    step.clear();
    step.addSequence({ row: 3, tokens: [2], start: 8, firstColumn: 1, blocks: [4], slot: -1 });
    expect((await submit(step)).digests).toEqual(whole.digests);
  });

  test('write nothing below writeStart', async () => {
    const step = model.program.createStepBuffer();
    step.addSequence({ row: 0, tokens: [5, 17, 3], blocks: [1] });
    expect((await submit(step)).counters.kvSlotsWritten).toBe(3);
    step.clear();
    step.addSequence({ row: 1, tokens: [17, 3], start: 1, writeStart: 2, blocks: [1] });
    expect((await submit(step)).counters.kvSlotsWritten).toBe(1);
  });

  test('are refused when the step has no room for them, and leave it as it was', () => {
    const step = model.program.createStepBuffer();
    const { maxTokens, maxSeqs, maxCopies, maxTableChanges } = model.program.limits;
    const add = (fields: object) => () => step.addSequence({ row: 0, tokens: [1], ...fields });
    expect(add({ tokens: [] })).toThrow(invalid);
    expect(add({ tokens: Array(maxTokens + 1).fill(1) })).toThrow(invalid);
    expect(add({ blocks: Array(maxTableChanges + 1).fill(1) })).toThrow(invalid);
    expect([step.numTokens, step.numSeqs, step.numTableChanges]).toEqual([0, 0, 0]);

    const copy = { source: 1, destination: 2 };
    for (let i = 0; i < Math.min(maxSeqs, maxCopies); i++) add({ copy, slot: -1 })();
    expect(add({ copy, slot: -1 })).toThrow(invalid);
    expect(step.numCopies).toBe(Math.min(maxSeqs, maxCopies));
  });
});
