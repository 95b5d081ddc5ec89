import type { DType } from '../../lib/device/index.js';
import { encode } from '../reference/dtype.js';
import { gatherRows } from '../reference/gather-rows.js';
import { toleranceOf } from '../tolerances.js';
import { expectClose } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import type { Random } from './random.js';

const axes = {
  dtype: ['f32', 'f16', 'bf16', 'i32'],
  dim: [1, 2, 15, 16, 17, 64, 333],
  numSourceRows: [1, 2, 33],
  numRows: [0, 1, 2, 17, 40],
  order: ['ascending', 'any', 'same'],
} as const;

interface Choice {
  readonly dtype: DType;
  readonly dim: number;
  readonly numSourceRows: number;
  readonly numRows: number;
  readonly order: 'ascending' | 'any' | 'same';
}

function makeTrial(choice: Choice, random: Random): Trial {
  const { dtype, dim, numSourceRows, numRows, order } = choice;
  const shape = [numSourceRows, dim];
  const numbers = random.normals(numSourceRows * dim, 1000);
  const bits = dtype === 'i32' ? Int32Array.from(numbers) : encode(dtype, numbers);
  const rows = Array.from({ length: numRows }, () => random.integer(0, numSourceRows));
  if (order === 'ascending') rows.sort((a, b) => a - b);
  if (order === 'same') rows.fill(numSourceRows - 1);

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        const x =
          dtype === 'i32' ? scope.indices(bits, shape) : scope.floats(dtype, shape, numbers);
        await device.ops.gatherRows({
          out: await scope.output('out', dtype, [numRows, dim]),
          x,
          rows: scope.indices(rows),
        });
      }),
    check({ out }) {
      const expected = gatherRows(bits, dim, rows);
      const tolerance = toleranceOf('gatherRows', 'f32');
      expectClose({ label: 'out', shape: [numRows, dim], actual: out, expected, tolerance });
    },
  };
}

/** `gatherRows`: any order, one row many times, every dtype, bit for bit. */
export const gatherRowsSuite = asSuite({ op: 'gatherRows', axes, makeTrial });
