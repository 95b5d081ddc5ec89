const word = new DataView(new ArrayBuffer(4));

/** Bits of a float32. */
function bitsOf(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

/** Rounds to bfloat16, ties to even. @returns its 16 bits */
export function toBf16Bits(value: number): number {
  const bits = bitsOf(value);
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Rounds to IEEE half precision, ties to even, subnormals kept, infinity past 65519. @returns its 16 bits */
export function toF16Bits(value: number): number {
  const sign = (bitsOf(value) >>> 16) & 0x8000;
  const magnitude = Math.abs(Math.fround(value));
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // One unit in the last place is 2^(exponent - 10); below 2^-14 it stays 2^-24 (subnormals).
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude || 1e-30)));
  const units = roundTiesToEven(magnitude * 2 ** (10 - exponent));
  return sign | (exponent === -14 ? units : units + ((exponent + 14) << 10));
}

/** The float32 that 16 bits of bfloat16 stand for. */
export function fromBf16Bits(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** The float32 that 16 bits of IEEE half precision stand for. */
export function fromF16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The nearest value that `dtype` can hold. */
export function roundTo(dtype: 'f32' | 'f16' | 'bf16', value: number): number {
  if (dtype === 'bf16') return fromBf16Bits(toBf16Bits(value));
  if (dtype === 'f16') return fromF16Bits(toF16Bits(value));
  return Math.fround(value);
}

function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
