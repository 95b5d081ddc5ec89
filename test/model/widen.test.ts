import { widen } from '../../lib/model/widen.js';
import { fromBf16Bits, fromF16Bits } from './float-bits.js';

const everyHalf = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

describe('widen', () => {
  test.each([
    ['f16', fromF16Bits],
    ['bf16', fromBf16Bits],
  ] as const)('gives every %s its value', (dtype, expected) => {
    const found = widen(new Uint8Array(everyHalf.buffer), dtype);
    for (const bits of everyHalf) {
      if (!Object.is(found[bits], expected(bits))) throw new Error(`${dtype} ${bits.toString(16)}`);
    }
  });

  test('gives f32 as it stands', () => {
    const values = Float32Array.of(1.5, -0, Number.NaN, 1e-40);
    expect([...widen(new Uint8Array(values.buffer), 'f32')]).toEqual([...values]);
  });
});
