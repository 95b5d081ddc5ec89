import { Device, type DeviceOptions, type Isa } from '../../lib/device/index.js';
import type { StepBatch } from '../../lib/engine/index.js';
import { extentOfThisRun, productPart } from '../conformance/extent.js';
import { type Axes, type Combination, pairwiseCover } from '../conformance/pairwise.js';
import { Random } from '../conformance/random.js';
import { isQuantized } from '../reference/quantized.js';
import { DeviceEngine } from './device-engine.js';
import { type Answered, IdentityTraffic, numRowsOf } from './identity-traffic.js';
import type { ReferenceAnswers } from './reference-answers.js';

/** Everything that must not change a bit of the logits, and the models to show it on. */
export function identityAxes() {
  return {
    dtype: ['f32', 'f16', 'bf16', 'int8', 'int4'],
    group: [1, 4, 7],
    headDim: [64, 96, 128],
    isa: Device.availableIsas(),
    threads: [1, 2],
    blockSize: [8, 16, 32],
    chunk: [1, 16, 64, 512],
    pool: ['ample', 'tiny'],
  } as const satisfies Axes & { isa: readonly Isa[] };
}

export type IdentityCase = Combination<ReturnType<typeof identityAxes>>;

/** A pairwise cover, with at least `minCases` cases, or what of the product `PA_FULL` asks for. */
export function identityCases(minCases: number, seed: number): IdentityCase[] {
  const extent = extentOfThisRun();
  if (extent !== 'cover') return productPart(identityAxes(), extent, seed);
  return pairwiseCover(identityAxes(), new Random(1, 'identity'), minCases);
}

export const nameOf = (c: IdentityCase): string =>
  `${c.dtype} group ${c.group} head_dim ${c.headDim} ${c.isa} threads ${c.threads} ` +
  `block ${c.blockSize} chunk ${c.chunk} ${c.pool} pool`;

/** What the model is quantised to while loading; undefined where it stays as it is stored. */
export const quantizedDtype = ({ dtype }: IdentityCase) => (isQuantized(dtype) ? dtype : undefined);

/** What happened, counted over requests or by the device. */
export interface Tally {
  requests: number;
  /** Requests that should hit, and those that did. */
  hitsExpected: number;
  hits: number;
  /** Hits that ended inside a block. */
  partialHits: number;
  /** Those of them inside the non-full last block of a finished answer. */
  tailHits: number;
  blocksCopied: number;
  preemptions: number;
  recomputedTokens: number;
  coalesced: number;
  /** Steps that were submitted while another one ran. */
  stepsAhead: number;
  /** Rows that such a step ran for an answer that had ended. */
  wastedTokens: number;
}

export const emptyTally = (): Tally => ({
  requests: 0,
  hitsExpected: 0,
  hits: 0,
  partialHits: 0,
  tailHits: 0,
  blocksCopied: 0,
  preemptions: 0,
  recomputedTokens: 0,
  coalesced: 0,
  stepsAhead: 0,
  wastedTokens: 0,
});

export function addTally(sum: Tally, more: Tally): void {
  for (const kind of Object.keys(sum) as Array<keyof Tally>) sum[kind] += more[kind];
}

/** Blocks that hold the longest sequence of the traffic (about 260 tokens) and little more. */
const tinyPoolTokens = 272;
const amplePoolTokens = 6144;

/** What one run of the traffic gave, compared with the same requests alone. */
export interface IdentityResult {
  /** One line per answer that is not bit for bit what it should be, or that is missing. */
  readonly mismatches: readonly string[];
  readonly tally: Tally;
  /** Rows by the requests' usage and what was wasted, by the engine's sum over steps, and by the device itself. */
  readonly rows: { usage: number; steps: number; device: number };
}

/** Runs the traffic in one variant and compares every logits row with the reference's. */
export async function runIdentityCase(
  variant: IdentityCase,
  options: {
    folder: string;
    seed: number;
    onSubmit?: (step: StepBatch) => void;
    /** Another device than the variant's CPU. */
    on?: DeviceOptions;
  },
  reference: ReferenceAnswers,
): Promise<IdentityResult> {
  const { isa, threads, blockSize, chunk, pool } = variant;
  const dtype = quantizedDtype(variant);
  const poolTokens = pool === 'tiny' ? tinyPoolTokens : amplePoolTokens;
  const numBlocks = Math.ceil(poolTokens / blockSize) + 1;
  const { folder, seed, onSubmit, on } = options;
  const engine = await DeviceEngine.open({
    ...{ folder, dtype, isa, threads, blockSize, numBlocks, onSubmit, on },
    maxSeqs: 16,
    // No limit in time: what a step holds, and so who is preempted, is the same in every run.
    engine: { maxChunkTokens: chunk, maxStepMs: 1e9, maxPrefillStepMs: 1e9 },
    checks: onSubmit === undefined,
  });
  try {
    const traffic = new IdentityTraffic(engine, seed);
    if (pool === 'tiny') await traffic.crowd();
    const { answered, failures } = await traffic.run();
    const mismatches = failures.map((error) => `failed: ${error.code} ${error.message}`);
    for (const answer of answered) mismatches.push(...(await compare(answer, reference)));
    const stats = engine.core.stats();
    return {
      mismatches,
      tally: {
        ...tallyOf(answered, pool === 'ample'),
        blocksCopied: engine.device.counters().blocksCopied,
        coalesced: stats.numCoalesced,
        stepsAhead: stats.numStepsAhead,
        wastedTokens: stats.tokensWasted,
      },
      rows: {
        usage:
          stats.tokensWasted +
          answered.reduce((sum, { result }) => sum + numRowsOf(result.finished!.usage), 0),
        steps: stats.tokensComputed,
        device: engine.device.counters().tokensComputed,
      },
    };
  } finally {
    await engine.close();
  }
}

async function compare(answer: Answered, reference: ReferenceAnswers): Promise<string[]> {
  const { prompt, sampling, result } = answer;
  if (result.tokens.length === 0) return []; // its first token was a stop token
  const wanted = await reference.get(prompt, result.tokens.length, sampling);
  const differs = wanted.digests.findIndex((digest, i) => digest !== result.digests[i]);
  if (differs >= 0) return [`prompt of ${prompt.length}: logits of token ${differs} differ`];
  const isSame = wanted.tokens.every((token, i) => token === result.tokens[i]);
  return isSame ? [] : [`prompt of ${prompt.length}: other tokens from the same logits`];
}

function tallyOf(answered: readonly Answered[], isAmple: boolean): Tally {
  const tally = emptyTally();
  for (const { expects, result } of answered) {
    const { usage } = result.finished!;
    const isCopied = usage.copiedTokens > 0;
    tally.requests++;
    tally.partialHits += isCopied ? 1 : 0;
    tally.preemptions += usage.preemptions;
    tally.recomputedTokens += usage.recomputedTokens;
    if (!isAmple || expects === 'nothing') continue;
    tally.hitsExpected++;
    tally.hits += usage.cachedTokens > 0 ? 1 : 0;
    tally.tailHits += expects === 'tail' && isCopied ? 1 : 0;
  }
  return tally;
}
