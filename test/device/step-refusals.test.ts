import type { StepBuffer } from '../../lib/device/index.js';
import { fillStep } from './fill-step.js';
import { openTinyModel, type TinyModel, tiny, tinyLimits } from './tiny-model.js';

const prompt = [5, 17, 3, 40, 22, 9, 31, 11, 2];

interface Refusal {
  readonly name: string;
  readonly code: string;
  /** What the message must contain: the entry, and both numbers. */
  readonly message: string;
  readonly spoil: (step: StepBuffer) => void;
}

const refusals: Refusal[] = [
  {
    name: 'a token id past the vocabulary',
    code: 'ERR_TOKEN_OUT_OF_RANGE',
    message: `tokenIds[3] is 48; expected one in [0, ${tiny.vocabSize - 1}]`,
    spoil: (step) => step.tokenIds.fill(tiny.vocabSize, 3, 4),
  },
  {
    name: 'a negative token id',
    code: 'ERR_TOKEN_OUT_OF_RANGE',
    message: 'tokenIds[0] is -1',
    spoil: (step) => step.tokenIds.fill(-1, 0, 1),
  },
  {
    name: 'a sample that the previous step did not draw',
    code: 'ERR_INVALID_STEP',
    message: 'tokenSources[0] is 1; expected one in [-1, 0]',
    spoil: (step) => step.tokenSources.fill(1, 0, 1),
  },
  {
    name: 'a source below -1',
    code: 'ERR_INVALID_STEP',
    message: 'tokenSources[2] is -2',
    spoil: (step) => step.tokenSources.fill(-2, 2, 3),
  },
  {
    name: 'a row outside the block tables',
    code: 'ERR_INVALID_STEP',
    message: `tableRows[0] is 4; expected one in [0, ${tinyLimits.maxTableRows - 1}]`,
    spoil: (step) => step.tableRows.fill(4, 0, 1),
  },
  {
    name: 'a context longer than a row of the tables',
    code: 'ERR_INVALID_STEP',
    message: 'contextLens[0] is 49; expected one in [9, 48]',
    spoil: (step) => step.contextLens.fill(49, 0, 1),
  },
  {
    name: 'a context shorter than its query',
    code: 'ERR_INVALID_STEP',
    message: 'contextLens[0] is 8; expected one in [9, 48]',
    spoil: (step) => step.contextLens.fill(8, 0, 1),
  },
  {
    name: 'a context with a hole',
    code: 'ERR_BLOCK_OUT_OF_RANGE',
    message: 'attends to 17 tokens, but row 0 of the block tables has a hole among its first 3',
    spoil: (step) => step.contextLens.fill(17, 0, 1),
  },
  {
    name: 'rows that do not begin at 0',
    code: 'ERR_INVALID_STEP',
    message: 'queryStart[0] is 1; expected 0',
    spoil: (step) => step.queryStart.fill(1, 0, 1),
  },
  {
    name: 'rows past the tokens',
    code: 'ERR_INVALID_STEP',
    message: 'queryStart[1] is 10; expected one in [0, 9]',
    spoil: (step) => step.queryStart.fill(10, 1, 2),
  },
  {
    name: 'a logit row past the tokens',
    code: 'ERR_INVALID_STEP',
    message: 'logitRows[0] is 9; expected one in [0, 8]',
    spoil: (step) => step.logitRows.fill(9, 0, 1),
  },
  {
    name: 'a sampling slot that does not exist',
    code: 'ERR_INVALID_STEP',
    message: 'logitSlots[0] is 4; expected one in [-1, 3]',
    spoil: (step) => step.logitSlots.fill(4, 0, 1),
  },
  {
    name: 'a table change outside the rows',
    code: 'ERR_INVALID_STEP',
    message: 'tableChanges[1] names row 4; expected one in [0, 3]',
    spoil: (step) => step.tableChanges.fill(4, 3, 4),
  },
  {
    name: 'a table change outside the columns',
    code: 'ERR_INVALID_STEP',
    message: 'tableChanges[0] names column -1; expected one in [0, 5]',
    spoil: (step) => step.tableChanges.fill(-1, 1, 2),
  },
  {
    name: 'a block past the pool',
    code: 'ERR_BLOCK_OUT_OF_RANGE',
    message: `tableChanges[1] names block 12; expected one in [0, ${tiny.numBlocks - 1}]`,
    spoil: (step) => step.tableChanges.fill(tiny.numBlocks, 5, 6),
  },
  {
    name: 'a copy of the null block',
    code: 'ERR_BLOCK_OUT_OF_RANGE',
    message: 'copies[0] is 0; expected one in [1, 11]',
    spoil: (step) => setCopies(step, 0, 3),
  },
  {
    name: 'a copy past the pool',
    code: 'ERR_BLOCK_OUT_OF_RANGE',
    message: 'copies[1] is 12; expected one in [1, 11]',
    spoil: (step) => setCopies(step, 3, 12),
  },
  {
    name: 'a block that is source and destination',
    code: 'ERR_INVALID_STEP',
    message: 'copies[2] is block 4',
    spoil: (step) => setCopies(step, 3, 4, 4, 5),
  },
  {
    name: 'a block that is a destination twice',
    code: 'ERR_INVALID_STEP',
    message: 'copies[3] is block 4',
    spoil: (step) => setCopies(step, 3, 4, 5, 4),
  },
];

function setCopies(step: StepBuffer, ...copies: number[]): void {
  step.numCopies = copies.length / 2;
  step.copies.set(copies);
}

describe('a step is refused that names', () => {
  let model: TinyModel;
  let goodDigest: bigint;

  const goodStep = () =>
    fillStep(model.program.createStepBuffer(), [{ tokens: prompt, blocks: [1, 2], slot: 0 }]);

  beforeAll(async () => {
    model = await openTinyModel();
    goodDigest = (await model.device.submit(model.program, goodStep())).digests![0];
  });
  afterAll(() => model.device.close());

  test.each(refusals)('$name, and later steps run', async ({ code, message, spoil }) => {
    const { device, program } = model;
    await device.submit(program, goodStep());
    const before = device.counters();
    const step = goodStep();
    spoil(step);
    const error = await device.submit(program, step).then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(device.counters()).toEqual(before);
    const { digests } = await device.submit(program, goodStep());
    expect(digests![0]).toBe(goodDigest);
  });

  test('a sample of a step that failed', async () => {
    const { device, program } = model;
    const bad = goodStep();
    bad.tokenIds[0] = -1;
    const next = fillStep(program.createStepBuffer(), [{ tokens: [{ sample: 0 }], start: 9 }]);
    const outcomes = await Promise.allSettled([
      device.submit(program, bad),
      device.submit(program, next),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'ERR_PREVIOUS_STEP_FAILED' } });
  });

  test('a logit row that the step before did not draw from', async () => {
    const { device, program } = model;
    const first = goodStep();
    first.logitSlots[0] = -1;
    const next = fillStep(program.createStepBuffer(), [{ tokens: [{ sample: 0 }], start: 9 }]);
    const outcomes = await Promise.allSettled([
      device.submit(program, first),
      device.submit(program, next),
    ]);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'ERR_TOKEN_OUT_OF_RANGE' } });
  });
});

describe('submit', () => {
  let model: TinyModel;
  beforeAll(async () => {
    model = await openTinyModel();
  });
  afterAll(() => model.device.close());

  test('refuses a third step while two are queued, and takes it afterwards', async () => {
    const { device, program } = model;
    const step = fillStep(program.createStepBuffer(), [{ tokens: prompt, blocks: [1, 2] }]);
    const queued = [device.submit(program, step), device.submit(program, step)];
    expect(() => device.submit(program, step)).toThrow(
      expect.objectContaining({ code: 'ERR_TOO_MANY_STEPS' }),
    );
    await Promise.all(queued);
    await expect(device.submit(program, step)).resolves.toBeDefined();
  });

  test('keeps the table changes of a step that fails otherwise, and none when one is bad', async () => {
    const { device, program } = model;
    const failing = fillStep(program.createStepBuffer(), [{ tokens: prompt, blocks: [3, 4] }]);
    failing.tokenIds[0] = -1;
    await expect(device.submit(program, failing)).rejects.toThrow('tokenIds[0]');
    const later = fillStep(program.createStepBuffer(), [{ tokens: prompt, slot: 0 }]);
    await expect(device.submit(program, later)).resolves.toBeDefined();

    const bad = fillStep(program.createStepBuffer(), [{ row: 2, tokens: [1], blocks: [5, 99] }]);
    await expect(device.submit(program, bad)).rejects.toThrow('block 99');
    const hole = fillStep(program.createStepBuffer(), [{ row: 2, tokens: [1] }]);
    await expect(device.submit(program, hole)).rejects.toThrow('hole');
  });

  test('refuses counts past the limits when they are set', () => {
    const step = model.program.createStepBuffer();
    expect(() => {
      step.numTokens = tinyLimits.maxTokens + 1;
    }).toThrow('numTokens is 25; expected an integer in [0, 24]');
    expect(() => {
      step.numSeqs = -1;
    }).toThrow('numSeqs');
    expect(() => {
      step.numTableChanges = 25;
    }).toThrow('numTableChanges');
  });

  test('refuses a step buffer of another program', async () => {
    const other = await openTinyModel(2, { ...tinyLimits, maxTokens: 8 });
    const step = other.program.createStepBuffer();
    expect(() => model.device.submit(model.program, step)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
    expect(() => model.device.submit(other.program, step)).toThrow('another device');
    await other.device.close();
  });
});
