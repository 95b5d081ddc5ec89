/** A small repeatable generator: the same seed gives the same draws everywhere. */
export class Random {
  constructor(seed: number | string);
  next(): number;
  integer(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  shuffle<T>(items: readonly T[]): T[];
}
