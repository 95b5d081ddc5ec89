import { InvalidArgumentError } from '../errors.js';

/**
 * Refuses anything but an integer in `[min, max]`.
 *
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming field, value and limit
 */
export function checkInteger(field: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new InvalidArgumentError(field, value, `an integer in [${min}, ${max}]`);
}

/**
 * Refuses anything but a finite number for which `isInside` holds.
 *
 * @param limit the range in words, for the message
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` naming field, value and limit
 */
export function checkNumber(
  field: string,
  value: number,
  limit: string,
  isInside: (value: number) => boolean = () => true,
): void {
  if (typeof value === 'number' && Number.isFinite(value) && isInside(value)) return;
  throw new InvalidArgumentError(field, value, limit);
}

/** Largest extent of one tensor dimension: the addon counts elements of a row in 32 bits. */
export const maxExtent = 2 ** 31 - 1;
