import { floatDTypes, fromBits, roundTo, toBits, unitRoundoff } from './dtype.js';
import { fmaFloat32 } from './float32-fma.js';

describe('roundTo', () => {
  test('agrees with Math.fround for float32', () => {
    for (const x of [1 / 3, 1e-40, 1.5e-45, 7e-46, 3.4028235677973366e38, 3.5e38, -0.1, 16777217]) {
      expect(roundTo('f32', x)).toBe(Math.fround(x));
    }
  });

  test('takes a tie to the even neighbour', () => {
    expect(roundTo('bf16', 1 + 1 / 256)).toBe(1);
    expect(roundTo('bf16', 1 + 3 / 256)).toBe(1 + 1 / 64);
    expect(roundTo('f16', 2049)).toBe(2048);
    expect(roundTo('f16', 2051)).toBe(2052);
  });

  test('goes up just past a tie, even where float32 would not see it', () => {
    expect(roundTo('bf16', 1 + 1 / 256 + 2 ** -40)).toBe(1 + 1 / 128);
  });

  test('overflows to infinity at half a step past the largest number', () => {
    expect(roundTo('f16', 65519)).toBe(65504);
    expect(roundTo('f16', 65520)).toBe(Number.POSITIVE_INFINITY);
    expect(roundTo('f16', -65520)).toBe(Number.NEGATIVE_INFINITY);
    expect(roundTo('bf16', 3.4e38)).toBe(Number.POSITIVE_INFINITY);
  });

  test('keeps NaN, infinities and the sign of zero', () => {
    for (const dtype of floatDTypes) {
      expect(roundTo(dtype, Number.NaN)).toBeNaN();
      expect(roundTo(dtype, Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
      expect(roundTo(dtype, -0)).toBe(-0);
    }
  });

  test('errs by at most the unit roundoff', () => {
    for (const dtype of floatDTypes) {
      for (let i = 1; i < 1000; i++) {
        const x = 1 + i / 997;
        expect(Math.abs(roundTo(dtype, x) - x)).toBeLessThanOrEqual(x * unitRoundoff(dtype));
      }
    }
  });
});

describe('bit patterns', () => {
  test.each([
    ['bf16', 1, 0x3f80],
    ['bf16', -2.5, 0xc020],
    ['bf16', 2 ** -126, 0x0080],
    ['bf16', 2 ** -133, 0x0001],
    ['bf16', Number.POSITIVE_INFINITY, 0x7f80],
    ['f16', 1, 0x3c00],
    ['f16', -2, 0xc000],
    ['f16', 65504, 0x7bff],
    ['f16', 2 ** -14, 0x0400],
    ['f16', 2 ** -24, 0x0001],
    ['f16', -0, 0x8000],
    ['f16', Number.NEGATIVE_INFINITY, 0xfc00],
  ] as const)('%s of %d is %d', (dtype, x, bits) => {
    expect(toBits(dtype, x)).toBe(bits);
    expect(fromBits(dtype, bits)).toBe(x);
  });

  test('survive widening and rounding, all of them', () => {
    for (const dtype of ['f16', 'bf16'] as const) {
      for (let bits = 0; bits < 0x10000; bits++) {
        const x = fromBits(dtype, bits);
        if (!Number.isNaN(x) && toBits(dtype, x) !== bits) {
          throw new Error(`${dtype} ${bits} came back as ${toBits(dtype, x)}`);
        }
      }
    }
  });

  test('are the upper half of float32 for bf16', () => {
    const words = new Uint32Array(new Float32Array([-3.140625]).buffer);
    expect(toBits('bf16', -3.140625)).toBe(words[0] >>> 16);
  });
});

describe('fmaFloat32', () => {
  test('rounds once where two roundings give another number', () => {
    const a = 1 + 2 ** -12;
    const c = 2 ** -60;
    // a * a = 1 + 2^-11 + 2^-24 is a tie of float32; the tiny addend must break it upwards.
    expect(Math.fround(a * a + c)).toBe(1 + 2 ** -11);
    expect(fmaFloat32(a, a, c)).toBe(1 + 2 ** -11 + 2 ** -23);
    expect(fmaFloat32(a, a, -c)).toBe(1 + 2 ** -11);
    expect(fmaFloat32(-a, a, -c)).toBe(-(1 + 2 ** -11 + 2 ** -23));
  });

  test('is plain where nothing is lost', () => {
    expect(fmaFloat32(3, 4, 5)).toBe(17);
    expect(fmaFloat32(3, -4, 12)).toBe(0);
    expect(fmaFloat32(Number.NaN, 1, 1)).toBeNaN();
    expect(fmaFloat32(2 ** 127, 2, 0)).toBe(Number.POSITIVE_INFINITY);
  });
});
