import { greedySlot, type SamplingSlot } from '../../lib/device/index.js';
import { fillStep } from './fill-step.js';
import { openTinyModel, type TinyModel, tiny } from './tiny-model.js';

const greedy: SamplingSlot = { ...greedySlot, seed: 7n };
const prompt = [5, 17, 3, 40];

describe('a sampling slot', () => {
  let model: TinyModel;
  beforeEach(async () => {
    model = await openTinyModel();
  });
  afterEach(() => model.device.close());

  const set = (slot: number, params: Partial<SamplingSlot>) =>
    model.device.setSamplingSlot(model.program, slot, { ...greedy, ...params });
  /** Draws from the same logits as often as slots are named. */
  const draw = async (...slots: number[]) => {
    const { device, program } = model;
    const step = fillStep(program.createStepBuffer(), [{ tokens: prompt, blocks: [1] }]);
    step.numLogitRows = slots.length;
    step.logitRows.fill(prompt.length - 1);
    step.logitSlots.set(slots);
    return device.submit(program, step);
  };

  test('counts its draws from step to step', async () => {
    set(0, { presencePenalty: 1e6 });
    const drawn = [];
    for (let i = 0; i < 4; i++) drawn.push((await draw(0)).samples[0]);
    expect(new Set(drawn).size).toBe(4);
    expect((await draw(1)).samples[0]).toBe(drawn[0]);
  });

  test('counts its draws inside one step, in order', async () => {
    set(0, { presencePenalty: 1e6 });
    const inOne = [...(await draw(0, 0, 1, 0)).samples];
    set(0, { presencePenalty: 1e6 });
    const [first, second, third] = [await draw(0), await draw(0), await draw(0)];
    expect(inOne).toEqual([first, second, first, third].map((result) => result.samples[0]));
  });

  test('begins with the tokens that were drawn already', async () => {
    set(0, { presencePenalty: 1e6 });
    const first = (await draw(0)).samples[0];
    const second = (await draw(0)).samples[0];
    set(1, { presencePenalty: 1e6, outputTokens: new Int32Array([first]) });
    expect((await draw(1)).samples[0]).toBe(second);
    set(0, { presencePenalty: 1e6 });
    expect((await draw(0)).samples[0]).toBe(first);
  });

  test('applies its biases, and is set in order with the steps', async () => {
    const bias = (id: number) => ({ ids: new Int32Array([id]), values: new Float32Array([1e6]) });
    set(0, { logitBias: bias(11) });
    const eleven = draw(0);
    set(0, { logitBias: bias(12) });
    const twelve = draw(0);
    set(0, {});
    expect((await eleven).samples[0]).toBe(11);
    expect((await twelve).samples[0]).toBe(12);
    expect((await draw(0)).samples[0]).toBe((await draw(1)).samples[0]);
  });

  test('draws only what its mask allows, which is set in order with the steps and lifted by the slot', async () => {
    const maskOf = (...ids: number[]) => {
      const mask = new Int32Array(Math.ceil(tiny.vocabSize / 32));
      for (const id of ids) mask[id >> 5] |= 1 << (id & 31);
      return mask;
    };
    const setMask = (mask: Int32Array) => model.device.setSlotMask(model.program, 0, mask);
    set(0, { numLogprobs: 2 });
    setMask(maskOf(31));
    const first = draw(0, 1);
    const mask = maskOf(32, 45);
    setMask(mask);
    mask.fill(0); // copied when it returns
    const second = draw(0);
    set(0, {});
    expect((await first).samples[0]).toBe(31);
    const third = draw(0, 1);
    expect((await first).samples[1]).toBe((await third).samples[1]);
    expect((await first).logprobs[0]).toBe(0);
    expect([32, 45]).toContain((await second).samples[0]);
    const { samples } = await third;
    expect(samples[0]).toBe(samples[1]);
    expect(() => setMask(new Int32Array(99))).toThrow('mask.length is 99; expected 2');
    set(2, { tokenMask: maskOf(33) });
    expect((await draw(2)).samples[0]).toBe(33);
  });

  test('counts its draws and its bias under a mask, and says when the mask leaves nothing', async () => {
    const mask = new Int32Array([0b111000, 0]);
    set(0, { presencePenalty: 1e6, tokenMask: mask });
    const drawn = [await draw(0), await draw(0), await draw(0)].map(({ samples }) => samples[0]);
    expect(drawn.toSorted((a, b) => a - b)).toEqual([3, 4, 5]);
    const bias = { ids: new Int32Array([4, 9]), values: new Float32Array([1e6, 2e6]) };
    set(0, { tokenMask: mask, logitBias: bias });
    expect((await draw(0)).samples[0]).toBe(4);
    model.device.setSlotMask(model.program, 0, new Int32Array(2));
    expect([...(await draw(0, 1)).nonFinite]).toEqual([1, 0]);
  });

  test('gives the logprobs that were asked for', async () => {
    set(0, { numLogprobs: 3 });
    const { samples, logprobs, topIds, topLogprobs } = await draw(0, 1);
    expect(topIds[0]).toBe(samples[0]);
    expect(topLogprobs[0]).toBe(logprobs[0]);
    expect([...topIds.subarray(0, 4)].map((id) => id >= 0)).toEqual([true, true, true, false]);
    expect([...topLogprobs.subarray(0, 3)]).toEqual(
      [...topLogprobs.subarray(0, 3)].toSorted((a, b) => b - a),
    );
    expect(topIds[20]).toBe(-1);
  });

  test('draws by seed and position alone', async () => {
    const hot = { temperature: 5 };
    set(0, { ...hot, seed: 1n });
    set(1, { ...hot, seed: 1n });
    set(2, { ...hot, seed: 2n ** 64n - 1n });
    const drawn = new Set<number>();
    for (let i = 0; i < 3; i++) {
      const { samples } = await draw(2, 1, 0);
      expect(samples[1]).toBe(samples[2]);
      for (const sample of samples) drawn.add(sample);
    }
    expect(drawn.size).toBeLessThanOrEqual(2);
  });

  test.each<[Partial<Record<keyof SamplingSlot, unknown>>, string]>([
    [{ temperature: Number.NaN }, 'ERR_INVALID_ARGUMENT'],
    [{ temperature: -1 }, 'ERR_INVALID_ARGUMENT'],
    [{ topK: -1 }, 'ERR_INVALID_ARGUMENT'],
    [{ topP: 0 }, 'ERR_INVALID_ARGUMENT'],
    [{ topP: 1.01 }, 'ERR_INVALID_ARGUMENT'],
    [{ minP: 1 }, 'ERR_INVALID_ARGUMENT'],
    [{ repetitionPenalty: 0 }, 'ERR_INVALID_ARGUMENT'],
    [{ presencePenalty: Number.POSITIVE_INFINITY }, 'ERR_INVALID_ARGUMENT'],
    [{ frequencyPenalty: 'x' }, 'ERR_INVALID_ARGUMENT'],
    [{ numLogprobs: 21 }, 'ERR_INVALID_ARGUMENT'],
    [{ seed: 1 }, 'ERR_INVALID_ARGUMENT'],
    [{ seed: -1n }, 'ERR_INVALID_ARGUMENT'],
    [{ promptTokens: new Int32Array([tiny.vocabSize]) }, 'ERR_TOKEN_OUT_OF_RANGE'],
    [{ outputTokens: new Int32Array([-1]) }, 'ERR_TOKEN_OUT_OF_RANGE'],
  ])('refuses %p', (params, expected) => {
    expect(() => set(0, params as Partial<SamplingSlot>)).toThrow(
      expect.objectContaining({ code: expected }),
    );
  });

  test('refuses biases of different lengths, and a slot that does not exist', () => {
    const logitBias = { ids: new Int32Array(2), values: new Float32Array(1) };
    expect(() => set(0, { logitBias })).toThrow('values.length is 1; expected 2');
    expect(() => set(4, {})).toThrow('slot is 4; expected an integer in [0, 3]');
  });
});
