import { decode, encode, type FloatDType, roundTo } from '../reference/dtype.js';
import { matmul, orderedDot } from '../reference/matmul.js';
import { toleranceOf } from '../tolerances.js';
import { exactly, expectClose } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import type { Random } from './random.js';

const axes = {
  dtype: ['f32', 'f16', 'bf16'],
  inDim: [1, 2, 15, 64, 65, 80, 300],
  outDim: [1, 31, 32, 33, 64, 100],
  numRows: [0, 1, 2, 3, 4, 5, 8, 16, 17, 33],
  bias: [false, true],
  outDtype: ['f32', 'f16', 'bf16'],
  parts: [1, 2, 3],
  sourceDtype: ['same', 'f32', 'f16', 'bf16'],
} as const;

interface Choice {
  readonly dtype: FloatDType;
  readonly inDim: number;
  readonly outDim: number;
  readonly numRows: number;
  readonly bias: boolean;
  readonly outDtype: FloatDType;
  readonly parts: number;
  readonly sourceDtype: FloatDType | 'same';
}

/** Outputs per case that are also compared, bit for bit, with the prescribed order of arithmetic. */
const numOrdered = 48;

function makeTrial(choice: Choice, random: Random): Trial {
  const { dtype, inDim, outDim, numRows, outDtype } = choice;
  const sourceDtype = choice.sourceDtype === 'same' ? dtype : choice.sourceDtype;
  const shape = [numRows, outDim];
  const x = rounded(dtype, random.normals(numRows * inDim));
  const stored = rounded(sourceDtype, random.normals(outDim * inDim));
  const weight = rounded(dtype, stored);
  const bias = random.normals(outDim);
  const ordered = Array.from({ length: Math.min(numOrdered, numRows * outDim) }, () =>
    random.integer(0, numRows * outDim),
  );

  return {
    execute: (device) =>
      inScope(device, async (scope) => {
        const partRows = splitRows(outDim, choice.parts);
        await device.ops.matmul({
          out: await scope.output('out', outDtype, shape),
          x: scope.floats(dtype, [numRows, inDim], x),
          weight: await scope.weight({ dtype, inDim, partRows, values: stored, sourceDtype }),
          ...(choice.bias ? { bias: scope.floats('f32', [outDim], bias) } : {}),
        });
      }),
    check({ out }, backend) {
      const actual = decode(outDtype, out);
      const input = { x, weight, inDim };
      const { out: expected, magnitude } = matmul(choice.bias ? { ...input, bias } : input);
      const tolerance = toleranceOf('matmul', outDtype, backend);
      expectClose({ label: 'out', shape, actual, expected, magnitude, tolerance });
      // On a GPU the order inside one mma is the tensor core's own.
      if (backend === 'cpu') checkOrder({ choice, x, weight, bias, ordered, actual });
    },
  };
}

/** A sample of outputs must be, bit for bit, what the prescribed order of arithmetic gives. */
function checkOrder(o: {
  choice: Choice;
  x: Float64Array;
  weight: Float64Array;
  bias: Float32Array;
  ordered: readonly number[];
  actual: Float64Array;
}): void {
  const { dtype, inDim, outDim, outDtype, bias: hasBias } = o.choice;
  const expected = o.ordered.map((i) => {
    const [row, column] = [Math.floor(i / outDim), i % outDim];
    const x = o.x.subarray(row * inDim, (row + 1) * inDim);
    const weight = o.weight.subarray(column * inDim, (column + 1) * inDim);
    const dot = orderedDot(dtype, x, weight);
    return roundTo(outDtype, hasBias ? Math.fround(dot + o.bias[column]) : dot);
  });
  expectClose({
    label: 'out in the prescribed order, element of a sample',
    shape: [o.ordered.length],
    actual: o.ordered.map((i) => o.actual[i]),
    expected,
    tolerance: exactly,
  });
}

function rounded(dtype: FloatDType, values: ArrayLike<number>): Float64Array {
  return decode(dtype, encode(dtype, values));
}

/** Cuts rows into at most `numParts` uneven parts. */
function splitRows(numRows: number, numParts: number): number[] {
  const parts: number[] = [];
  let rest = numRows;
  while (parts.length < numParts - 1 && rest > 1) {
    const rows = Math.max(1, Math.floor(rest / 3));
    parts.push(rows);
    rest -= rows;
  }
  return [...parts, rest];
}

/** `matmul`: every edge of the packed panels and row tiles, bias, stacked parts, converted sources. */
export const matmulSuite = asSuite({
  op: 'matmul',
  axes,
  productAxes: ['dtype', 'inDim', 'outDim', 'numRows'],
  dtypeOf: 'weights',
  makeTrial,
});
