import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ConfigJson } from './random-checkpoint.js';

export const goldenFolder = join(import.meta.dirname, 'golden');

/** What PyTorch and transformers gave for one tiny model, see tools/golden/README.md. */
export interface GoldenCase {
  name: string;
  promptTokens: number[];
  /** Prompt rows whose logits follow. */
  rows: number[];
  /** `[rows.length][vocabSize]` float64 */
  logits: number[][];
}

/** A case whose weights are those of `tensorValues` with `seed`. */
export interface RandomGoldenCase extends GoldenCase {
  seed: number;
  config: ConfigJson;
}

export function readGolden(name: string): GoldenCase {
  return { name, ...JSON.parse(readFileSync(join(goldenFolder, `${name}.json`), 'utf8')) };
}

/** All cases that carry a config and a seed instead of a checkpoint. */
export function readRandomGoldens(): RandomGoldenCase[] {
  return readdirSync(goldenFolder)
    .filter((fileName) => fileName.endsWith('.json'))
    .map((fileName) => readGolden(fileName.replace('.json', '')) as RandomGoldenCase)
    .filter((golden) => golden.config !== undefined);
}

/** Largest difference as a fraction of the largest expected magnitude; NaN when any value is NaN. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.NaN;
  let largest = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i] - expected[i]);
    if (!(difference <= worst)) worst = difference;
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return worst / largest;
}
