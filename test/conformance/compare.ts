import type { Tolerance } from '../tolerances.js';

// Taken out once: under jest, looking up a global costs 100 times what the function does.
const { abs, max } = Math;
const { isFinite: isFiniteNumber, isNaN: isNotNumber } = Number;

/** What an op gave, as the bits of its tensors: the unit in which devices are compared. */
export type RawOutputs = Readonly<Record<string, Float32Array | Uint16Array | Int32Array>>;

/** One tensor and its reference. */
export interface Comparison {
  /** Names the tensor in the message. */
  readonly label: string;
  /** Extents, to name a wrong element by its place. */
  readonly shape: readonly number[];
  readonly actual: ArrayLike<number>;
  readonly expected: ArrayLike<number>;
  /** Per element what `relative` multiplies; `|expected|` when left out. */
  readonly magnitude?: ArrayLike<number>;
  readonly tolerance: Tolerance;
}

/** Thrown when a tensor is not what its reference says. */
export class MismatchError extends Error {
  override readonly name = 'MismatchError';
}

/** The tolerance of ops that only move numbers. */
export const exactly: Tolerance = { relative: 0, rounding: 0, absolute: 0 };

/**
 * Compares element by element; NaN equals only NaN, and an infinity only itself.
 *
 * @throws {MismatchError} naming the first wrong element, how many there are and the worst ratio of
 *   error to tolerance
 */
export function expectClose(comparison: Comparison): void {
  const { label, shape, actual, expected } = comparison;
  if (actual.length !== expected.length) {
    throw new MismatchError(`${label}: ${actual.length} elements; expected ${expected.length}`);
  }
  let first = -1;
  let numWrong = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] === expected[i]) continue;
    const ratio = errorRatio(comparison, i);
    if (ratio <= 1) continue;
    if (first === -1) first = i;
    numWrong++;
    worst = max(worst, ratio);
  }
  if (first === -1) return;
  throw new MismatchError(
    `${label}[${placeOf(first, shape)}] is ${actual[first]}; expected ${expected[first]} ` +
      `(${numWrong} of ${expected.length} elements wrong, worst ${worst.toPrecision(3)} tolerances)`,
  );
}

/** The worst ratio of error to tolerance over all elements: at most 1 when {@link expectClose} passes. */
export function worstRatio(comparison: Comparison): number {
  let worst = 0;
  for (let i = 0; i < comparison.expected.length; i++) {
    worst = max(worst, errorRatio(comparison, i));
  }
  return worst;
}

/**
 * Compares two devices' outputs bit by bit; every NaN counts as the same.
 *
 * @throws {MismatchError} naming the first tensor and element that differ
 */
export function expectSameBits(label: string, actual: RawOutputs, expected: RawOutputs): void {
  for (const [name, tensor] of Object.entries(expected)) {
    const found = bitsOf(actual[name]);
    const wanted = bitsOf(tensor);
    const i = wanted.findIndex(
      (bits, at) => bits !== found[at] && !bothNaN(actual, expected, name, at),
    );
    if (i === -1 && found.length === wanted.length) continue;
    throw new MismatchError(
      `${label}: ${name}[${i}] is ${actual[name][i]}; other bits than ${tensor[i]}`,
    );
  }
}

function bothNaN(actual: RawOutputs, expected: RawOutputs, name: string, i: number): boolean {
  return isNotNumber(actual[name][i]) && isNotNumber(expected[name][i]);
}

function bitsOf(tensor: RawOutputs[string]): Uint16Array | Int32Array {
  if (!(tensor instanceof Float32Array)) return tensor;
  return new Int32Array(tensor.buffer, tensor.byteOffset, tensor.length);
}

/** Error over tolerance; Infinity where NaN or an infinity is not as expected. */
function errorRatio(comparison: Comparison, i: number): number {
  const { tolerance } = comparison;
  const actual = comparison.actual[i];
  const expected = comparison.expected[i];
  if (actual === expected || (isNotNumber(actual) && isNotNumber(expected))) return 0;
  const error = abs(actual - expected);
  if (!isFiniteNumber(error)) return Number.POSITIVE_INFINITY;
  const magnitude = comparison.magnitude?.[i] ?? abs(expected);
  const limit =
    tolerance.relative * magnitude + tolerance.rounding * abs(expected) + tolerance.absolute;
  return error / limit;
}

function placeOf(index: number, shape: readonly number[]): string {
  const place: number[] = [];
  let rest = index;
  for (const extent of [...shape].reverse()) {
    place.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return place.join(', ');
}
