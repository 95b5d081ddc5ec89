import type { FloatDType } from '../device/index.js';

/**
 * Gives stored little-endian numbers as float32; every f16 and bf16 is one exactly.
 *
 * @param bytes aligned to its elements
 */
export function widen(bytes: Uint8Array, dtype: FloatDType): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes;
  if (dtype === 'f32') return new Float32Array(buffer, byteOffset, byteLength / 4);
  const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
  if (dtype === 'f16') return Float32Array.from(halves, widenF16);
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}

function widenF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
