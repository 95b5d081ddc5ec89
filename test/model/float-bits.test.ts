import { fromBf16Bits, fromF16Bits, toBf16Bits, toF16Bits } from './float-bits.js';

describe('half-precision bits', () => {
  test('every f16 that is a number survives a round trip', () => {
    for (let bits = 0; bits < 65536; bits++) {
      if ((bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0) continue;
      if (toF16Bits(fromF16Bits(bits)) !== bits) throw new Error(`f16 ${bits.toString(16)}`);
    }
  });

  test('every bf16 that is a number survives a round trip', () => {
    for (let bits = 0; bits < 65536; bits++) {
      if ((bits & 0x7f80) === 0x7f80 && (bits & 0x7f) !== 0) continue;
      if (toBf16Bits(fromBf16Bits(bits)) !== bits) throw new Error(`bf16 ${bits.toString(16)}`);
    }
  });

  test('a value halfway between two goes to the even one', () => {
    expect(fromBf16Bits(toBf16Bits(1 + 2 ** -8))).toBe(1);
    expect(fromBf16Bits(toBf16Bits(1 + 3 * 2 ** -8))).toBe(1 + 2 ** -6);
    expect(fromF16Bits(toF16Bits(1 + 2 ** -11))).toBe(1);
    expect(fromF16Bits(toF16Bits(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
    expect(fromF16Bits(toF16Bits(2 - 2 ** -12))).toBe(2);
    expect(fromF16Bits(toF16Bits(2 ** -14 - 2 ** -26))).toBe(2 ** -14);
    expect(fromF16Bits(toF16Bits(3 * 2 ** -25))).toBe(2 ** -23);
    expect(fromF16Bits(toF16Bits(2 ** -25))).toBe(0);
    expect(fromF16Bits(toF16Bits(2 ** -25 * 1.001))).toBe(2 ** -24);
    expect([65519, 65520].map((value) => fromF16Bits(toF16Bits(value)))).toEqual([65504, Infinity]);
  });
});
