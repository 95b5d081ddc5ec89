import { quantizeQ4, quantizeQ8, toF16Bits } from '../../bench/cpu/models/quantize.mjs';
import { fromF16Bits, toF16Bits as referenceBits } from '../model/float-bits.js';

function draws(count: number, seed: number, spread = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * spread;
  });
}

/** Numbers of Q8_0 bytes, in float64, with the scale of each. */
function dequantizeQ8(bytes: Buffer) {
  return Array.from({ length: (bytes.length / 34) * 32 }, (_, i) => {
    const at = Math.floor(i / 32) * 34;
    const scale = fromF16Bits(bytes.readUInt16LE(at));
    return { scale, value: scale * bytes.readInt8(at + 2 + (i % 32)) };
  });
}

/** Numbers of Q4_0 bytes, in float64, with the scale of each. */
function dequantizeQ4(bytes: Buffer) {
  return Array.from({ length: (bytes.length / 18) * 32 }, (_, i) => {
    const at = Math.floor(i / 32) * 18;
    const scale = fromF16Bits(bytes.readUInt16LE(at));
    const byte = bytes[at + 2 + (i % 16)];
    return { scale, value: scale * ((i % 32 < 16 ? byte & 15 : byte >> 4) - 8) };
  });
}

describe('f16 bits', () => {
  test('are those of the slow conversion, subnormals, ties and overflow included', () => {
    const edges = [0, -0, 1, -1, 65504, 65519, 65520, -1e9, 2 ** -14, 2 ** -24, 2 ** -25, 3e-8];
    const ties = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -14 * (1 - 2 ** -12), 2047.5, 2048.5];
    for (const spread of [1, 1e-4, 1e-7, 1e5]) edges.push(...draws(500, 3, spread));
    for (const number of [...edges, ...ties]) {
      expect([number, toF16Bits(number)]).toEqual([number, referenceBits(Math.fround(number))]);
    }
  });
});

describe('Q8_0', () => {
  test('is within half a step of every number, the step being the largest one over 127', () => {
    const values = draws(32 * 64, 7, 0.05);
    const numbers = dequantizeQ8(quantizeQ8(values));
    for (let start = 0; start < values.length; start += 32) {
      const largest = Math.max(...values.subarray(start, start + 32).map(Math.abs));
      expect(numbers[start].scale).toBeCloseTo(largest / 127, 6);
    }
    // The scale itself is rounded to 11 bits, which moves 127 steps by at most 127 * 2^-11 of one.
    numbers.forEach(({ scale, value }, i) => {
      expect(Math.abs(value - values[i])).toBeLessThanOrEqual(scale * (0.5 + 127 / 2048));
    });
  });

  test('of zeros is zeros', () => {
    expect([...quantizeQ8(new Float32Array(32))]).toEqual(new Array(34).fill(0));
  });
});

describe('Q4_0', () => {
  test('is within a step of every number, and near exact at the largest', () => {
    const values = draws(32 * 64, 11, 0.05);
    const numbers = dequantizeQ4(quantizeQ4(values));
    numbers.forEach(({ scale, value }, i) => {
      const bound = Math.abs(scale) * (values[i] / scale > 7.5 ? 1.01 : 0.51);
      expect(Math.abs(value - values[i])).toBeLessThanOrEqual(bound);
    });
    for (let start = 0; start < values.length; start += 32) {
      const group = values.subarray(start, start + 32);
      const largest = group.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
      const place = start + group.indexOf(largest);
      expect(numbers[place].value / largest).toBeCloseTo(1, 2);
    }
  });

  test('keeps the first sixteen numbers in the low halves of its bytes', () => {
    const values = new Float32Array(32);
    values[0] = -8;
    values[16] = 7;
    const bytes = quantizeQ4(values);
    expect(fromF16Bits(bytes.readUInt16LE(0))).toBe(1);
    expect(bytes[2]).toBe(0xf0);
    expect([...bytes.subarray(3)]).toEqual(new Array(15).fill(0x88));
  });
});
