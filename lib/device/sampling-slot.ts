import { InvalidArgumentError } from '../errors.js';
import { checkInteger, checkNumber } from './limits.js';

/** Most alternatives per token that logprobs can name. Mirrors kMaxTopLogprobs in cuda/params.h. */
export const maxTopLogprobs = 20;

/** How one sequence's tokens are drawn. Mirrors SamplingParams in cuda/params.h. */
export interface SamplingSlot {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  /** `(0, 1]`; 1 is off. */
  readonly topP: number;
  /** `[0, 1)`; 0 is off. */
  readonly minP: number;
  /** Over prompt and output tokens; 1 is off. */
  readonly repetitionPenalty: number;
  /** Over output tokens; 0 is off. */
  readonly presencePenalty: number;
  /** Over output tokens; 0 is off. */
  readonly frequencyPenalty: number;
  /** -1: none; otherwise the sampled token's and this many of the most likely ones. */
  readonly numLogprobs: number;
  /** Draws are keyed by (seed, position). `[0, 2^64)` */
  readonly seed: bigint;
  /** Added to the logits of `ids`. */
  readonly logitBias?: { readonly ids: Int32Array; readonly values: Float32Array };
  /** Tokens of the prompt, for `repetitionPenalty`. */
  readonly promptTokens?: Int32Array;
  /** Tokens that were drawn already, as after a preemption; later draws are counted natively. */
  readonly outputTokens?: Int32Array;
  /**
   * `[ceil(vocabSize / 32)]` bit `id % 32` of word `id / 32`: the token may be drawn. The row counts as if the logits
   * of all others were -infinity, for log-probabilities too. Default: every token may.
   */
  readonly tokenMask?: Int32Array;
}

/** The most likely token, nothing penalised or masked: what other slots are made of, `{ ...greedySlot, temperature: 1 }`. */
export const greedySlot: SamplingSlot = Object.freeze({
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  numLogprobs: -1,
  seed: 0n,
});

/** A slot as it crosses to the addon. */
export interface NativeSamplingSlot extends SamplingSlot {
  readonly hasPenalties: boolean;
}

/**
 * Refuses a slot that is out of range.
 *
 * @param field what the slot is called in messages
 * @throws {InvalidArgumentError} `ERR_INVALID_ARGUMENT` or `ERR_TOKEN_OUT_OF_RANGE`
 */
export function toNativeSlot(
  field: string,
  slot: SamplingSlot,
  vocabSize: number,
): NativeSamplingSlot {
  checkNumber(`${field}.temperature`, slot.temperature, 'a number >= 0', (v) => v >= 0);
  checkInteger(`${field}.topK`, slot.topK, 0, 2 ** 31 - 1);
  checkNumber(`${field}.topP`, slot.topP, 'a number in (0, 1]', (v) => v > 0 && v <= 1);
  checkNumber(`${field}.minP`, slot.minP, 'a number in [0, 1)', (v) => v >= 0 && v < 1);
  const repetition = slot.repetitionPenalty;
  checkNumber(`${field}.repetitionPenalty`, repetition, 'a number > 0', (v) => v > 0);
  checkNumber(`${field}.presencePenalty`, slot.presencePenalty, 'a finite number');
  checkNumber(`${field}.frequencyPenalty`, slot.frequencyPenalty, 'a finite number');
  checkInteger(`${field}.numLogprobs`, slot.numLogprobs, -1, maxTopLogprobs);
  checkSeed(`${field}.seed`, slot.seed);
  checkBias(`${field}.logitBias`, slot.logitBias, vocabSize);
  checkTokens(`${field}.promptTokens`, slot.promptTokens, vocabSize);
  checkTokens(`${field}.outputTokens`, slot.outputTokens, vocabSize);
  if (slot.tokenMask !== undefined) checkMask(`${field}.tokenMask`, slot.tokenMask, vocabSize);

  const hasPenalties =
    repetition !== 1 || slot.presencePenalty !== 0 || slot.frequencyPenalty !== 0;
  return { ...slot, hasPenalties };
}

/**
 * Refuses a token mask that is not as long as the vocabulary.
 *
 * @throws {InvalidArgumentError} `ERR_SHAPE_MISMATCH`
 */
export function checkMask(field: string, mask: Int32Array, vocabSize: number): void {
  const numWords = Math.ceil(vocabSize / 32);
  if (mask.length === numWords) return;
  const limit = `${numWords}, a bit for each of ${vocabSize} tokens`;
  throw new InvalidArgumentError(`${field}.length`, mask.length, limit, 'ERR_SHAPE_MISMATCH');
}

function checkSeed(field: string, seed: bigint): void {
  if (typeof seed === 'bigint' && seed >= 0n && seed < 1n << 64n) return;
  throw new InvalidArgumentError(field, seed, 'a bigint in [0, 2^64)');
}

function checkBias(field: string, bias: SamplingSlot['logitBias'], vocabSize: number): void {
  if (bias === undefined) return;
  const { ids, values } = bias;
  checkTokens(`${field}.ids`, ids, vocabSize);
  if (values.length !== ids.length) {
    throw new InvalidArgumentError(`${field}.values.length`, values.length, `${ids.length}`);
  }
  for (const [i, value] of values.entries()) {
    checkNumber(`${field}.values[${i}]`, value, 'a finite number');
  }
}

function checkTokens(field: string, tokens: Int32Array | undefined, vocabSize: number): void {
  if (tokens === undefined) return;
  const found = tokens.findIndex((token) => token < 0 || token >= vocabSize);
  if (found < 0) return;
  throw new InvalidArgumentError(
    `${field}[${found}]`,
    tokens[found],
    `a token id in [0, ${vocabSize - 1}]`,
    'ERR_TOKEN_OUT_OF_RANGE',
  );
}
