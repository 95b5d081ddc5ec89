import { uniformAt } from './philox.js';

/** How one row is drawn; the fields of SamplingSlot in lib/device/sampling-slot.ts. */
export interface SampleSettings {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly seed: bigint;
  readonly bias: ReadonlyMap<number, number>;
  readonly promptTokens: ReadonlySet<number>;
  /** Times each token was drawn so far. */
  readonly outputCounts: ReadonlyMap<number, number>;
}

/** The logits with those at -infinity whose bit, `id % 32` of word `id / 32`, is not set. */
export function maskLogits(logits: ArrayLike<number>, mask?: ArrayLike<number>): Float32Array {
  return Float32Array.from(logits, (logit, id) => {
    const isAllowed = mask === undefined || ((mask[Math.floor(id / 32)] >>> (id % 32)) & 1) === 1;
    return isAllowed ? logit : Number.NEGATIVE_INFINITY;
  });
}

/** The tokens that may be drawn, in the order in which a draw walks them. */
export interface Candidates {
  readonly ids: readonly number[];
  /** Not normalised. */
  readonly weights: readonly number[];
}

const f32 = Math.fround;

/** Whether a row can be drawn from: no NaN, no +infinity, and something finite. */
export function isDrawable(logits: ArrayLike<number>): boolean {
  const values = Array.from(logits);
  if (values.some((x) => Number.isNaN(x) || x === Number.POSITIVE_INFINITY)) return false;
  return values.some(Number.isFinite);
}

/** Adds biases, then takes penalties; each step is rounded to float32, as logits are. */
export function adjustLogits(logits: ArrayLike<number>, settings: SampleSettings): Float64Array {
  const adjusted = Float64Array.from(logits);
  for (const [id, bias] of settings.bias) adjusted[id] = f32(adjusted[id] + f32(bias));
  const repetition = f32(settings.repetitionPenalty);
  for (let id = 0; id < adjusted.length; id++) {
    const count = settings.outputCounts.get(id) ?? 0;
    if (count === 0 && !settings.promptTokens.has(id)) continue;
    const x = adjusted[id];
    adjusted[id] = f32(x > 0 ? x / repetition : x * repetition);
    if (count === 0) continue;
    const penalty = f32(
      f32(f32(settings.frequencyPenalty) * count) + f32(settings.presencePenalty),
    );
    adjusted[id] = f32(adjusted[id] - penalty);
  }
  return adjusted;
}

/** The id of the largest value; the lowest one of several. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let id = 1; id < values.length; id++) if (values[id] > values[best]) best = id;
  return best;
}

/**
 * The tokens that temperature, top-k, min-p and top-p leave, in that order; top-p is a share of what
 * the others left. In order of ids, or of falling logits where top-k or top-p is on.
 *
 * @param topP instead of the settings': to widen or narrow the set by a rounding error
 */
export function candidatesOf(
  adjusted: Float64Array,
  settings: SampleSettings,
  topP = settings.topP,
): Candidates {
  const max = adjusted[argmax(adjusted)];
  const temperature = f32(settings.temperature);
  const scaled = adjusted.map((x) => f32(f32(x - max) / temperature));
  const weights = scaled.map(Math.exp);
  const hasTopK = settings.topK > 0 && settings.topK < adjusted.length;
  let ids = Array.from(adjusted.keys());
  if (hasTopK || settings.topP < 1) ids.sort((a, b) => scaled[b] - scaled[a] || a - b);
  if (hasTopK) ids = ids.slice(0, settings.topK);
  ids = ids.filter((id) => weights[id] >= f32(settings.minP));
  if (settings.topP < 1) ids = shortestPrefix(ids, weights, topP);
  return { ids, weights: ids.map((id) => weights[id]) };
}

/** The first ids that hold the share `topP` of all weights; at least one. */
function shortestPrefix(ids: readonly number[], weights: Float64Array, topP: number): number[] {
  const total = ids.reduce((sum, id) => sum + weights[id], 0);
  const prefix: number[] = [];
  let sum = 0;
  for (const id of ids) {
    if (prefix.length > 0 && sum >= topP * total) break;
    prefix.push(id);
    sum += weights[id];
  }
  return prefix;
}

/**
 * The tokens that a draw may give when every sum of weights may be off by `slack` of the total:
 * usually one, two where the draw falls next to a border between tokens.
 */
export function drawWithin(
  candidates: Candidates,
  settings: SampleSettings,
  position: number,
  slack: number,
): number[] {
  const total = candidates.weights.reduce((sum, weight) => sum + weight, 0);
  const target = uniformAt(settings.seed, position) * total;
  const drawn: number[] = [];
  let sum = 0;
  candidates.ids.forEach((id, i) => {
    const end = sum + candidates.weights[i];
    if (target >= sum - slack * total && target < end + slack * total) drawn.push(id);
    sum = end;
  });
  return drawn;
}

/** Log-probabilities of the logits as they came. */
export function logSoftmax(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const max = values[argmax(values)];
  const sum = values.reduce((total, x) => total + Math.exp(x - max), 0);
  return values.map((x) => x - max - Math.log(sum));
}
