import { copyBlocks } from '../reference/copy-blocks.js';
import type { FloatDType } from '../reference/dtype.js';
import { exactly } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import {
  expectCache,
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
  numKvHeads: [1, 2],
  numLayers: [1, 2],
  blockSize: [8, 16, 32, 64, 256],
  numPairs: [0, 1, 3],
  /** Whether all pairs copy the same block, as forks of one sequence do. */
  source: ['own', 'shared'],
  /** Slots of each block that were written: a copy takes what is there and the rest along. */
  filled: ['all', 'some', 'none'],
  poison: poisons,
} as const;

interface Choice {
  readonly dtype: FloatDType;
  readonly headDim: number;
  readonly numKvHeads: number;
  readonly numLayers: number;
  readonly blockSize: number;
  readonly numPairs: number;
  readonly source: 'own' | 'shared';
  readonly filled: 'all' | 'some' | 'none';
  readonly poison: Poison;
}

function makeTrial(choice: Choice, random: Random): Trial {
  const { dtype, headDim, numKvHeads, numLayers, blockSize, numPairs, poison } = choice;
  const numBlocks = 2 * numPairs + 2;
  const layout = { numBlocks, blockSize, numLayers, numKvHeads, headDim, dtype };
  const blocks = random.shuffle(Array.from({ length: numBlocks - 1 }, (_, i) => i + 1));
  const pairs = Int32Array.from({ length: 2 * numPairs }, (_, i) =>
    choice.source === 'shared' && i % 2 === 0 ? blocks[0] : blocks[i],
  );
  const share = { all: 1, some: 0.5, none: 0 }[choice.filled];
  const slots = Array.from({ length: numBlocks * blockSize }, (_, i) => i);
  const contents = Array.from({ length: numLayers }, (_, layer) => {
    const written = slots.filter(() => random.uniform() < share);
    const length = written.length * numKvHeads * headDim;
    return { layer, slots: written, key: random.normals(length), value: random.normals(length) };
  });

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        const cache = await makePoisonedCache(scope, layout, poison, contents);
        await device.ops.copyBlocks({ cache, pairs });
        await outputCache(scope, cache);
      }),
    check(outputs) {
      const model = makeCacheModel(layout, contents);
      copyBlocks(model, pairs);
      expectCache(outputs, model, layout, poison, exactly);
    },
  };
}

/** `copyBlocks`: all layers, several destinations of one source, everything else left as it was. */
export const copyBlocksSuite = asSuite({
  op: 'copyBlocks',
  axes,
  productAxes: ['dtype', 'headDim', 'numKvHeads', 'blockSize', 'numPairs'],
  dtypeOf: 'caches',
  makeTrial,
});
