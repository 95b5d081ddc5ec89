/** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
// Sampling is written twice, operation by operation the same: equal logits give equal tokens,
// log-probabilities and digests on the CPU and on a GPU.

import { Device, type SamplingSlot, type StepResult } from '../../lib/device/index.js';
import { Random } from '../conformance/random.js';
import { fast } from './emulated-gpu.js';

// One seed, not a fresh one: of 32,000 nearly equal tokens, top-p may keep one more or less on the
// CPU, whose total has the rounding of its float32 sums; a run in some hundred would meet that.
const random = new Random(20, 'same-draws');
const numRows = 8;

function drawSlot(vocabSize: number): SamplingSlot {
  const tokens = () => Int32Array.from({ length: 30 }, () => random.integer(0, vocabSize));
  const biased = Array.from({ length: vocabSize }, (_, id) => id).filter((id) => id % 9 === 4);
  return {
    temperature: random.pick([0, 0.5, 1, 1.7]),
    topK: random.pick([0, 0, 3, 50, 900]),
    topP: random.pick([1, 1, 0.999, 0.9, 0.3]),
    minP: random.pick([0, 0, 0.02]),
    repetitionPenalty: random.pick([1, 1.2]),
    presencePenalty: random.pick([0, 0.4]),
    frequencyPenalty: random.pick([0, 0.3]),
    numLogprobs: random.pick([-1, 0, 20]),
    seed: BigInt(random.uint32()),
    logitBias: { ids: Int32Array.from(biased), values: random.normals(biased.length) },
    promptTokens: tokens(),
    outputTokens: tokens(),
  };
}

async function draw(device: Device, logits: Float32Array, slots: readonly SamplingSlot[]) {
  const vocabSize = logits.length / numRows;
  const tensor = device.tensor({ dtype: 'f32', shape: [numRows, vocabSize], data: logits });
  const result = await device.ops.sample({
    logits: tensor,
    slots,
    rowSlots: Int32Array.from(slots, (_, i) => i),
    rowPositions: Int32Array.from(slots, (_, i) => 1000 * i),
    wantDigests: true,
  });
  tensor.free();
  return bitsOf(result);
}

/** Bits, so that -0 is not 0 and NaN is NaN. */
function bitsOf({ samples, logprobs, topIds, topLogprobs, nonFinite, digests }: StepResult) {
  const words = (values: Float32Array) => [...new Uint32Array(values.slice().buffer)];
  return {
    samples: [...samples],
    logprobs: words(logprobs),
    topIds: [...topIds],
    topLogprobs: words(topLogprobs),
    nonFinite: [...nonFinite],
    digests: [...(digests ?? [])].map(String),
  };
}

describe('sample on two backends', () => {
  let cpu: Device;
  let gpu: Device;
  beforeAll(() => {
    cpu = Device.open({ backend: 'cpu', threads: 1 });
    gpu = Device.open(fast);
  });
  afterAll(() => Promise.all([cpu.close(), gpu.close()]));

  test.each([1, 17, 1000, 1025, 5000, 32000])(
    'draws the same tokens from %i logits, with the same log-probabilities',
    async (vocabSize) => {
      for (const deviation of [1e-3, 1, 6]) {
        const logits = random.normals(numRows * vocabSize, deviation);
        const slots = Array.from({ length: numRows }, () => drawSlot(vocabSize));
        expect(await draw(gpu, logits, slots)).toEqual(await draw(cpu, logits, slots));
      }
    },
  );
});
