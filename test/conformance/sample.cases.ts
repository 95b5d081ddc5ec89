import type { SamplingSlot, StepResult } from '../../lib/device/index.js';
import { maxTopLogprobs } from '../../lib/device/index.js';
import { digestOfRow } from '../reference/digest.js';
import {
  adjustLogits,
  argmax,
  candidatesOf,
  drawWithin,
  isDrawable,
  logSoftmax,
  maskLogits,
  type SampleSettings,
} from '../reference/sample.js';
import { sampling } from '../tolerances.js';
import { MismatchError, type RawOutputs } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { DeviceScope } from './device-scope.js';
import type { Random } from './random.js';

const axes = {
  vocabSize: [1, 2, 17, 33, 1000, 1024, 1025, 5000],
  temperature: [0, 0.01, 0.7, 1, 2],
  topK: [0, 1, 2, 50, 10000],
  topP: [1, 0.9, 0.5, 1e-3],
  minP: [0, 0.05, 0.9],
  repetitionPenalty: [1, 1.3, 0.7],
  presencePenalty: [0, 0.5, -0.5],
  frequencyPenalty: [0, 0.3],
  bias: ['none', 'some', 'forbids half'],
  numLogprobs: [-1, 0, 1, 5, 20],
  mask: ['none', 'half', 'one in ten', 'one'],
  history: [false, true],
  digests: [false, true],
  /** `coarse` rows are full of equal logits. */
  logits: ['normal', 'coarse', 'with -infinity'],
} as const;

type Choice = { readonly [K in keyof typeof axes]: (typeof axes)[K][number] };

const numSlots = 2;
const numRows = 9;

interface Draw {
  readonly logits: Float32Array;
  readonly slots: readonly SamplingSlot[];
  readonly rowSlots: Int32Array;
  readonly rowPositions: Int32Array;
}

function drawInputs(choice: Choice, random: Random): Draw {
  const { vocabSize } = choice;
  const logits = random.normals(numRows * vocabSize, 2);
  logits.forEach((x, i) => {
    if (choice.logits === 'coarse') logits[i] = Math.round(x);
    if (choice.logits === 'with -infinity' && i % 3 === 1) logits[i] = Number.NEGATIVE_INFINITY;
  });
  const bad = [Number.NaN, Number.POSITIVE_INFINITY];
  // Rows 3 and 6 have something that is no number, anywhere.
  [3, 6].forEach((row, i) => {
    logits[row * vocabSize + random.integer(0, vocabSize)] = bad[i];
  });
  return {
    logits,
    slots: Array.from({ length: numSlots }, () => drawSlot(choice, random)),
    rowSlots: Int32Array.from({ length: numRows }, (_, row) => (row === 5 ? -1 : row % numSlots)),
    rowPositions: Int32Array.from({ length: numRows }, () => random.integer(0, 2 ** 31 - 1)),
  };
}

function drawSlot(choice: Choice, random: Random): SamplingSlot {
  const { vocabSize, bias, history } = choice;
  const tokens = (count: number) =>
    Int32Array.from({ length: count }, () => random.integer(0, vocabSize));
  const biased = Array.from({ length: vocabSize }, (_, id) => id).filter(
    (id) => id > 0 && (bias === 'some' ? id % 7 === 1 : id % 2 === 1),
  );
  const ids = Int32Array.from(biased);
  const values = Float32Array.from(biased, () => (bias === 'some' ? random.normal() * 3 : -1e4));
  return {
    temperature: choice.temperature,
    topK: choice.topK,
    topP: choice.topP,
    minP: choice.minP,
    repetitionPenalty: choice.repetitionPenalty,
    presencePenalty: choice.presencePenalty,
    frequencyPenalty: choice.frequencyPenalty,
    numLogprobs: choice.numLogprobs,
    seed: (BigInt(random.uint32()) << 32n) | BigInt(random.uint32()),
    ...(bias === 'none' ? {} : { logitBias: { ids, values } }),
    ...(choice.mask === 'none' ? {} : { tokenMask: drawMask(choice, random) }),
    ...(history ? { promptTokens: tokens(20), outputTokens: tokens(20) } : {}),
  };
}

/** Bits past the vocabulary are set: nothing may come of them. `one in ten` may leave nothing. */
function drawMask({ vocabSize, mask }: Choice, random: Random): Int32Array {
  const words = new Int32Array(Math.ceil(vocabSize / 32));
  const only = random.integer(0, vocabSize);
  for (let id = 0; id < words.length * 32; id++) {
    const isAllowed =
      mask === 'one' ? id === only : random.integer(0, mask === 'half' ? 2 : 10) === 0;
    if (id >= vocabSize || isAllowed) words[id >> 5] |= 1 << (id & 31);
  }
  return words;
}

function makeTrial(choice: Choice, random: Random): Trial {
  const draw = drawInputs(choice, random);
  const { vocabSize } = choice;
  return {
    async execute(device) {
      const scope = new DeviceScope(device);
      try {
        const logits = scope.floats('f32', [numRows, vocabSize], draw.logits);
        const operands = { ...draw, logits, wantDigests: choice.digests };
        const result = await device.ops.sample(operands);
        if ((await logits.read()).some((x, i) => !Object.is(x, draw.logits[i]))) {
          throw new MismatchError('the logits were changed');
        }
        return asOutputs(result);
      } finally {
        scope.free();
      }
    },
    check(outputs) {
      const counts = draw.slots.map(({ outputTokens }) => countsOf(outputTokens ?? []));
      for (let row = 0; row < numRows; row++) checkRow({ choice, draw, outputs, row, counts });
    },
  };
}

function asOutputs(result: StepResult): RawOutputs {
  const { samples, logprobs, topIds, topLogprobs, nonFinite, digests } = result;
  return {
    samples,
    logprobs,
    topIds,
    topLogprobs,
    nonFinite: Int32Array.from(nonFinite),
    digests: new Int32Array((digests ?? new BigUint64Array(0)).slice().buffer),
  };
}

function countsOf(tokens: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  return counts;
}

interface Row {
  readonly choice: Choice;
  readonly draw: Draw;
  readonly outputs: RawOutputs;
  readonly row: number;
  /** Per slot; the row's token is added to it. */
  readonly counts: Map<number, number>[];
}

function checkRow(at: Row): void {
  const { choice, draw, outputs, row, counts } = at;
  const raw = draw.logits.subarray(row * choice.vocabSize, (row + 1) * choice.vocabSize);
  const slot = draw.rowSlots[row];
  const logits = maskLogits(raw, draw.slots[slot]?.tokenMask);
  const canDraw = isDrawable(raw) && isDrawable(logits);
  expectEqual(`nonFinite[${row}]`, outputs.nonFinite[row], canDraw ? 0 : 1);
  if (choice.digests) checkDigest(outputs, row, raw);
  if (slot === -1 || !canDraw) {
    expectEqual(`samples[${row}]`, outputs.samples[row], slot === -1 ? -1 : 0);
    checkLogprobs(at, logits, -1);
    return;
  }
  const settings = settingsOf(draw.slots[slot], counts[slot]);
  const token = outputs.samples[row];
  const allowed = allowedTokens(logits, settings, draw.rowPositions[row]);
  if (!allowed.includes(token)) {
    throw new MismatchError(`samples[${row}] is ${token}; expected one of ${allowed}`);
  }
  counts[slot].set(token, (counts[slot].get(token) ?? 0) + 1);
  checkLogprobs(at, logits, choice.numLogprobs);
}

function settingsOf(slot: SamplingSlot, outputCounts: Map<number, number>): SampleSettings {
  const bias = new Map<number, number>();
  slot.logitBias?.ids.forEach((id, i) => {
    bias.set(id, slot.logitBias!.values[i]);
  });
  return { ...slot, bias, promptTokens: new Set(slot.promptTokens ?? []), outputCounts };
}

/** Usually one; more where the draw falls on a border between tokens, or top-p cuts on one. */
function allowedTokens(logits: Float32Array, settings: SampleSettings, position: number): number[] {
  const adjusted = adjustLogits(logits, settings);
  if (settings.temperature === 0) return [argmax(adjusted)];
  const { slack } = sampling;
  const sets = [settings.topP * (1 - slack), settings.topP, settings.topP * (1 + slack)];
  return sets.flatMap((topP) =>
    drawWithin(candidatesOf(adjusted, settings, topP), settings, position, slack),
  );
}

function checkDigest(outputs: RawOutputs, row: number, logits: Float32Array): void {
  const words = outputs.digests.subarray(2 * row, 2 * row + 2);
  const digest = BigInt.asUintN(64, (BigInt(words[1]) << 32n) | BigInt(words[0] >>> 0));
  if (digest === digestOfRow(logits)) return;
  throw new MismatchError(`digests[${row}] is ${digest}; expected ${digestOfRow(logits)}`);
}

/** @param numLogprobs -1 where none are given */
function checkLogprobs(at: Row, logits: Float32Array, numLogprobs: number): void {
  const { outputs, row } = at;
  const start = row * maxTopLogprobs;
  const numTop = Math.max(0, Math.min(numLogprobs, logits.length));
  const best = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  const logprobs = numLogprobs < 0 ? undefined : logSoftmax(logits);
  const of = (id: number) => logprobs?.[id] ?? 0;
  expectNear(`logprobs[${row}]`, outputs.logprobs[row], of(outputs.samples[row]));
  for (let i = 0; i < maxTopLogprobs; i++) {
    const id = i < numTop ? best[i] : -1;
    expectEqual(`topIds[${row}][${i}]`, outputs.topIds[start + i], id);
    const logprob = id === -1 ? 0 : of(id);
    expectNear(`topLogprobs[${row}][${i}]`, outputs.topLogprobs[start + i], logprob);
  }
}

function expectEqual(label: string, actual: number, expected: number): void {
  if (actual !== expected) throw new MismatchError(`${label} is ${actual}; expected ${expected}`);
}

function expectNear(label: string, actual: number, expected: number): void {
  if (actual === expected) return;
  const limit = sampling.logprob * (1 + Math.abs(expected));
  if (Math.abs(actual - expected) <= limit) return;
  throw new MismatchError(`${label} is ${actual}; expected ${expected} within ${limit}`);
}

/** `sample`: every setting, rows of one slot in order, ties, rows that nothing can be drawn from. */
export const sampleSuite = asSuite({
  op: 'sample',
  axes,
  productAxes: ['vocabSize', 'temperature', 'topK', 'topP', 'minP'],
  makeTrial,
});
