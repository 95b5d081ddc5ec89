import { decode, type FloatDType } from '../reference/dtype.js';
import { geluMul } from '../reference/gelu-mul.js';
import { siluMul } from '../reference/silu-mul.js';
import { toleranceOf } from '../tolerances.js';
import { expectClose } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import type { Random } from './random.js';

const axes = {
  outDtype: ['f32', 'f16', 'bf16'],
  dim: [1, 15, 16, 17, 64, 80, 333],
  numRows: [0, 1, 3, 33],
  /** Deviation of the gate: around 0, where it bends, and where it saturates. */
  gate: [0.01, 1, 10, 100],
} as const;

interface Choice {
  readonly outDtype: FloatDType;
  readonly dim: number;
  readonly numRows: number;
  readonly gate: number;
}

function makeTrial(op: 'siluMul' | 'geluMul', choice: Choice, random: Random): Trial {
  const { outDtype, dim, numRows, gate } = choice;
  const gateUp = random.normals(numRows * 2 * dim);
  gateUp.forEach((value, i) => {
    if (i % (2 * dim) < dim) gateUp[i] = value * gate;
  });
  const reference = op === 'siluMul' ? siluMul : geluMul;

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        await device.ops[op]({
          out: await scope.output('out', outDtype, [numRows, dim]),
          gateUp: scope.floats('f32', [numRows, 2 * dim], gateUp),
        });
      }),
    check({ out }) {
      // 1 + tanh cancels where the gate is negative, so errors are relative to |gate * up|.
      const magnitude = Float64Array.from({ length: numRows * dim }, (_, i) => {
        const row = Math.floor(i / dim) * 2 * dim;
        return Math.abs(gateUp[row + (i % dim)] * gateUp[row + dim + (i % dim)]);
      });
      const expected = reference(gateUp, dim);
      expectClose({
        label: 'out',
        shape: [numRows, dim],
        actual: decode(outDtype, out),
        expected,
        magnitude: op === 'geluMul' ? magnitude : expected.map(Math.abs),
        tolerance: toleranceOf(op, outDtype),
      });
    },
  };
}

/** `siluMul`: gates from tiny to saturated. */
export const siluMulSuite = asSuite({
  op: 'siluMul',
  axes,
  makeTrial: (choice: Choice, random: Random) => makeTrial('siluMul', choice, random),
});

/** `geluMul`: gates from tiny to saturated. */
export const geluMulSuite = asSuite({
  op: 'geluMul',
  axes,
  makeTrial: (choice: Choice, random: Random) => makeTrial('geluMul', choice, random),
});
