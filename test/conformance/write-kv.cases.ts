import type { FloatDType } from '../reference/dtype.js';
import { readKv } from '../reference/read-kv.js';
import { writeKv } from '../reference/write-kv.js';
import { exactly, expectClose } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import {
  expectCache,
  makeCacheModel,
  makePoisonedCache,
  outputCache,
  type Poison,
  poisons,
  type SlotContents,
} from './kv-fixture.js';
import { lengthOf } from './paged-batch.js';
import type { Random } from './random.js';

const axes = {
  dtype: ['f32', 'f16', 'bf16'],
  headDim: [64, 80, 96, 128, 256],
  numKvHeads: [1, 2, 3],
  blockSize: [8, 16, 32, 64, 256],
  numTokens: ['0', '1', 'blockSize-1', 'blockSize', 'blockSize+1', '1000'],
  slots: ['ordered', 'shuffled', 'with -1'],
  layer: [0, 1],
  numbers: ['normal', 'any bits'],
  poison: poisons,
} as const;

interface Choice {
  readonly dtype: FloatDType;
  readonly headDim: number;
  readonly numKvHeads: number;
  readonly blockSize: number;
  readonly numTokens: string;
  readonly slots: 'ordered' | 'shuffled' | 'with -1';
  readonly layer: number;
  readonly numbers: 'normal' | 'any bits';
  readonly poison: Poison;
}

const productAxes = ['dtype', 'headDim', 'numKvHeads', 'blockSize', 'numTokens'] as const;

/** What both ops start from: contents for some slots of a cache that has room to spare. */
function drawContents(choice: Choice, random: Random) {
  const { dtype, headDim, numKvHeads, blockSize, layer } = choice;
  const numTokens = lengthOf(choice.numTokens, blockSize);
  const numBlocks = Math.ceil(numTokens / blockSize) + 2;
  const layout = { numBlocks, blockSize, numLayers: 2, numKvHeads, headDim, dtype };
  const all = Array.from({ length: numBlocks * blockSize }, (_, i) => i);
  const chosen = (choice.slots === 'ordered' ? all : random.shuffle(all)).slice(0, numTokens);
  const slots = chosen.map((slot, i) => (choice.slots === 'with -1' && i % 3 === 1 ? -1 : slot));
  const draw = () => {
    const length = numTokens * numKvHeads * headDim;
    return choice.numbers === 'normal' ? random.normals(length) : anyFloats(random, length);
  };
  const contents: SlotContents = { layer, slots, key: draw(), value: draw() };
  return { layout, contents };
}

/** Any bit patterns of float32: NaN, infinities, subnormal numbers, ties, everything. */
function anyFloats(random: Random, length: number): Float32Array {
  const words = Uint32Array.from({ length }, () => random.uint32());
  // Half of them between 2^-26 and 2^18, where float16 has its edges.
  words.forEach((word, i) => {
    if (i % 2 === 0) words[i] = (word & 0x807ff000) | ((101 + (word % 44)) << 23);
  });
  return new Float32Array(words.buffer);
}

function makeWriteTrial(choice: Choice, random: Random): Trial {
  const { layout, contents } = drawContents(choice, random);
  const { numKvHeads, headDim } = layout;
  const shape = [contents.slots.length, numKvHeads, headDim];

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        const cache = await makePoisonedCache(scope, layout, choice.poison, []);
        await device.ops.writeKv({
          cache,
          layer: contents.layer,
          key: scope.floats('f32', shape, contents.key),
          value: scope.floats('f32', shape, contents.value),
          slotMapping: scope.indices(contents.slots),
        });
        await outputCache(scope, cache);
      }),
    check(outputs) {
      const model = makeCacheModel(layout, []);
      const tokenStride = numKvHeads * headDim;
      writeKv({ cache: model, ...contents, tokenStride, slotMapping: contents.slots });
      expectCache(outputs, model, layout, choice.poison, exactly);
    },
  };
}

function makeReadTrial(choice: Choice, random: Random): Trial {
  const { layout, contents } = drawContents(choice, random);
  const { numKvHeads, headDim } = layout;
  const written = Array.from(contents.slots).filter((slot) => slot !== -1);
  const slots = Array.from(contents.slots, (slot) => (slot === -1 ? -1 : random.pick(written)));
  const shape = [slots.length, numKvHeads, headDim];

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        await device.ops.readKv({
          cache: await makePoisonedCache(scope, layout, choice.poison, [contents]),
          layer: contents.layer,
          key: await scope.output('key', 'f32', shape),
          value: await scope.output('value', 'f32', shape),
          slots: scope.indices(slots),
        });
      }),
    check({ key, value }) {
      const model = makeCacheModel(layout, []);
      const tokenStride = numKvHeads * headDim;
      writeKv({ cache: model, ...contents, tokenStride, slotMapping: contents.slots });
      const expected = readKv(model, contents.layer, slots);
      const tolerance = exactly;
      expectClose({ label: 'key', shape, actual: key, expected: expected.key, tolerance });
      expectClose({ label: 'value', shape, actual: value, expected: expected.value, tolerance });
    },
  };
}

/** `writeKv`: every slot written as rounded, everything else left as it was, bit for bit. */
export const writeKvSuite = asSuite({
  op: 'writeKv',
  axes,
  productAxes,
  dtypeOf: 'caches',
  makeTrial: makeWriteTrial,
});

/** `readKv`: slots in any order and repeatedly, -1 among them. */
export const readKvSuite = asSuite({
  op: 'readKv',
  axes,
  productAxes,
  dtypeOf: 'caches',
  makeTrial: makeReadTrial,
});
