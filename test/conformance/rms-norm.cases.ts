import { decode, type FloatDType } from '../reference/dtype.js';
import { rmsNorm } from '../reference/rms-norm.js';
import { toleranceOf } from '../tolerances.js';
import { expectClose, type RawOutputs } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import type { Random } from './random.js';

const axes = {
  outDtype: ['f32', 'f16', 'bf16'],
  hidden: [1, 15, 16, 17, 64, 80, 300, 1024],
  numRows: [0, 1, 2, 5, 33],
  residual: [false, true],
  weightOffset: [0, 1],
  eps: [0, 1e-6, 1e-5],
  size: [1e-3, 1, 1e4],
} as const;

interface Choice {
  readonly outDtype: FloatDType;
  readonly hidden: number;
  readonly numRows: number;
  readonly residual: boolean;
  readonly weightOffset: number;
  readonly eps: number;
  readonly size: number;
}

function makeTrial(choice: Choice, random: Random): Trial {
  const { outDtype, hidden, numRows, weightOffset, eps, size } = choice;
  const shape = [numRows, hidden];
  const x = random.normals(numRows * hidden, size);
  const before = random.normals(numRows * hidden, size);
  const weight = random.normals(hidden);
  // Rows of very different sizes: a mean that mixes rows cannot be right.
  x.forEach((value, i) => {
    x[i] = value * 4 ** (Math.floor(i / hidden) % 3);
  });

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        const residual = choice.residual
          ? { residual: await scope.inOut('residual', scope.floats('f32', shape, before)) }
          : {};
        await device.ops.rmsNorm({
          out: await scope.output('out', outDtype, shape),
          x: await scope.inOut('x', scope.floats('f32', shape, x)),
          weight: scope.floats('f32', [hidden], weight),
          eps,
          weightOffset,
          ...residual,
        });
      }),
    check(outputs) {
      const sums = choice.residual ? x.map((value, i) => value + before[i]) : x;
      const exact = { shape, tolerance: toleranceOf('scale', 'f32') };
      expectClose({ label: 'x', actual: outputs.x, expected: x, ...exact });
      if (choice.residual) {
        const actual = outputs.residual;
        expectClose({ label: 'residual', actual, expected: sums, ...exact });
      }
      checkNorm(choice, outputs, sums, weight);
    },
  };
}

function checkNorm(
  choice: Choice,
  { out }: RawOutputs,
  x: Float32Array,
  weight: Float32Array,
): void {
  const { outDtype, hidden, numRows, weightOffset } = choice;
  const norm = { x, weightOffset, eps: Math.fround(choice.eps) };
  expectClose({
    label: 'out',
    shape: [numRows, hidden],
    actual: decode(outDtype, out),
    expected: rmsNorm({ ...norm, weight }).out,
    magnitude: rmsNorm({ ...norm, weight: weight.map(Math.abs) }).out.map(Math.abs),
    tolerance: toleranceOf('rmsNorm', outDtype),
  });
}

/** `rmsNorm`: with and without residual and offset, rows of any size; `x` must stay as it is. */
export const rmsNormSuite = asSuite({ op: 'rmsNorm', axes, makeTrial });
