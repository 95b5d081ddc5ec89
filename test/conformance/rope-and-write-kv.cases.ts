import type { FloatDType } from '../reference/dtype.js';
import { type RopeAndWriteKvInput, ropeAndWriteKv } from '../reference/rope-and-write-kv.js';
import { toleranceOf } from '../tolerances.js';
import { expectClose } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import {
  expectCache,
  largestOfHead,
  makeCacheModel,
  makePoisonedCache,
  outputCache,
  type Poison,
  poisons,
} from './kv-fixture.js';
import type { Random } from './random.js';

const axes = {
  dtype: ['f32', 'f16', 'bf16'],
  headDim: [64, 80, 96, 128, 256],
  /** Share of the head that is rotated. */
  rotary: [1, 0.5, 0.25],
  group: [1, 2, 4, 7, 8],
  numKvHeads: [1, 2, 3],
  blockSize: [8, 16, 64, 256],
  numTokens: [0, 1, 2, 17, 70],
  norm: ['none', 'q', 'k', 'q and k'],
  normWeightOffset: [0, 1],
  slots: ['all', 'with -1', 'only -1'],
  positions: ['ascending', 'any', 'last'],
  poison: poisons,
} as const;

interface Choice {
  readonly dtype: FloatDType;
  readonly headDim: number;
  readonly rotary: number;
  readonly group: number;
  readonly numKvHeads: number;
  readonly blockSize: number;
  readonly numTokens: number;
  readonly norm: 'none' | 'q' | 'k' | 'q and k';
  readonly normWeightOffset: number;
  readonly slots: 'all' | 'with -1' | 'only -1';
  readonly positions: 'ascending' | 'any' | 'last';
  readonly poison: Poison;
}

const maxPositions = 500;
const normEps = 1e-6;

/** Everything drawn for a trial; `input` has a cache of its own each time. */
function drawInputs(choice: Choice, random: Random) {
  const { dtype, headDim, group, numKvHeads, blockSize, numTokens } = choice;
  const numHeads = group * numKvHeads;
  const numBlocks = Math.ceil(numTokens / blockSize) + 2;
  const layout = { numBlocks, blockSize, numLayers: 2, numKvHeads, headDim, dtype };
  const slots = random.shuffle(Array.from({ length: numBlocks * blockSize }, (_, i) => i));
  const slotMapping = Array.from({ length: numTokens }, (_, t) =>
    choice.slots === 'only -1' || (choice.slots === 'with -1' && t % 3 === 0) ? -1 : slots[t],
  );
  const start = random.integer(0, maxPositions - numTokens);
  const positions = Array.from({ length: numTokens }, (_, t) => {
    if (choice.positions === 'ascending') return start + t;
    return choice.positions === 'last' ? maxPositions - 1 : random.integer(0, maxPositions);
  });
  const rotaryDim = headDim * choice.rotary;
  const input = (): RopeAndWriteKvInput => ({
    ...numbers,
    cache: makeCacheModel(layout, []),
    layer: 1,
    slotMapping,
    positions,
    numHeads,
    rotaryDim,
    normEps: Math.fround(normEps),
    normWeightOffset: choice.normWeightOffset,
  });
  const numbers = {
    qkv: random.normals(numTokens * (numHeads + 2 * numKvHeads) * headDim),
    cosSin: cosSinTable(rotaryDim),
    ...(choice.norm.includes('q') ? { qNorm: random.normals(headDim) } : {}),
    ...(choice.norm.includes('k') ? { kNorm: random.normals(headDim) } : {}),
  };
  return { layout, numHeads, input };
}

function cosSinTable(rotaryDim: number): Float32Array {
  return Float32Array.from({ length: maxPositions * rotaryDim }, (_, i) => {
    const pair = i % (rotaryDim / 2);
    const angle = Math.floor(i / rotaryDim) * 10000 ** ((-2 * pair) / rotaryDim);
    return i % rotaryDim < rotaryDim / 2 ? Math.cos(angle) : Math.sin(angle);
  });
}

function makeTrial(choice: Choice, random: Random): Trial {
  const { layout, numHeads, input } = drawInputs(choice, random);
  const { headDim, numKvHeads } = layout;
  const { qkv, cosSin, rotaryDim, qNorm, kNorm, positions, slotMapping } = input();
  const shape = [choice.numTokens, numHeads, headDim];

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        const cache = await makePoisonedCache(scope, layout, choice.poison, []);
        await device.ops.ropeAndWriteKv({
          cache,
          layer: 1,
          numHeads,
          q: await scope.output('q', 'f32', shape),
          qkv: scope.floats('f32', [choice.numTokens, numHeads + 2 * numKvHeads, headDim], qkv),
          rope: scope.floats('f32', [maxPositions, rotaryDim], cosSin),
          positions: scope.indices(positions),
          slotMapping: scope.indices(slotMapping),
          ...(qNorm ? { qNorm: scope.floats('f32', [headDim], qNorm) } : {}),
          ...(kNorm ? { kNorm: scope.floats('f32', [headDim], kNorm) } : {}),
          normEps,
          normWeightOffset: choice.normWeightOffset,
        });
        await outputCache(scope, cache);
      }),
    check(outputs) {
      const given = input();
      const q = ropeAndWriteKv(given);
      const magnitude = largestOfHead(q, headDim);
      const tolerance = toleranceOf('ropeAndWriteKv', 'f32');
      expectClose({ label: 'q', shape, actual: outputs.q, expected: q, magnitude, tolerance });
      // The reference's keys are rounded too: next to a tie the two may be one step apart.
      const ofKeys = toleranceOf('ropeAndWriteKv', choice.dtype);
      const twice = { ...ofKeys, rounding: 2 * ofKeys.rounding };
      expectCache(outputs, given.cache, layout, choice.poison, twice);
    },
  };
}

/** `ropeAndWriteKv`: partial rotation, norms of q and k, groups, slots of -1. */
export const ropeAndWriteKvSuite = asSuite({
  op: 'ropeAndWriteKv',
  axes,
  productAxes: ['dtype', 'headDim', 'rotary', 'group', 'numTokens'],
  dtypeOf: 'caches',
  makeTrial,
});
