import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ConfigJson } from './random-checkpoint.js';

const folder = join(import.meta.dirname, 'golden', 'families');

/** What transformers gave for a tiny model of one family, see tools/golden/make_family_goldens.py. */
export interface FamilyCase {
  readonly name: string;
  readonly config: ConfigJson;
  readonly seed: number;
  /** Tokens that the model is to be loaded for. */
  readonly contextLen: number;
  /** `[600]` */
  readonly promptTokens: readonly number[];
  /** Prompt rows whose logits follow: row i is the last one of the prompt's first i + 1 tokens. */
  readonly rows: readonly number[];
  /** `[rows.length][vocabSize]` f32 */
  readonly logits: readonly Float32Array[];
  /** `[600]` length of each row's logits as a vector. */
  readonly norms: Float32Array;
  /** `[600]` each row's logits summed up under the signs of {@link signOf}. */
  readonly signedSums: Float32Array;
  /** `[64]` the greedy continuation. */
  readonly greedyTokens: readonly number[];
  /** Largest relative error of `rows` in bfloat16 by transformers itself. */
  readonly bf16Error: number;
}

export const familyNames = readdirSync(folder).map((fileName) => fileName.replace('.json', ''));

export function readFamily(name: string): FamilyCase {
  const file = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
  const vocabSize = file.config.vocab_size as number;
  const all = unpack(file.logits);
  const logits = file.rows.map((_: number, i: number) =>
    all.subarray(i * vocabSize, (i + 1) * vocabSize),
  );
  return {
    ...file,
    name,
    logits,
    norms: unpack(file.norms),
    signedSums: unpack(file.signedSums),
  };
}

/** Little-endian float32 in base64. */
function unpack(base64: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Float32Array(bytes.buffer);
}

/** Mirrors `signs` in tools/golden/make_family_goldens.py. */
export const signOf = (token: number): number =>
  Math.imul(token, 0x9e3779b9) >>> 31 === 1 ? -1 : 1;
