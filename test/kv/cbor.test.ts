import { CborWriter } from '../../lib/kv/cbor.js';

function hexOf(write: (writer: CborWriter) => void): string {
  const writer = new CborWriter();
  write(writer);
  return Buffer.from(writer.getBytes()).toString('hex');
}

describe('CborWriter', () => {
  // Values of RFC 8949, appendix A, where it has them.
  test.each([
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [255, '18ff'],
    [256, '190100'],
    [1000, '1903e8'],
    [65535, '19ffff'],
    [65536, '1a00010000'],
    [1000000, '1a000f4240'],
    [2147483647, '1a7fffffff'],
    [-1, '20'],
    [-100, '3863'],
    [-1000, '3903e7'],
    [-2147483648, '3a7fffffff'],
  ])('writes %i with the shortest head', (value, hex) => {
    expect(hexOf((writer) => writer.writeTokens(Int32Array.of(value), 0, 1))).toBe(`81${hex}`);
  });

  test('writes texts in UTF-8, byte strings, null and nested arrays', () => {
    expect(hexOf((writer) => writer.writeText('ü'))).toBe('62c3bc');
    expect(hexOf((writer) => writer.writeBytes(Uint8Array.of(1, 2, 3, 4)))).toBe('4401020304');
    expect(hexOf((writer) => writer.writeNull())).toBe('f6');
    const nested = (writer: CborWriter) => {
      writer.writeArrayHead(2);
      writer.writeTokens(Int32Array.of(9, 1, 2, 9), 1, 3);
      writer.writeText('');
    };
    expect(hexOf(nested)).toBe('8282010260');
  });

  test('grows past its first buffer and starts again after reset', () => {
    const writer = new CborWriter();
    writer.writeText('x'.repeat(10_000));
    expect(writer.getBytes()).toHaveLength(10_003);
    writer.reset();
    expect(writer.getBytes()).toHaveLength(0);
  });
});
