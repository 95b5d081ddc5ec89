import type { DeviceInfo } from '../lib/device/index.js';
import { type FloatDType, smallestNormal, unitRoundoff } from './reference/dtype.js';

/** How far an element may be from its reference: `relative * magnitude + rounding * |expected| + absolute`. */
export interface Tolerance {
  /** Times the sum of the absolute terms that make up the element: error of the arithmetic. */
  readonly relative: number;
  /** Times the expected value: its one rounding to the dtype of the output. */
  readonly rounding: number;
  /** What vanishes where subnormal numbers are flushed to zero. */
  readonly absolute: number;
}

type Backend = DeviceInfo['backend'];

/** Half a unit in the last place of float32, in which all arithmetic is done. */
const ulp = unitRoundoff('f32');

/**
 * Arithmetic error per op, relative to the sum of the absolute terms of an element.
 *
 * Each is a small multiple of what float32 arithmetic costs, so an element that is left out, doubled
 * or taken from a neighbour is far outside.
 */
export const arithmetic = {
  /** They only move numbers. */
  embed: 0,
  gatherRows: 0,
  readKv: 0,
  writeKv: 0,
  copyBlocks: 0,
  /** One product, rounded once; the reference is rounded to float32 too. */
  scale: 0,
  /** Squares add up over a row in 16 lanes; then a square root, a division and two products. */
  rmsNorm: 12 * ulp,
  /** One accumulator: errors of its K roundings mostly cancel; 300 elements stay below 4 ulp. */
  matmul: 16 * ulp,
  /** A norm, and two products of sums of two. */
  ropeAndWriteKv: 16 * ulp,
  /** exp within 2 ulp, a division, two products. */
  siluMul: 16 * ulp,
  /** A cubic in the argument of tanh: its error is multiplied by the argument, up to 10. */
  geluMul: 32 * ulp,
  /** tanh within 2 ulp, a division and a product. */
  softcap: 8 * ulp,
} as const;

/**
 * Results that an op may give as 0, where an intermediate number overflows: e^-x passes the largest
 * float32 at x = -88.7, where silu(x) is 3e-37, times the other operand.
 */
const vanishing: Partial<Record<keyof typeof arithmetic, number>> = { siluMul: 2 ** -118 };

/**
 * Arithmetic error on a GPU, where it is another than on the CPU.
 *
 * A tensor core aligns the products of one mma to the largest term and cuts off what lies below it: up to
 * 2^-22 of that term, per 16 of K. Products of 300 elements take 19 of them.
 */
const onGpu: Partial<Record<keyof typeof arithmetic, number>> = { matmul: 64 * ulp };

/** Error of a dot product of one head, over its sum of absolute terms; 16 mma at a head dim of 256. */
const dotError: Readonly<Record<Backend, number>> = { cpu: 16 * ulp, cuda: 64 * ulp };

/**
 * The tolerance of an op that writes `outDtype`.
 *
 * The rounding term is one unit roundoff and a quarter: an exact tie may go the other way after an
 * error of the arithmetic, which that error itself pays for.
 */
export function toleranceOf(
  op: keyof typeof arithmetic,
  outDtype: FloatDType,
  backend: Backend = 'cpu',
): Tolerance {
  return {
    relative: (backend === 'cuda' ? onGpu[op] : undefined) ?? arithmetic[op],
    rounding: unitRoundoff(outDtype) * (arithmetic[op] === 0 ? 0 : 1.25),
    absolute: arithmetic[op] === 0 ? 0 : Math.max(absoluteError(outDtype), vanishing[op] ?? 0),
  };
}

/**
 * What remains of a tiny result: float16 keeps subnormal numbers, rounded to multiples of 2^-24; the
 * others are flushed to zero.
 */
export function absoluteError(outDtype: FloatDType): number {
  return outDtype === 'f16'
    ? smallestNormal('f16') * unitRoundoff('f16')
    : smallestNormal(outDtype);
}

/**
 * What an element of `pagedAttention` may be off by, relative to its weighted sum of absolute values.
 *
 * @param cacheDtype weights are rounded to it before they meet V: one unit roundoff each, on top of
 *   float32 arithmetic
 * @param scoreMagnitude the largest sum of absolute terms of a score of this row and head, scaled; an
 *   error of a score is a relative error of its weight
 */
export function attentionError(
  cacheDtype: FloatDType,
  scoreMagnitude: number,
  backend: Backend = 'cpu',
): number {
  const rounding = cacheDtype === 'f32' ? 0 : unitRoundoff(cacheDtype);
  return rounding + dotError[backend] * (1 + scoreMagnitude);
}

/**
 * What a weight far below the largest one may be off by, in units of the largest: float16 has nothing
 * between multiples of 2^-24.
 */
export function tinyWeightError(cacheDtype: FloatDType): number {
  return cacheDtype === 'f16' ? absoluteError('f16') : 0;
}

/** What an element of the lse may be off by, absolutely: the errors of its scores and of a log. */
export function lseError(lse: number, scoreMagnitude: number, backend: Backend = 'cpu'): number {
  return dotError[backend] * (1 + scoreMagnitude) + 4 * ulp * Math.abs(lse);
}

/** Of `sample`; which token is drawn is exact but where a border between tokens is this near. */
export const sampling = {
  /** Of a sum of weights, relative: exp within 2 ulp, sums in double. */
  slack: 64 * ulp,
  /** Of a log-probability, times 1 + its size: two subtractions and a log. */
  logprob: 16 * ulp,
} as const;

/**
 * Logits of a whole small model against float64, relative to the largest logit of the row.
 *
 * f32: some thousand roundings of 2^-24 that mostly cancel, found within 1.5e-6. f16, bf16: an input
 * of a matmul, a key or an attention weight near a tie rounds to the other neighbour than in the
 * reference; found within 1.5 and 3 unit roundoffs. Wrong windows, rotations or norms start at 1e-3
 * (reference-forward.test.ts), and those are tested in f32.
 */
export const modelLogits = { f32: 1e-5, f16: 4e-3, bf16: 3e-2 } as const;

/**
 * Logits against transformers in float32 over 600 tokens, relative to the largest logit of the row. Its rotary angles
 * are products in float32, off by up to 600 * 2^-24 rad; found within 2e-5.
 */
export const transformersLogits = 1e-4;
