import type { WeightDType } from '../../lib/device/index.js';
import { decode, encode } from '../reference/dtype.js';
import { embed } from '../reference/embed.js';
import { dequantize, isQuantized, quantizeWeight } from '../reference/quantized.js';
import { toleranceOf } from '../tolerances.js';
import { expectClose } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import type { Random } from './random.js';

const axes = {
  dtype: ['f32', 'f16', 'bf16', 'int8', 'int4'],
  hidden: [1, 2, 31, 32, 33, 64, 80, 200],
  vocabSize: [1, 31, 32, 33, 100],
  numTokens: [0, 1, 2, 17],
  rows: ['ids', 'vectors', 'both'],
} as const;

interface Choice {
  readonly dtype: WeightDType;
  readonly hidden: number;
  readonly vocabSize: number;
  readonly numTokens: number;
  readonly rows: 'ids' | 'vectors' | 'both';
}

/** An id that no vocabulary has. */
const farId = 2 ** 31 - 1;

function makeTrial(choice: Choice, random: Random): Trial {
  const { dtype, hidden, vocabSize, numTokens, rows } = choice;
  const numVectors = 3;
  const table = random.normals(vocabSize * hidden);
  const vectors = random.normals(numVectors * hidden);
  const ids = Array.from({ length: numTokens }, () => random.integer(0, vocabSize));
  if (numTokens > 0) ids[0] = vocabSize - 1;
  const vectorRows = ids.map((_, t) => {
    const takesVector = rows === 'vectors' || (rows === 'both' && t % 2 === 0);
    return takesVector ? random.integer(0, numVectors) : -1;
  });
  // The id of a row that takes a vector does not count, and must not be looked up.
  const takenIds = ids.map((id, t) => (rows !== 'ids' && vectorRows[t] >= 0 ? farId : id));

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        const weight = { dtype, inDim: hidden, partRows: [vocabSize], values: table };
        const withVectors = {
          vectors: scope.floats('f32', [numVectors, hidden], vectors),
          vectorRows: scope.indices(vectorRows),
        };
        await device.ops.embed({
          out: await scope.output('out', 'f32', [numTokens, hidden]),
          table: await scope.weight(weight),
          ids: scope.indices(takenIds),
          ...(rows === 'ids' ? {} : withVectors),
        });
      }),
    check({ out }) {
      const rounded = isQuantized(dtype)
        ? dequantize(quantizeWeight(dtype, table, hidden))
        : decode(dtype, encode(dtype, table));
      const input = { table: rounded, hidden, ids };
      const expected = embed(rows === 'ids' ? input : { ...input, vectors, vectorRows });
      const shape = [numTokens, hidden];
      const tolerance = toleranceOf('embed', 'f32');
      expectClose({ label: 'out', shape, actual: out, expected, tolerance });
    },
  };
}

/** `embed`: any vocabulary and width, weights of each dtype, vectors in the place of ids. */
export const embedSuite = asSuite({ op: 'embed', axes, dtypeOf: 'weights', makeTrial });
