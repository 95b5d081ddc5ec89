import type { WeightDType } from '../../lib/device/index.js';
import { decode, encode, type FloatDType, roundTo } from '../reference/dtype.js';
import { matmul, orderedDot } from '../reference/matmul.js';
import {
  dequantize,
  isQuantized,
  orderedGroupDot,
  type Quantized,
  quantizeRows,
  quantizeWeight,
} from '../reference/quantized.js';
import { toleranceOf } from '../tolerances.js';
import { exactly, expectClose } from './compare.js';
import { asSuite, type Trial } from './conformance-case.js';
import { inScope } from './device-scope.js';
import type { Random } from './random.js';

const axes = {
  dtype: ['f32', 'f16', 'bf16', 'int8', 'int4'],
  inDim: [1, 2, 15, 64, 65, 80, 300],
  outDim: [1, 31, 32, 33, 64, 100],
  numRows: [0, 1, 2, 3, 4, 5, 8, 16, 17, 33],
  bias: [false, true],
  outDtype: ['f32', 'f16', 'bf16'],
  parts: [1, 2, 3],
  sourceDtype: ['same', 'f32', 'f16', 'bf16'],
} as const;

interface Choice {
  readonly dtype: WeightDType;
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
  const inputDtype = isQuantized(dtype) ? 'f32' : dtype;
  const sourceDtype = choice.sourceDtype === 'same' ? inputDtype : choice.sourceDtype;
  const shape = [numRows, outDim];
  const x = rounded(inputDtype, random.normals(numRows * inDim));
  const stored = rounded(sourceDtype, random.normals(outDim * inDim));
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
          x: scope.floats(inputDtype, [numRows, inDim], x),
          weight: await scope.weight({ dtype, inDim, partRows, values: stored, sourceDtype }),
          ...(choice.bias ? { bias: scope.floats('f32', [outDim], bias) } : {}),
        });
      }),
    check({ out }, backend) {
      const actual = decode(outDtype, out);
      const operands = operandsOf(dtype, x, stored, inDim);
      const input = { x: operands.x, weight: operands.weight, inDim };
      const { out: expected, magnitude } = matmul(choice.bias ? { ...input, bias } : input);
      const tolerance = toleranceOf('matmul', outDtype, backend);
      expectClose({ label: 'out', shape, actual, expected, magnitude, tolerance });
      // On a GPU the order inside one mma is the tensor core's own.
      if (backend === 'cpu') checkOrder({ choice, operands, bias, ordered, actual });
    },
  };
}

/** What is multiplied: numbers as the weight's dtype holds them, and how quantised ones are made up. */
interface Operands {
  readonly x: Float64Array;
  readonly weight: Float64Array;
  readonly quantized?: { readonly x: Quantized; readonly weight: Quantized };
}

function operandsOf(
  dtype: WeightDType,
  x: Float64Array,
  stored: Float64Array,
  inDim: number,
): Operands {
  if (!isQuantized(dtype)) return { x, weight: rounded(dtype, stored) };
  const quantized = { x: quantizeRows(x, inDim), weight: quantizeWeight(dtype, stored, inDim) };
  return { x: dequantize(quantized.x), weight: dequantize(quantized.weight), quantized };
}

/** One output in the prescribed order, without bias. */
function orderedOutput(choice: Choice, o: Operands, row: number, column: number): number {
  const { dtype, inDim } = choice;
  if (o.quantized) return orderedGroupDot(o.quantized.x, row, o.quantized.weight, column);
  const x = o.x.subarray(row * inDim, (row + 1) * inDim);
  const weight = o.weight.subarray(column * inDim, (column + 1) * inDim);
  return orderedDot(dtype as FloatDType, x, weight);
}

/** A sample of outputs must be, bit for bit, what the prescribed order of arithmetic gives. */
function checkOrder(o: {
  choice: Choice;
  operands: Operands;
  bias: Float32Array;
  ordered: readonly number[];
  actual: Float64Array;
}): void {
  const { outDim, outDtype, bias: hasBias } = o.choice;
  const expected = o.ordered.map((i) => {
    const [row, column] = [Math.floor(i / outDim), i % outDim];
    const dot = orderedOutput(o.choice, o.operands, row, column);
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

/** `matmul`: every edge of the packed panels and row tiles, bias, stacked parts, converted and quantised sources. */
export const matmulSuite = asSuite({
  op: 'matmul',
  axes,
  productAxes: ['dtype', 'inDim', 'outDim', 'numRows'],
  dtypeOf: 'weights',
  makeTrial,
});
