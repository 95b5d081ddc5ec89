import { maxTopLogprobs } from './sampling-slot.js';

/** What one step did, counted natively while it ran. */
export interface StepCounters {
  /** Rows of sequences that ran through the program. */
  readonly tokensComputed: number;
  /** Token places written per layer: rows whose slot is not -1. */
  readonly kvSlotsWritten: number;
  readonly blocksCopied: number;
  readonly logitRows: number;
  readonly tokensSampled: number;
  /** Wall time of the step on the engine thread. */
  readonly runMs: number;
}

/** What a step gives back; `L` is its `numLogitRows`. */
export interface StepResult {
  /** `[L]` drawn token ids; -1 where nothing was drawn */
  readonly samples: Int32Array;
  /** `[L]` log-probability of each drawn token, where logprobs were asked for */
  readonly logprobs: Float32Array;
  /** `[L * maxTopLogprobs]` most likely ids, best first; -1 past `numLogprobs` */
  readonly topIds: Int32Array;
  /** `[L * maxTopLogprobs]` */
  readonly topLogprobs: Float32Array;
  /** `[L]` 1 where the logits have a NaN or +inf */
  readonly nonFinite: Uint8Array;
  /** `[L]` digest of the bits of each logits row, when asked for */
  readonly digests?: BigUint64Array;
  /** `[L, vocabSize]` when asked for */
  readonly logits?: Float32Array;
  /** `[numTokens or L, hidden]` when the program ends in hidden states */
  readonly hidden?: Float32Array;
  readonly counters: StepCounters;
}

/** What decides the size of a result. */
export interface ResultShape {
  readonly numLogitRows: number;
  readonly hasDigests: boolean;
  /** f32 elements of the logits or hidden states that come back. */
  readonly numValues: number;
  readonly valuesAre: 'logits' | 'hidden' | 'nothing';
}

const numCounters = 8;

/** Where the arrays of a result lie in its memory. Mirrors ResultLayout in addon/step_result.h. */
function layoutResult(shape: ResultShape) {
  const { numLogitRows, hasDigests, numValues } = shape;
  const digests = numCounters * 8;
  const samples = digests + (hasDigests ? numLogitRows * 8 : 0);
  const logprobs = samples + numLogitRows * 4;
  const topIds = logprobs + numLogitRows * 4;
  const topLogprobs = topIds + numLogitRows * maxTopLogprobs * 4;
  const values = topLogprobs + numLogitRows * maxTopLogprobs * 4;
  const nonFinite = values + numValues * 4;
  const byteLength = nonFinite + numLogitRows;
  return { digests, samples, logprobs, topIds, topLogprobs, values, nonFinite, byteLength };
}

/** Memory for a result; the addon fills it before the step's promise resolves. */
export function allocateResult(shape: ResultShape): ArrayBuffer {
  return new ArrayBuffer(layoutResult(shape).byteLength);
}

/** The arrays of a filled result, as views of its memory. */
export function readResult(shape: ResultShape, memory: ArrayBuffer): StepResult {
  const at = layoutResult(shape);
  const { numLogitRows, hasDigests, numValues, valuesAre } = shape;
  const numTop = numLogitRows * maxTopLogprobs;
  return {
    samples: new Int32Array(memory, at.samples, numLogitRows),
    logprobs: new Float32Array(memory, at.logprobs, numLogitRows),
    topIds: new Int32Array(memory, at.topIds, numTop),
    topLogprobs: new Float32Array(memory, at.topLogprobs, numTop),
    nonFinite: new Uint8Array(memory, at.nonFinite, numLogitRows),
    ...(hasDigests && { digests: new BigUint64Array(memory, at.digests, numLogitRows) }),
    ...(valuesAre !== 'nothing' && {
      [valuesAre]: new Float32Array(memory, at.values, numValues),
    }),
    counters: readCounters(memory),
  };
}

function readCounters(memory: ArrayBuffer): StepCounters {
  const [tokensComputed, kvSlotsWritten, blocksCopied, logitRows, tokensSampled, runMs] =
    new Float64Array(memory, 0, numCounters);
  return { tokensComputed, kvSlotsWritten, blocksCopied, logitRows, tokensSampled, runMs };
}
