import type { WeightDType } from '../../lib/device/index.js';
import { roundHalfToEven, roundTo } from './dtype.js';
import { fmaFloat32 } from './float32-fma.js';

// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { abs, ceil, fround, max, min } = Math;

/** The weight dtypes whose groups of inputs share a scale. */
export type QuantizedDType = Exclude<WeightDType, 'f32' | 'f16' | 'bf16'>;

export const groupLen = 32;

export function isQuantized(dtype: WeightDType): dtype is QuantizedDType {
  return dtype === 'int8' || dtype === 'int4';
}

/** Rows whose groups of 32 elements are whole numbers times a scale. */
export interface Quantized {
  /** `[numRows, rowLen]` whole numbers */
  readonly q: Float64Array;
  /** `[numRows, ceil(rowLen / 32)]` float32 */
  readonly scales: Float64Array;
  readonly rowLen: number;
}

/**
 * Weights as int8 or int4: `scale = f16(farthest / 127 or -8)`, `q` to the nearest number, ties to even.
 *
 * @param values `[outDim, rowLen]`
 */
export function quantizeWeight(
  dtype: QuantizedDType,
  values: ArrayLike<number>,
  rowLen: number,
): Quantized {
  const [least, most] = dtype === 'int8' ? [-127, 127] : [-8, 7];
  return quantizeGroups(values, rowLen, [least, most], (group) => {
    const farthest = group.reduce(fartherOf, 0);
    const exact = dtype === 'int8' ? abs(farthest) / 127 : farthest / -8;
    return roundTo('f16', fround(exact));
  });
}

/** Rows of x as a matmul over quantised weights takes them: `scale = max|x| / 127` in float32. */
export function quantizeRows(x: ArrayLike<number>, rowLen: number): Quantized {
  return quantizeGroups(x, rowLen, [-127, 127], (group) =>
    fround(group.reduce((largest, value) => max(largest, abs(value)), 0) / 127),
  );
}

/** What the rows stand for: `scale * q`, exact. */
export function dequantize({ q, scales, rowLen }: Quantized): Float64Array {
  const numGroups = ceil(rowLen / groupLen);
  return q.map((value, i) => {
    const [row, k] = [Math.floor(i / rowLen), i % rowLen];
    return value * scales[row * numGroups + Math.floor(k / groupLen)];
  });
}

/**
 * The exact float32 value that the order of arithmetic prescribes for one output, without bias: groups
 * ascending, each an exact sum of integers, times the rounded product of its scales, added with one rounding.
 */
export function orderedGroupDot(
  x: Quantized,
  row: number,
  weight: Quantized,
  column: number,
): number {
  const { rowLen } = x;
  const numGroups = ceil(rowLen / groupLen);
  let sum = 0;
  for (let g = 0; g < numGroups; g++) {
    let integers = 0;
    for (let k = g * groupLen; k < min(rowLen, (g + 1) * groupLen); k++) {
      integers += x.q[row * rowLen + k] * weight.q[column * rowLen + k];
    }
    const scale = fround(weight.scales[column * numGroups + g] * x.scales[row * numGroups + g]);
    sum = fmaFloat32(integers, scale, sum);
  }
  return sum;
}

/** The one farther from 0; the negative one of two that are as far. */
function fartherOf(a: number, b: number): number {
  if (abs(a) !== abs(b)) return abs(a) > abs(b) ? a : b;
  return min(a, b);
}

function quantizeGroups(
  values: ArrayLike<number>,
  rowLen: number,
  [least, most]: readonly [number, number],
  scaleOf: (group: readonly number[]) => number,
): Quantized {
  const numRows = values.length / rowLen;
  const numGroups = ceil(rowLen / groupLen);
  const q = new Float64Array(values.length);
  const scales = new Float64Array(numRows * numGroups);
  for (let row = 0; row < numRows; row++) {
    for (let g = 0; g < numGroups; g++) {
      const start = row * rowLen + g * groupLen;
      const end = min(start + groupLen, (row + 1) * rowLen);
      const group = Array.from({ length: end - start }, (_, i) => values[start + i]);
      const scale = scaleOf(group);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      scales[row * numGroups + g] = scale;
      for (const [i, value] of group.entries()) {
        const scaled = fround(value * inverse);
        q[start + i] = roundHalfToEven(min(max(scaled, least), most));
      }
    }
  }
  return { q, scales, rowLen };
}
