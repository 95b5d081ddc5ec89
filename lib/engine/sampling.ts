import { maxTopLogprobs, type SlotParams, type StepOutcome } from './executor.js';
import type { SamplingParams, TokenLogprobs } from './messages.js';
import type { Sequence } from './sequence.js';

/** Makes a token's probability 0 and stays finite, so that it is no sign of a broken model. */
const bannedBias = -1e30;

/** What draws a sequence's tokens from its next step on; `sample` is whose seed is used. */
export function slotParamsOf(sequence: Sequence, sample: number): SlotParams {
  const { sampling, minTokens, stopTokenIds } = sequence.request.options;
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = sampling;
  const hasPenalty = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
  const { tokens, promptLen, numOutputTokens } = sequence;
  const mayStop = numOutputTokens >= minTokens;
  return {
    ...sampling,
    seed: sequence.seedOf(sample),
    logitBias: mayStop ? sampling.logitBias : withoutTokens(sampling.logitBias, stopTokenIds),
    ...(repetitionPenalty === 1 ? {} : { promptTokens: tokens.view(0, promptLen).slice() }),
    ...(hasPenalty && numOutputTokens > 0 ? { outputTokens: tokens.view(promptLen).slice() } : {}),
  };
}

/** The log-probabilities of one logit row: as many top ones as were asked for, of tokens that can be drawn. */
export function logprobsOf(
  outcome: StepOutcome,
  row: number,
  { logprobs = 0 }: SamplingParams,
): TokenLogprobs {
  const top: TokenLogprobs['top'] = [];
  for (let i = row * maxTopLogprobs; i < row * maxTopLogprobs + logprobs; i++) {
    if (outcome.topIds[i] < 0 || outcome.topLogprobs[i] === Number.NEGATIVE_INFINITY) break;
    top.push({ tokenId: outcome.topIds[i], logprob: outcome.topLogprobs[i] });
  }
  return { logprob: outcome.logprobs[row], top };
}

/** A bias that also makes some tokens impossible. */
function withoutTokens(
  bias: SamplingParams['logitBias'],
  banned: ReadonlySet<number>,
): NonNullable<SamplingParams['logitBias']> {
  const kept = [...(bias?.ids ?? [])].flatMap((id, i) =>
    banned.has(id) ? [] : [{ id, value: bias?.values[i] ?? 0 }],
  );
  return {
    ids: Int32Array.from([...kept.map(({ id }) => id), ...banned]),
    values: Float32Array.from([
      ...kept.map(({ value }) => value),
      ...Array.from(banned, () => bannedBias),
    ]),
  };
}
