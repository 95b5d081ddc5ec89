const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** Rounds to bfloat16, ties to even. @returns its 16 bits */
export function toBf16Bits(value: number): number {
  float[0] = value;
  const bits = word[0];
  if (isNaNBits(bits)) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Rounds to IEEE half precision, ties to even, subnormals kept, infinity past 65519. @returns its 16 bits */
export function toF16Bits(value: number): number {
  float[0] = value;
  const sign = (word[0] >>> 16) & 0x8000;
  const exponent = ((word[0] >>> 23) & 0xff) - 127;
  const fraction = (word[0] & 0x7fffff) | 0x800000; // 24 bits
  if (isNaNBits(word[0])) return sign | 0x7e00;
  if (exponent > 15) return sign | 0x7c00;
  if (exponent < -25) return sign;
  // Below 2^-14 a half counts units of 2^-24: it keeps fewer of the 24 bits.
  const numDropped = exponent < -14 ? -1 - exponent : 13;
  const kept = shiftTiesToEven(fraction, numDropped);
  return sign | (exponent < -14 ? kept : kept - 0x400 + ((exponent + 15) << 10));
}

/** The float32 that 16 bits of bfloat16 stand for. */
export function fromBf16Bits(bits: number): number {
  word[0] = bits << 16;
  return float[0];
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

const isNaNBits = (bits: number): boolean => (bits & 0x7fffffff) > 0x7f800000;

function shiftTiesToEven(value: number, numBits: number): number {
  const kept = value >>> numBits;
  const rest = value & ((1 << numBits) - 1);
  const half = 1 << (numBits - 1);
  return rest > half || (rest === half && kept % 2 === 1) ? kept + 1 : kept;
}
