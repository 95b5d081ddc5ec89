/**
 * A language model made of integer hashes: two "layers" of keys and values, each of which depends on
 * everything before it, like a transformer's. Any wrong, missing or stale slot gives other logits.
 */

/** Content of a layer's slot: never 0 for a written one. */
const mix = (a: number, b: number): number => {
  let h = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** First layer's K/V of a token: of nothing but itself and its position. */
export function firstLayer(token: number, position: number): number {
  return mix(token + 1, position + 1) | 1;
}

/** Folds one attended slot into what a row has attended to so far; order matters. */
export function attend(attended: number, content: number): number {
  return mix(Math.imul(attended, 31) + 7, content);
}

/** Second layer's K/V: of everything the row attended to in the first. */
export function secondLayer(attended: number, token: number): number {
  return mix(attended, token + 1) | 1;
}

/** Stands for the 64-bit digest of a logits row. */
export function digestOf(attended: number): bigint {
  return (BigInt(mix(attended, 1)) << 32n) | BigInt(mix(attended, 2));
}

/** What draws a token: the part of a sampling slot that this model knows. */
export interface Draw {
  readonly temperature: number;
  readonly seed: bigint;
  /** Position that the drawn token will have. */
  readonly position: number;
  /** Hash over the tokens that penalties count; 0 without penalties. */
  readonly counted: number;
  /** Tokens with a bias below -1e20. */
  readonly banned: ReadonlySet<number>;
}

export function drawToken(attended: number, vocabSize: number, draw: Draw): number {
  const key = draw.temperature === 0 ? 0 : mix(Number(draw.seed & 0xffffffffn), draw.position);
  let token = mix(mix(attended, key), draw.counted) % vocabSize;
  while (draw.banned.has(token)) token = (token + 1) % vocabSize;
  return token;
}

/** A hash of a multiset of tokens, as penalties see it. */
export function countTokens(counted: number, token: number): number {
  return (counted + mix(token + 1, 77)) >>> 0;
}

/** How {@link answerAlone} draws. */
export interface AloneOptions {
  temperature?: number;
  seed?: bigint;
  /** Count output tokens, as with a presence penalty. */
  hasPenalty?: boolean;
}

/** What the model answers when nothing is paged, batched or cached: one running hash per layer. */
export function answerAlone(
  prompt: readonly number[],
  numTokens: number,
  vocabSize: number,
  { temperature = 0, seed = 0n, hasPenalty = false }: AloneOptions = {},
): { tokens: number[]; digests: bigint[] } {
  const all = [...prompt];
  const digests: bigint[] = [];
  let counted = hasPenalty ? 1 : 0;
  let attendedFirst = 0;
  let attendedSecond = 0;
  for (let position = 0; position < prompt.length + numTokens - 1; position++) {
    attendedFirst = attend(attendedFirst, firstLayer(all[position], position));
    attendedSecond = attend(attendedSecond, secondLayer(attendedFirst, all[position]));
    if (position < prompt.length - 1) continue;
    digests.push(digestOf(attendedSecond));
    const draw = { temperature, seed, position: position + 1, counted, banned: new Set<number>() };
    const token = drawToken(attendedSecond, vocabSize, draw);
    all.push(token);
    if (hasPenalty) counted = countTokens(counted, token);
  }
  return { tokens: all.slice(prompt.length), digests };
}
