// Blocks of 32 weights as GGUF's Q8_0 and Q4_0 have them: one f16 scale, then the integers.

export const groupLen = 32;
export const q8BlockBytes = 2 + groupLen;
export const q4BlockBytes = 2 + groupLen / 2;

const value = new Float32Array(1);
const bits = new Uint32Array(value.buffer);

/** f16 bits of a number, to nearest even; overflow is infinity. */
export function toF16Bits(number) {
  value[0] = number;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = Math.abs(value[0]);
  if (magnitude >= 65520) return sign | 0x7c00;
  // Below 2^-14 a step is 2^-24; above, 2^-10 of the power of two below.
  const exponent = Math.max(-14, ((bits[0] >>> 23) & 0xff) - 127);
  const steps = roundToEven(magnitude * 2 ** (10 - exponent));
  // A normal number has 1,024 to 2,048 steps, the first 1,024 of which the exponent stands for.
  return sign | (steps + (exponent + 14) * 1024);
}

function roundToEven(number) {
  const floor = Math.floor(number);
  const rest = number - floor;
  if (rest === 0.5) return floor + (floor & 1);
  return rest > 0.5 ? floor + 1 : floor;
}

/**
 * Q8_0: scale = largest magnitude / 127, integers rounded half away from zero.
 *
 * @param values a multiple of 32 numbers
 * @returns 34 bytes per 32 numbers
 */
export function quantizeQ8(values) {
  const result = Buffer.alloc((values.length / groupLen) * q8BlockBytes);
  for (let start = 0, at = 0; start < values.length; start += groupLen, at += q8BlockBytes) {
    let largest = 0;
    for (let i = 0; i < groupLen; i++) largest = Math.max(largest, Math.abs(values[start + i]));
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    result.writeUInt16LE(toF16Bits(scale), at);
    for (let i = 0; i < groupLen; i++) {
      const scaled = Math.fround(values[start + i] * inverse);
      result[at + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    }
  }
  return result;
}

/**
 * Q4_0: the value of largest magnitude becomes -8; integer `i` is stored as `i + 8`, the first
 * sixteen in the low halves of the bytes, the others in the high ones.
 *
 * @param values a multiple of 32 numbers
 * @returns 18 bytes per 32 numbers
 */
export function quantizeQ4(values) {
  const result = Buffer.alloc((values.length / groupLen) * q4BlockBytes);
  for (let start = 0, at = 0; start < values.length; start += groupLen, at += q4BlockBytes) {
    let largest = 0;
    for (let i = 0; i < groupLen; i++) {
      const candidate = values[start + i];
      if (Math.abs(candidate) > Math.abs(largest)) largest = candidate;
    }
    const scale = Math.fround(largest / -8);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    const level = (i) =>
      Math.min(15, Math.floor(Math.fround(Math.fround(values[start + i] * inverse) + 8.5)));
    result.writeUInt16LE(toF16Bits(scale), at);
    for (let i = 0; i < groupLen / 2; i++) {
      result[at + 2 + i] = level(i) | (level(i + groupLen / 2) << 4);
    }
  }
  return result;
}
