import { scale } from '../reference/scale.js';
import { softcap } from '../reference/softcap.js';
import { toleranceOf } from '../tolerances.js';
import { expectClose } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import type { Random } from './random.js';

const extents = { dim: [1, 15, 16, 17, 64, 80, 333], numRows: [0, 1, 2, 3, 33] } as const;
const sizes = [1e-3, 1, 30, 1e4] as const;

interface Choice {
  readonly dim: number;
  readonly numRows: number;
  readonly size: number;
  readonly operand: number;
}

function makeTrial(op: 'scale' | 'softcap', choice: Choice, random: Random): Trial {
  const { dim, numRows, size } = choice;
  const operand = Math.fround(choice.operand);
  const shape = [numRows, dim];
  const before = random.normals(numRows * dim, size);

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        const x = await scope.inOut('x', scope.floats('f32', shape, before));
        if (op === 'scale') await device.ops.scale({ x, factor: operand });
        else await device.ops.softcap({ x, cap: operand });
      }),
    check({ x }) {
      const expected = op === 'scale' ? scale(before, operand) : softcap(before, operand);
      expectClose({
        label: 'x',
        shape,
        actual: x,
        expected: op === 'scale' ? expected.map(Math.fround) : expected,
        tolerance: toleranceOf(op, 'f32'),
      });
    },
  };
}

/** `scale`, in place. */
export const scaleSuite = asSuite({
  op: 'scale',
  axes: { ...extents, size: sizes, operand: [0, 1, -1, 0.1, 1e3, 1 / 3] },
  makeTrial: (choice: Choice, random: Random) => makeTrial('scale', choice, random),
});

/** `softcap`, in place: linear near 0, flat far out. */
export const softcapSuite = asSuite({
  op: 'softcap',
  axes: { ...extents, size: sizes, operand: [0.5, 1, 30, 50, 1e6] },
  makeTrial: (choice: Choice, random: Random) => makeTrial('softcap', choice, random),
});
