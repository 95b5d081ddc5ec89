// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { floor, fround, max, abs, sign } = Math;
const { isFinite: isFiniteNumber, isNaN: isNotNumber } = Number;

/** The dtypes that weights, activations and the KV cache may have. */
export type FloatDType = 'f32' | 'f16' | 'bf16';

/** Every float dtype, widest first. */
export const floatDTypes: readonly FloatDType[] = ['f32', 'f16', 'bf16'];

interface Format {
  /** Bits of the fraction that are stored. */
  readonly fractionBits: number;
  /** Exponent of the smallest normal number. */
  readonly minExponent: number;
  /** Exponent of the largest finite numbers. */
  readonly maxExponent: number;
}

const formats: Record<FloatDType, Format> = {
  f32: { fractionBits: 23, minExponent: -126, maxExponent: 127 },
  f16: { fractionBits: 10, minExponent: -14, maxExponent: 15 },
  bf16: { fractionBits: 7, minExponent: -126, maxExponent: 127 },
};

/** The rounding error of one operation, relative to its result: half a unit in the last place. */
export function unitRoundoff(dtype: FloatDType): number {
  return 2 ** -(formats[dtype].fractionBits + 1);
}

/** The smallest positive normal number of a dtype. */
export function smallestNormal(dtype: FloatDType): number {
  return 2 ** formats[dtype].minExponent;
}

/** Rounds to the nearest number of `dtype`, ties to even; too large becomes infinite, NaN stays NaN. */
export function roundTo(dtype: FloatDType, x: number): number {
  if (x === 0 || !isFiniteNumber(x)) return x;
  if (dtype === 'f32') return fround(x);
  const format = formats[dtype];
  const quantum = 2 ** (max(exponentOf(x), format.minExponent) - format.fractionBits);
  const rounded = roundHalfToEven(x / quantum) * quantum;
  return exponentOf(rounded) > format.maxExponent ? sign(x) * Number.POSITIVE_INFINITY : rounded;
}

/**
 * Gives the bit pattern of `x` rounded to a 2-byte dtype; every NaN has the same pattern.
 *
 * @returns 16 bits: sign, exponent, fraction
 */
export function toBits(dtype: 'f16' | 'bf16', x: number): number {
  const { fractionBits, minExponent, maxExponent } = formats[dtype];
  const rounded = roundTo(dtype, x);
  const signBit = rounded < 0 || Object.is(rounded, -0) ? 0x8000 : 0;
  const magnitude = abs(rounded);
  const exponentOnes = (maxExponent - minExponent + 2) << fractionBits;
  if (isNotNumber(rounded)) return exponentOnes | (1 << (fractionBits - 1));
  if (magnitude === Number.POSITIVE_INFINITY) return signBit | exponentOnes;
  const quanta = magnitude / 2 ** (minExponent - fractionBits);
  if (quanta < 2 ** fractionBits) return signBit | quanta;
  const exponent = exponentOf(magnitude);
  const fraction = magnitude / 2 ** (exponent - fractionBits) - 2 ** fractionBits;
  return signBit | ((exponent - minExponent + 1) << fractionBits) | fraction;
}

/** Widens a 2-byte bit pattern; exact. */
export function fromBits(dtype: 'f16' | 'bf16', bits: number): number {
  const { fractionBits, minExponent, maxExponent } = formats[dtype];
  const unit = bits & 0x8000 ? -1 : 1;
  const biased = (bits & 0x7fff) >> fractionBits;
  const fraction = bits & ((1 << fractionBits) - 1);
  if (biased === maxExponent - minExponent + 2) {
    return fraction === 0 ? unit * Number.POSITIVE_INFINITY : Number.NaN;
  }
  if (biased === 0) return unit * fraction * 2 ** (minExponent - fractionBits);
  return unit * (2 ** fractionBits + fraction) * 2 ** (biased - 1 + minExponent - fractionBits);
}

/** Rounds numbers to a dtype and packs them as a tensor of it takes them. */
export function encode(dtype: FloatDType, values: ArrayLike<number>): Float32Array | Uint16Array {
  if (dtype === 'f32') return new Float32Array(values);
  return Uint16Array.from(values, (value) => toBits(dtype, value));
}

/** Widens what a tensor of a dtype holds. */
export function decode(dtype: FloatDType, data: ArrayLike<number>): Float64Array {
  if (dtype === 'f32') return new Float64Array(data);
  return Float64Array.from(data, (bits) => fromBits(dtype, bits));
}

const scratch = new DataView(new ArrayBuffer(8));

/** The power of two of the leading bit of a finite, non-zero double. */
function exponentOf(x: number): number {
  scratch.setFloat64(0, x);
  const biased = (scratch.getUint32(0) >>> 20) & 0x7ff;
  return biased === 0 ? -1023 : biased - 1023;
}

/** The nearest whole number, the even one of two. */
export function roundHalfToEven(x: number): number {
  const below = floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
